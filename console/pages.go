package console

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"net/url"

	"go.uber.org/zap"

	"github.com/attribproxy/attribproxy/audit/store"
)

//go:embed templates/*.html
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

// pages are the templates, one set for each page: the layout and its content.
type pages struct {
	sets map[string]*template.Template
}

func parsePages() (*pages, error) {
	p := &pages{sets: map[string]*template.Template{}}
	funcs := template.FuncMap{"n": thousands}
	for _, name := range []string{"overview", "live", "list", "event", "rules", "reports", "problem"} {
		t, err := template.New(name).Funcs(funcs).ParseFS(templateFiles, "templates/layout.html", "templates/parts.html", "templates/"+name+".html")
		if err != nil {
			return nil, fmt.Errorf("reading the page %s: %w", name, err)
		}
		p.sets[name] = t
	}
	return p, nil
}

// assets serves the style sheet and the script.
func assets() http.Handler {
	files, err := fs.Sub(assetFiles, "assets")
	if err != nil {
		panic("console: the embedded files have no assets: " + err.Error())
	}
	return http.StripPrefix("/assets/", http.FileServerFS(files))
}

// page is what the layout needs; Content is for the page itself.
type page struct {
	Title   string
	Here    string // the entry of the menu
	Menu    []entry
	Build   Build
	Again   int      // seconds after which the page comes anew by itself
	Notes   []string // what to know about the figures below
	Script  string
	Content any
}

type entry struct {
	Link, Label string
	Here        bool
}

// show writes a page.
func (s *Server) show(w http.ResponseWriter, status int, name string, p page) {
	p.Build = s.o.Build
	add := func(link, label string) {
		p.Menu = append(p.Menu, entry{Link: link, Label: label, Here: link == p.Here})
	}
	add("/", "Overview")
	if s.hub != nil {
		add("/live", "Live")
	}
	add("/events", "Events")
	if s.o.Rules != nil {
		add("/rules", "Rules")
	}
	add("/reports", "Reports")
	var b bytes.Buffer
	if err := s.pages.sets[name].ExecuteTemplate(&b, "layout", p); err != nil {
		s.log.Error("an admin page could not be made", zap.String("page", name), zap.Error(err))
		text(w, http.StatusInternalServerError, "this page could not be made; the log says why")
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes())
}

// problem is a page that says what is wrong and what to do.
type problem struct{ Message, Hint string }

func (s *Server) fail(w http.ResponseWriter, status int, message, hint string) {
	s.show(w, status, "problem", page{Title: http.StatusText(status), Content: problem{message, hint}})
}

// broken is the page for an index that gives no answer; st is nil when there is
// none.
func (s *Server) broken(w http.ResponseWriter, r *http.Request, st *lease, err error) {
	if r.Context().Err() != nil {
		return // nobody is there to read it
	}
	if st != nil {
		st.fail()
	}
	s.log.Error("the index gave no answer", zap.String("page", r.URL.Path), zap.Error(err))
	s.fail(w, http.StatusServiceUnavailable, err.Error(),
		"The journal itself is not touched by this. The index beside it is made from the journal: it can be deleted at any time, and is built again by the next page.")
}

func (s *Server) serveMissing(w http.ResponseWriter, r *http.Request) {
	s.fail(w, http.StatusNotFound, "Page not found: "+r.URL.Path, "")
}

// note says how good the figures of a page are.
func (s *Server) note(p *page, st *lease) {
	switch {
	case st.Err != nil:
		s.log.Error("the index could not be brought up to date", zap.Error(st.Err))
		p.Notes = append(p.Notes, "The index could not be brought up to date, the latest events may be missing: "+st.Err.Error())
	case st.Behind:
		p.Notes = append(p.Notes, "The index is being brought up to date with the journal; until then events are missing below. This page comes anew by itself.")
		p.Again = 2
	}
}

// percent is a coverage as reports show it; "" without eligible writes.
func percent(tagged, eligible uint64) string {
	p, ok := store.PercentOf(tagged, eligible)
	if !ok {
		return ""
	}
	return p.String()
}

// escape is for values in addresses that code puts together.
func escape(name, value string) string { return url.Values{name: {value}}.Encode() }
