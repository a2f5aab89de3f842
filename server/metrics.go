package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// metrics counts what the server does. Labels never name a tenant or a key.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
}

func newMetrics(db *sqlstore.DB) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "strongroom_requests_total", Help: "Requests answered, by endpoint, method and status.",
		}, []string{"endpoint", "method", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "strongroom_request_seconds", Help: "Time from the first header to the last byte of the answer.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"endpoint"}),
	}
	m.registry.MustRegister(m.requests, m.duration,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "strongroom_database_statements_total", Help: "Statements sent to the database.",
		}, func() float64 { return float64(db.Statements()) }))
	return m
}

// countUncounted shows what the metrics that tenants read are lacking.
func (m *metrics) countUncounted(keys *kms.Service) {
	m.registry.MustRegister(prometheus.NewCounterFunc(prometheus.CounterOpts{
		Name: "strongroom_instance_metrics_uncounted_total",
		Help: "Requests that the metrics of instances lack, as too many kinds of them were counted.",
	}, func() float64 { return float64(keys.Uncounted()) }))
}

// watchMasters shows how the moving of keys to newer masters goes on.
func (m *metrics) watchMasters(c *masters.Custodian) {
	m.registry.MustRegister(mastersCollector{c, prometheus.NewDesc("strongroom_custody_left",
		"What still needs the masters of a generation that is being left.", []string{"generation", "kind"}, nil)},
		prometheus.NewCounterFunc(prometheus.CounterOpts{
			Name: "strongroom_custody_moved_total", Help: "Keys moved to newer masters.",
		}, func() float64 { return float64(c.Moved()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strongroom_custody_move_failing", Help: "1 while keys cannot be moved to newer masters.",
		}, func() float64 {
			if c.LastPass().Failure != nil {
				return 1
			}
			return 0
		}))
}

// watchWitnesses shows which witnesses keep the heads of the audit log.
func (m *metrics) watchWitnesses(all []witness) {
	for _, w := range all {
		m.registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "strongroom_audit_witness_failing", Help: "1 while a witness does not keep the newest head of the audit log.",
			ConstLabels: prometheus.Labels{"witness": w.label},
		}, func() float64 {
			if w.lapsed.Load() != nil {
				return 1
			}
			return 0
		}))
	}
}

// mastersCollector tells what the last pass of the job has left. It asks nobody.
type mastersCollector struct {
	masters *masters.Custodian
	left    *prometheus.Desc
}

// Describe implements prometheus.Collector.
func (c mastersCollector) Describe(to chan<- *prometheus.Desc) { to <- c.left }

// Collect implements prometheus.Collector.
func (c mastersCollector) Collect(to chan<- prometheus.Metric) {
	for generation, left := range c.masters.LastPass().Left {
		for kind, n := range map[string]int{
			"instance_keys": left.InstanceKeys, "versions": left.Versions, "import_tokens": left.ImportTokens,
		} {
			to <- prometheus.MustNewConstMetric(c.left, prometheus.GaugeValue, float64(n), strconv.Itoa(int(generation)), kind)
		}
	}
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// count wraps an endpoint ("control" or "s3").
func (m *metrics) count(endpoint string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		c := &counted{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(c, r)
		m.requests.WithLabelValues(endpoint, method(r.Method), strconv.Itoa(c.status)).Inc()
		m.duration.WithLabelValues(endpoint).Observe(time.Since(begin).Seconds())
	})
}

// method keeps a label bounded whatever a client sends.
func method(m string) string {
	switch m {
	case http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete:
		return m
	}
	return "other"
}

// counted remembers the status of an answer.
type counted struct {
	http.ResponseWriter
	status int
}

func (c *counted) WriteHeader(status int) {
	c.status = status
	c.ResponseWriter.WriteHeader(status)
}

// Unwrap gives http.ResponseController the writer below.
func (c *counted) Unwrap() http.ResponseWriter { return c.ResponseWriter }
