package console

import (
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/attribproxy/attribproxy/audit"
)

// heartbeat keeps what stands between from thinking a quiet stream dead.
const heartbeat = 15 * time.Second

// live is the content of the tail's page.
type live struct {
	Fields []field
	Stream string // where the events come from
	List   string // the same filter, as a list
}

func (s *Server) serveLive(w http.ResponseWriter, r *http.Request) {
	f, _ := readFilter(r.URL.Query())
	s.show(w, http.StatusOK, "live", page{Title: "Live", Here: "/live", Script: "/assets/live.js", Content: live{
		Fields: f.liveFields(), Stream: f.link("/live/stream"), List: f.link("/events"),
	}})
}

// tailEvent is what a page gets to know of an event: cells of a row. The page
// puts them in as text, never as markup.
type tailEvent struct {
	ID       string `json:"id"`
	Link     string `json:"link"`
	Time     string `json:"time"`
	Outcome  string `json:"outcome"`
	Tone     string `json:"tone"`
	Method   string `json:"method"`
	Status   string `json:"status"`
	Failed   bool   `json:"failed,omitempty"`
	Tool     string `json:"tool"`
	Rule     string `json:"rule"`
	Resource string `json:"resource"`
	Detail   string `json:"detail"`
}

func tailRow(e *audit.Event) tailEvent {
	v := row(e)
	return tailEvent{
		ID: e.Source + "/" + e.ID(), Link: v.Link, Time: v.Time, Outcome: v.Outcome, Tone: v.Tone, Method: v.Method, Status: v.Status, Failed: v.Failed,
		Tool: v.Tool, Rule: v.Rule, Resource: v.Resource, Detail: v.Detail,
	}
}

// serveTail is the event stream (WHATWG HTML, "Server-sent events"). Each
// event has an ID; a browser that comes back names the last it saw, and gets
// what came after it as far as it is kept.
func (s *Server) serveTail(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return
	}
	f, _ := readFilter(r.URL.Query())
	f.query.Kinds = tailKinds()
	past, next := s.hub.join()
	if next == nil {
		text(w, http.StatusServiceUnavailable, "too many pages follow the journal; close some")
		return
	}
	defer s.hub.leave(next)
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		for i := range past {
			if past[i].Source+"/"+past[i].ID() == last {
				past = past[i+1:]
				break
			}
		}
	}
	out := http.NewResponseController(w)
	_ = out.SetWriteDeadline(time.Time{})
	_ = out.SetReadDeadline(time.Time{})
	w.Header().Set("Content-Type", "text/event-stream")
	w.WriteHeader(http.StatusOK)
	send := func(e *audit.Event) error {
		if !f.query.Match(e) {
			return nil
		}
		t := tailRow(e)
		b, err := json.Marshal(t)
		if err != nil {
			return err
		}
		id, err := json.Marshal(t.ID) // no LF can get into the stream
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(w, "id: %s\ndata: %s\n\n", id[1:len(id)-1], b)
		return err
	}
	if _, err := fmt.Fprint(w, "retry: 2000\n\n"); err != nil {
		return
	}
	for i := range past {
		if send(&past[i]) != nil {
			return
		}
	}
	if out.Flush() != nil {
		return
	}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case e, ok := <-next:
			if !ok || send(&e) != nil {
				return
			}
		case <-beat.C:
			if _, err := fmt.Fprint(w, ": still here\n\n"); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
		if len(next) == 0 && out.Flush() != nil {
			return
		}
	}
}
