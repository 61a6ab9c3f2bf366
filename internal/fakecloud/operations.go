package fakecloud

import (
	"net/http"

	"github.com/google/uuid"
)

// newOperation starts a long-running operation that ends with result.
func (c *Cloud) newOperation(result object) string {
	id := uuid.NewString()
	c.state.operations[id] = &operation{polls: c.opts.Polls, result: result}
	return id
}

// accept answers 202 with a Location below base to poll.
// https://learn.microsoft.com/azure/azure-resource-manager/management/async-operations
func (c *Cloud) accept(w http.ResponseWriter, r armRequest, base string, result object) {
	id := c.newOperation(result)
	w.Header().Set("Location", "https://"+r.Host+base+"/operationresults/"+id+"?api-version="+r.URL.Query().Get("api-version")+"&t="+uuid.NewString())
	w.Header().Set("Retry-After", "1") // clients take 0 for "none given" and wait 30 s
	w.WriteHeader(http.StatusAccepted)
}

// poll counts one look at the operation that the path ends with.
func (c *Cloud) poll(r armRequest) (op *operation, done bool) {
	op, ok := c.state.operations[r.last()]
	if !ok {
		return nil, false
	}
	if op.polls > 0 {
		op.polls--
		return op, false
	}
	return op, true
}

// operationResult answers for a Location.
func (c *Cloud) operationResult(w http.ResponseWriter, r armRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op, done := c.poll(r)
	switch {
	case op == nil:
		writeError(w, http.StatusNotFound, "OperationNotFound", "There is no operation "+r.last()+".")
	case !done:
		w.Header().Set("Location", "https://"+r.Host+r.RequestURI)
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(http.StatusAccepted)
	case op.result == nil:
		w.WriteHeader(http.StatusOK)
	default:
		writeJSON(w, http.StatusOK, op.result)
	}
}

// operationStatus answers for an Azure-AsyncOperation.
func (c *Cloud) operationStatus(w http.ResponseWriter, r armRequest) {
	c.mu.Lock()
	defer c.mu.Unlock()
	op, done := c.poll(r)
	switch {
	case op == nil:
		writeError(w, http.StatusNotFound, "OperationNotFound", "There is no operation "+r.last()+".")
	case !done:
		w.Header().Set("Retry-After", "1")
		writeJSON(w, http.StatusOK, object{"status": "Running"})
	default:
		writeJSON(w, http.StatusOK, op.result)
	}
}
