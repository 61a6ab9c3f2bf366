package console

import (
	"net/http"

	"github.com/attribproxy/attribproxy/audit/store"
)

// listRows is how long a page of the list is.
const listRows = 50

// list is the content of the page of events.
type list struct {
	Fields, More []field
	MoreOpen     bool
	Filtered     bool
	Faults       []string
	Rows         []eventRow
	Newest       string // "" on the first page
	Older        string // "" on the last
	Live         string // the same filter, followed
}

func (s *Server) serveList(w http.ResponseWriter, r *http.Request) {
	st, err := s.index.fresh(r.Context())
	if err != nil {
		s.broken(w, r, nil, err)
		return
	}
	defer st.done()
	p := page{Title: "Events", Here: "/events"}
	s.note(&p, st)
	values := r.URL.Query()
	f, faults := readFilter(values)
	after, ok := store.ParseCursor(values.Get("after"))
	if !ok {
		faults = append(faults, "this is no place in the list; here is its beginning")
	}
	events, next, err := st.Events(r.Context(), f.query, store.Page{Limit: listRows, After: after})
	if err != nil {
		s.broken(w, r, st, err)
		return
	}
	l := list{Faults: faults, Filtered: len(f.values) > 0}
	l.Fields, l.More = f.fields()
	l.MoreOpen = chosen(l.More)
	for i := range events {
		l.Rows = append(l.Rows, row(&events[i]))
	}
	if !after.IsZero() {
		l.Newest = f.link("/events")
		p.Again = 0 // an old page does not change
	}
	if !next.IsZero() {
		l.Older = f.link("/events", "after", next.String())
	}
	if s.hub != nil {
		l.Live = f.link("/live", "since", "", "until", "", "kind", "")
	}
	p.Content = l
	s.show(w, http.StatusOK, "list", p)
}
