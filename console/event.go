package console

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// detail is the content of an event's page.
type detail struct {
	Row        eventRow
	Event      *audit.Event
	Request    bool
	Before     []uaPart
	After      []uaPart
	Changed    bool
	NoAgent    bool // the client sent no User-Agent
	Effect     string
	Tokens     []string
	Groups     []group
	Line       string
	RuleLink   string
	SameConfig bool
	Related    []related
}

// group is fields that belong together.
type group struct {
	Title string
	Pairs []pair
}

type pair struct{ Name, Value string }

// related is a list of events that have something in common with this one.
type related struct{ Label, Link string }

func (s *Server) serveEvent(w http.ResponseWriter, r *http.Request) {
	epoch, err1 := strconv.ParseUint(r.PathValue("epoch"), 10, 64)
	seq, err2 := strconv.ParseUint(r.PathValue("seq"), 10, 64)
	if err1 != nil || err2 != nil {
		s.fail(w, http.StatusNotFound, "That is no number of an event.", "An event is named by its source, its epoch and its number in it.")
		return
	}
	st, err := s.index.fresh(r.Context())
	if err != nil {
		s.broken(w, r, nil, err)
		return
	}
	defer st.done()
	e, err := st.Event(r.Context(), r.PathValue("source"), epoch, seq)
	if errors.Is(err, store.ErrNotFound) {
		s.fail(w, http.StatusNotFound, "There is no such event.", "It may have been deleted by audit.retainAge or audit.retainBytes, or the index is still being built.")
		return
	}
	if err != nil {
		s.broken(w, r, st, err)
		return
	}
	p := page{Title: "Event " + e.ID(), Here: "/events"}
	if st.Err != nil {
		s.note(&p, st)
	}
	d, err := s.detailOf(&e)
	if err != nil {
		s.broken(w, r, st, err)
		return
	}
	p.Content = d
	s.show(w, http.StatusOK, "event", p)
}

func (s *Server) detailOf(e *audit.Event) (detail, error) {
	line, err := e.MarshalJSON()
	if err != nil {
		return detail{}, err
	}
	d := detail{
		Row: row(e), Event: e, Line: string(line), Request: e.Kind != audit.KindGap,
		Before: markTokens(e.UAIn, e.UAIn), Changed: e.UAOut != "", NoAgent: e.UAIn == "", Effect: effect(e),
	}
	if d.Changed {
		d.After = markTokens(e.UAOut, e.UAIn)
	}
	if d.Groups, err = fieldGroups(e); err != nil {
		return detail{}, err
	}
	if s.o.Rules != nil {
		if in, err := s.o.Rules(); err == nil {
			d.SameConfig = in.Hash == e.ConfigHash
			if e.Rule != "" && in.has(e.Rule) {
				d.RuleLink = "/rules#" + anchor(e.Rule)
			}
		}
	}
	add := func(label, name, value string) {
		if value != "" {
			d.Related = append(d.Related, related{label, "/events?" + escape(name, value)})
		}
	}
	// Nobody uses an ID twice after days; looking for text takes seconds where
	// there are millions of events.
	near := func(label, id string) {
		if id != "" {
			day := e.Time.UTC()
			f := filter{}
			d.Related = append(d.Related, related{label, f.link("/events", "q", id,
				"since", day.AddDate(0, 0, -1).Format(time.DateOnly), "until", day.AddDate(0, 0, 1).Format(time.DateOnly))})
		}
	}
	near("same correlation ID", e.CorrelationID)
	if !strings.EqualFold(e.ClientRequestID, e.CorrelationID) {
		near("same client request ID", e.ClientRequestID)
	}
	near("same deployment", e.Deployment)
	add("same resource group", "group", e.ResourceGroup)
	add("same process", "process", e.Process)
	return d, nil
}

// effect says what an event means for coverage.
func effect(e *audit.Event) string {
	switch store.Classify(e) {
	case store.ClassAttributed, store.ClassAlreadyAttributed, store.ClassReplaced:
		return "Counts as tagged: the ID was sent, and ARM answered with success."
	case store.ClassTemplateOnly:
		return "Counts as tagged, by its template only."
	case store.ClassConflictKept, store.ClassWouldAttribute, store.ClassNoRule:
		return "Counts as untagged: ARM answered with success, and our ID was not sent."
	case store.ClassExcluded, store.ClassNotEligible, store.ClassBatch:
		return "Stands outside the coverage."
	case store.ClassFailed:
		return "Stands outside the coverage: ARM did not answer with success."
	case store.ClassRejected:
		return "Stands outside the coverage: the proxy refused it."
	case store.ClassBypass:
		return "Stands outside the coverage: nobody saw what was in the tunnel."
	case store.ClassUnknown:
		return "Unknown: this write was about to be sent, and its outcome is not on record."
	case store.ClassGap:
		return "Events are missing here."
	}
	return ""
}
