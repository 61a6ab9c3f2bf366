package console

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/attribproxy/attribproxy/audit"
	"github.com/attribproxy/attribproxy/audit/store"
)

// Namespace begins the name of every metric of ours.
const Namespace = "attribproxy"

// Build is what the metric build_info says.
type Build struct{ Version, Commit, Go string }

// JournalMetrics are the figures of a journal. They exist before the journal
// does, as it takes its hooks when it is opened.
type JournalMetrics struct {
	commit *prometheus.HistogramVec
	parts  map[store.Class]prometheus.Counter
}

// coverageParts are the labels of what a recorded request can count as, named
// as in reports.
func coverageParts() map[store.Class]string {
	return map[store.Class]string{
		store.ClassAttributed: "attributed", store.ClassAlreadyAttributed: "already_attributed", store.ClassReplaced: "replaced",
		store.ClassTemplateOnly: "template_only", store.ClassConflictKept: "conflict_kept", store.ClassWouldAttribute: "would_attribute",
		store.ClassNoRule: "no_rule", store.ClassExcluded: "excluded", store.ClassNotEligible: "not_eligible", store.ClassBatch: "batch",
		store.ClassFailed: "failed", store.ClassRejected: "rejected", store.ClassBypass: "bypass",
	}
}

// NewJournalMetrics makes and registers them.
func NewJournalMetrics(reg prometheus.Registerer) (*JournalMetrics, error) {
	m := &JournalMetrics{
		parts: map[store.Class]prometheus.Counter{},
		commit: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: Namespace, Name: "journal_commit_duration_seconds",
			Help:    "Time of a group commit to the journal, its fsync included, by result (ok, error).",
			Buckets: []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5},
		}, []string{"result"}),
	}
	writes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: Namespace, Name: "coverage_writes_total",
		Help: "Recorded requests by what they count as in the coverage.",
	}, []string{"part"})
	for class, name := range coverageParts() {
		m.parts[class] = writes.WithLabelValues(name) // there from the start, at 0
	}
	for _, c := range []prometheus.Collector{m.commit, writes} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Observe is for audit.Options.Observe.
func (m *JournalMetrics) Observe(e audit.Event) {
	if c := m.parts[store.Classify(&e)]; c != nil {
		c.Inc()
	}
}

// ObserveCommit is for audit.Options.ObserveCommit.
func (m *JournalMetrics) ObserveCommit(_ int, took time.Duration, err error) {
	result := "ok"
	if err != nil {
		result = "error"
	}
	m.commit.WithLabelValues(result).Observe(took.Seconds())
}

// Journal is what is asked of a journal at each scrape; *audit.Journal fits.
type Journal interface {
	Stats() audit.Stats
	Healthy() error
}

// Watch registers the figures that an open journal keeps itself.
func (m *JournalMetrics) Watch(reg prometheus.Registerer, j Journal) error {
	counter := func(name, help string, value func(audit.Stats) uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: Namespace, Name: name, Help: help},
			func() float64 { return float64(value(j.Stats())) })
	}
	gauge := func(name, help string, value func() float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: Namespace, Name: name, Help: help}, value)
	}
	for _, c := range []prometheus.Collector{
		counter("journal_lines_total", "Lines committed to the journal, of any kind.", func(s audit.Stats) uint64 { return s.Lines }),
		counter("journal_commits_total", "Group commits that succeeded; lines per commit show how well fsyncs are shared.", func(s audit.Stats) uint64 { return s.Commits }),
		counter("journal_dropped_events_total", "Events dropped because the queue was full. Each drop also leaves a gap in the journal.", func(s audit.Stats) uint64 { return s.Dropped }),
		counter("journal_lost_events_total", "Events lost to write errors. Each loss also leaves a gap in the journal.", func(s audit.Stats) uint64 { return s.Lost }),
		gauge("journal_queued_events", "Events that wait for the disk now.", func() float64 { return float64(j.Stats().Queued) }),
		gauge("journal_writable", "1 while the journal can be written, else 0.", func() float64 {
			if j.Healthy() != nil {
				return 0
			}
			return 1
		}),
	} {
		if err := reg.Register(c); err != nil {
			return err
		}
	}
	return nil
}

// RegisterBuild registers the metric that says which build this is, always 1.
func RegisterBuild(reg prometheus.Registerer, b Build) error {
	return reg.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Namespace: Namespace, Name: "build_info", Help: "Which build this is; always 1.",
		ConstLabels: prometheus.Labels{"version": b.Version, "commit": b.Commit, "go": b.Go},
	}, func() float64 { return 1 }))
}
