package proxy

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the proxy's own figures. No label holds anything a client can
// choose freely.
type metrics struct {
	requests       *prometheus.CounterVec
	duration       *prometheus.HistogramVec
	failures       *prometheus.CounterVec
	tunnels        prometheus.Counter
	intercepted    prometheus.Counter
	plain          prometheus.Counter
	bypasses       prometheus.Counter
	parserRefusals prometheus.Counter
	panics         prometheus.Counter
	unrecorded     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, conns *connSet) (*metrics, error) {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Namespace: "attribproxy", Name: name, Help: help})
	}
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "attribproxy", Name: "requests_total",
			Help: "Requests to intercepted hosts, by method, outcome (read for methods that are not recorded) and class of ARM's status (none without one).",
		}, []string{"method", "outcome", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "attribproxy", Name: "request_duration_seconds",
			Help:    "Time from a request's head to the end of its response, intercepted hosts.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300},
		}, []string{"method"}),
		failures: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "attribproxy", Name: "own_answers_total",
			Help: "Answers that were the proxy's own, refusals and upstream failures, by error code.",
		}, []string{"code"}),
		tunnels:        counter("tunnels_total", "Blind tunnels asked for."),
		intercepted:    counter("intercepted_connections_total", "Connections opened to intercepted hosts."),
		plain:          counter("plain_requests_total", "Plain HTTP requests forwarded."),
		bypasses:       counter("bypasses_total", "Tunnels in which TLS with an intercepted host was started."),
		parserRefusals: counter("malformed_requests_total", "Intercepted HTTP/1.1 connections that ended inside a request head: refused by the HTTP parser (400, 431) or abandoned."),
		panics:         counter("panics_total", "Requests that ended in a panic."),
		unrecorded:     counter("unrecorded_answers_total", "Answers given although their event could not be written."),
	}
	gauge := func(name, help string, value func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "attribproxy", Name: name, Help: help}, func() float64 { return float64(value()) })
	}
	for _, c := range []prometheus.Collector{
		m.requests, m.duration, m.failures, m.tunnels, m.intercepted, m.plain, m.bypasses, m.parserRefusals, m.panics, m.unrecorded,
		gauge("open_tunnels", "Blind tunnels open now.", func() int { n, _ := conns.count(); return n }),
		gauge("open_intercepted_connections", "Intercepted connections open now.", func() int { _, n := conns.count(); return n }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// request counts a settled exchange.
func (m *metrics) request(x *exchange, status int, took time.Duration) {
	outcome := "read"
	if x.recorded {
		outcome = x.event.Outcome
	}
	class := "none"
	if status != 0 {
		class = strconv.Itoa(status/100) + "xx"
	}
	method := methodLabel(x.r.Method)
	m.requests.WithLabelValues(method, outcome, class).Inc()
	m.duration.WithLabelValues(method).Observe(took.Seconds())
}

func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodPatch, http.MethodPost, http.MethodDelete:
		return method
	}
	return "other"
}
