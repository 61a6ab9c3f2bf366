package console

import (
	"bytes"
	"net/http"
	"strings"

	"github.com/attribproxy/attribproxy/audit/report"
)

// download is a report that can be had as a file.
type download struct {
	File, Label, Use string
	format, mime     string
	Link             string
}

func downloads() []download {
	return []download{
		{File: "report.html", Label: "HTML", Use: "one file with charts, for a person; needs nothing else", format: "html", mime: "text/html; charset=utf-8"},
		{File: "report.csv", Label: "CSV", Use: "for a spreadsheet", format: "csv", mime: "text/csv; charset=utf-8"},
		{File: "report.json", Label: "JSON", Use: "for a program", format: "json", mime: "application/json"},
		{File: "report.md", Label: "Markdown", Use: "for a CI job's summary", format: "markdown", mime: "text/markdown; charset=utf-8"},
		{File: "report.txt", Label: "Text", Use: "for a mail", format: "text", mime: "text/plain; charset=utf-8"},
	}
}

// reportsPage is the content of the page of downloads.
type reportsPage struct {
	Fields    []field
	Faults    []string
	Downloads []download
	Limits    []string
}

// reportFields are the inputs above the downloads.
func (f filter) reportFields() []field {
	main, more := f.fields()
	return append([]field{main[4], main[5], main[2], main[3]}, more[:4]...)
}

func (s *Server) serveReports(w http.ResponseWriter, r *http.Request) {
	f, faults := readFilter(r.URL.Query())
	list := downloads()
	for i := range list {
		list[i].Link = f.link("/reports/" + list[i].File)
	}
	s.show(w, http.StatusOK, "reports", page{Title: "Reports", Here: "/reports", Content: reportsPage{
		Fields: f.reportFields(), Faults: faults, Downloads: list, Limits: report.Limits(),
	}})
}

// serveDownload makes a report. It waits for the index longer than a page
// would: a file that lacks events looks like one that does not.
func (s *Server) serveDownload(w http.ResponseWriter, r *http.Request) {
	for _, d := range downloads() {
		if d.File == r.PathValue("file") {
			s.download(w, r, d)
			return
		}
	}
	s.serveMissing(w, r)
}

func (s *Server) download(w http.ResponseWriter, r *http.Request, d download) {
	f, faults := readFilter(r.URL.Query())
	if len(faults) > 0 {
		s.fail(w, http.StatusBadRequest, strings.Join(faults, "; "), "")
		return
	}
	st, err := s.index.fresh(r.Context())
	for err == nil && st.Behind {
		st.done()
		st, err = s.index.fresh(r.Context())
	}
	if err != nil {
		s.broken(w, r, nil, err)
		return
	}
	defer st.done()
	if st.Err != nil {
		s.broken(w, r, st, st.Err)
		return
	}
	render, ok := report.RendererFor(d.format)
	if !ok {
		s.serveMissing(w, r)
		return
	}
	rep, err := report.Build(r.Context(), st, report.Options{Query: f.query, By: report.Standard(), Now: s.now(), Source: s.o.Source})
	if err != nil {
		s.broken(w, r, st, err)
		return
	}
	var b bytes.Buffer
	if err := render(&b, rep); err != nil {
		s.broken(w, r, st, err)
		return
	}
	w.Header().Set("Content-Type", d.mime)
	w.Header().Set("Content-Disposition", `attachment; filename="attribproxy-`+s.now().UTC().Format("2006-01-02")+"-"+d.File+`"`)
	_, _ = w.Write(b.Bytes())
}
