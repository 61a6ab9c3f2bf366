package fakecloud

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
)

// batch runs the requests in a body of ARM's undocumented POST /batch, which
// the portal and Az PowerShell use, and answers them together. What stands
// inside is not recorded as a request: it did not arrive as one.
func (c *Cloud) batch(w http.ResponseWriter, r armRequest) {
	var body struct {
		Requests []struct {
			HTTPMethod string          `json:"httpMethod"`
			Name       string          `json:"name"`
			URL        string          `json:"url"`
			Content    json.RawMessage `json:"content"`
		} `json:"requests"`
	}
	if r.Method != http.MethodPost {
		notAllowed(w, r)
		return
	}
	if err := json.Unmarshal(r.body, &body); err != nil || len(body.Requests) == 0 {
		writeError(w, http.StatusBadRequest, "InvalidRequestContent", "The request content was invalid and could not be deserialized.")
		return
	}
	var responses []object
	for _, in := range body.Requests {
		answer := &inner{header: http.Header{}, status: http.StatusOK}
		target, err := url.Parse(in.URL)
		if err != nil || strings.HasPrefix(strings.ToLower(target.Path), "/batch") {
			writeError(answer, http.StatusBadRequest, "InvalidRequestUri", "The request URI is not valid.")
		} else {
			req := r.Clone(r.Context())
			req.Method, req.URL, req.RequestURI = strings.ToUpper(in.HTTPMethod), target, target.RequestURI()
			req.Body = io.NopCloser(bytes.NewReader(in.Content))
			c.requestIDs(answer.header, r.Request)
			c.serveARM(answer, req)
		}
		response := object{"name": in.Name, "httpStatusCode": answer.status, "headers": flat(answer.header), "contentLength": answer.body.Len()}
		if answer.body.Len() > 0 {
			response["content"] = json.RawMessage(answer.body.Bytes())
		}
		responses = append(responses, response)
	}
	writeJSON(w, http.StatusOK, object{"responses": responses})
}

// inner collects the answer to one request of a batch.
type inner struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (i *inner) Header() http.Header         { return i.header }
func (i *inner) WriteHeader(status int)      { i.status = status }
func (i *inner) Write(p []byte) (int, error) { return i.body.Write(p) }

func flat(h http.Header) map[string]string {
	out := map[string]string{}
	for k := range h {
		out[k] = h.Get(k)
	}
	return out
}
