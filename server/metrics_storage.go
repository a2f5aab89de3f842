package server

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"strongroom/objects"
)

// storageLimit bounds how long a scrape waits for the nodes to be counted.
const storageLimit = 5 * time.Second

// storageCollector tells how the storage nodes are doing, and how safe what is on them is.
type storageCollector struct {
	cluster                           objects.Cluster
	reachable, free, missing          *prometheus.Desc
	blobs, bytes, scrubBad, rebuiltOf *prometheus.Desc
}

func newStorageCollector(c objects.Cluster) *storageCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("strongroom_storage_"+name, help, labels, nil)
	}
	return &storageCollector{
		cluster:   c,
		reachable: desc("node_reachable", "1 while a storage node can be reached.", "node", "site"),
		free:      desc("node_free_bytes", "Free space of a storage node; absent if unknown.", "node", "site"),
		missing:   desc("node_missing_slices", "Slices that belong on a storage node and are known not to be good.", "node", "site"),
		blobs:     desc("blobs", "Parts of objects on storage nodes, by how safe they are.", "state"),
		bytes:     desc("bytes", "Bytes of parts of objects on storage nodes, before coding."),
		scrubBad:  desc("scrub_bad_slices", "Slices found bad in the round of verification under way."),
		rebuiltOf: desc("rebuilt_slices_total", "Slices rebuilt since the start of the server."),
	}
}

// Describe implements prometheus.Collector.
func (c *storageCollector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.reachable, c.free, c.missing, c.blobs, c.bytes, c.scrubBad, c.rebuiltOf} {
		to <- d
	}
}

// Collect implements prometheus.Collector. What cannot be found out now is left out.
func (c *storageCollector) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), storageLimit)
	defer cancel()
	nodes, health, err := c.cluster.Status(ctx)
	if err != nil {
		return
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, n := range nodes {
		if n.State == objects.NodeRemoved || n.State == objects.NodeLost {
			continue
		}
		up := 0.0
		if n.Reachable {
			up = 1
		}
		gauge(c.reachable, up, n.Name, n.Site)
		gauge(c.missing, float64(n.Missing), n.Name, n.Site)
		if n.Capacity > 0 {
			gauge(c.free, float64(n.Free), n.Name, n.Site)
		}
	}
	for state, count := range map[string]int64{
		"whole": health.Whole, "reduced": health.Reduced, "at_risk": health.AtRisk, "lost": health.Lost, "dead": health.Dead,
	} {
		gauge(c.blobs, float64(count), state)
	}
	gauge(c.bytes, float64(health.Bytes))
	gauge(c.scrubBad, float64(health.Scrub.Bad))
	to <- prometheus.MustNewConstMetric(c.rebuiltOf, prometheus.CounterValue, float64(health.Scrub.Repaired))
}
