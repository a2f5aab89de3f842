package strongroom

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// metricsType is the text format of Prometheus, version 0.0.4.
const metricsType = "text/plain; version=0.0.4; charset=utf-8"

func (f *face) metrics(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := only(c); err != nil {
		return httpface.Answer{}, f.keys.RefuseMetrics(ctx, who, err)
	}
	list, err := f.keys.Metrics(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	page, err := metricsPage(list)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Type: metricsType, Bytes: page}, nil
}

// metricsPage renders metrics as text.
func metricsPage(list []kms.Metrics) ([]byte, error) {
	registry := prometheus.NewRegistry()
	if err := registry.Register(gauges(list)); err != nil {
		return nil, err
	}
	var p page
	promhttp.HandlerFor(registry, promhttp.HandlerOpts{DisableCompression: true}).ServeHTTP(&p, &http.Request{})
	if p.failed {
		return nil, errors.New("the metrics cannot be written as text")
	}
	return p.Bytes(), nil
}

// page takes in what a handler writes.
type page struct {
	bytes.Buffer
	failed bool
}

// Header implements http.ResponseWriter. What it holds is not looked at.
func (*page) Header() http.Header { return http.Header{} }

// WriteHeader implements http.ResponseWriter.
func (p *page) WriteHeader(status int) { p.failed = status != http.StatusOK }

// gauges shows metrics of instances under the names and labels that IBM's service gives them.
type gauges []kms.Metrics

// Describe implements prometheus.Collector.
func (gauges) Describe(to chan<- *prometheus.Desc) {
	requests, latency := descriptions()
	to <- requests
	to <- latency
}

// Collect implements prometheus.Collector.
func (g gauges) Collect(to chan<- prometheus.Metric) {
	requests, latency := descriptions()
	for _, m := range g {
		for _, kind := range m.Kinds {
			labels := labelValues(m, kind)
			to <- gauge(requests, float64(kind.Requests), labels)
			to <- gauge(latency, float64(kind.Mean)/float64(time.Millisecond), labels)
		}
	}
}

// gauge returns a metric; a label that is no text fails the page, and does not end the server.
func gauge(desc *prometheus.Desc, value float64, labels []string) prometheus.Metric {
	m, err := prometheus.NewConstMetric(desc, prometheus.GaugeValue, value, labels...)
	if err != nil {
		return prometheus.NewInvalidMetric(desc, err)
	}
	return m
}

func descriptions() (requests, latency *prometheus.Desc) {
	// In the order of labelValues.
	labels := []string{
		"ibm_kms_api", "ibm_kms_response_code", "ibm_service_instance", "ibm_service_instance_name", "ibm_resource",
		"ibm_resource_type", "ibm_resource_group_name", "ibm_scope", "ibm_location", "ibm_ctype", "ibm_service_name",
	}
	requests = prometheus.NewDesc("ibm_kms_api_request_gauge", "Requests within the last minute.", labels, nil)
	latency = prometheus.NewDesc("ibm_kms_api_latency_gauge",
		"Milliseconds that requests within the last minute took in the mean.", labels, nil)
	return requests, latency
}

func labelValues(m kms.Metrics, kind kms.RequestMetrics) []string {
	in := m.Instance
	return []string{
		string(kind.Action), strconv.Itoa(kind.Status), string(in.ID), in.Name, string(in.ID),
		"instance", m.GroupName, string(in.Account), in.Region, in.CRN.CType, crn.KeyProtect,
	}
}
