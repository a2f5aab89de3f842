package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"strongroom/bench/load"
)

// sizes are those of the content that is put and got, in bytes.
var sizes = []int{1 << 10, 64 << 10, 1 << 20, 64 << 20}

// keysOf is how many objects of a size are written over and over, and read.
func keysOf(size int) int { return max(min(256, (64<<20)/size), 4) }

// atOnce is how many requests of a size are under way: large ones are busy enough with fewer.
func atOnce(size, connections int) int {
	if size > 1<<20 {
		return min(connections, 4)
	}
	return connections
}

// measureContent puts and gets content of all sizes, and prints what each size came to.
func measureContent(ctx context.Context, o options, places []place) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "size\trequest\tplace\trequests/CPU s\tMiB/CPU s\tratio to plain files\tp99\t")
	for _, size := range sizes {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			targets, err := targetsOf(ctx, places, method, content)
			if err != nil {
				return err
			}
			all, err := load.Rounds(ctx, targets, atOnce(size, o.connections), o.length, o.rounds)
			if err != nil {
				return err
			}
			report(w, size, method, targets, all)
			if err := w.Flush(); err != nil {
				return err
			}
		}
	}
	return nil
}

// targetsOf are the places that a size is measured with. All objects that may be asked for are there.
func targetsOf(ctx context.Context, places []place, method string, content []byte) ([]*load.Target, error) {
	var targets []*load.Target
	for _, p := range places {
		if p.largest > 0 && len(content) > p.largest {
			continue
		}
		path := func(i int) string { return p.path + strconv.Itoa(len(content)) + "-" + strconv.Itoa(i) }
		body := content
		if method == http.MethodGet {
			body = nil
			for i := range keysOf(len(content)) {
				if _, err := p.client.Send(ctx, http.MethodPut, path(i), content); err != nil {
					return nil, err
				}
			}
		}
		next := new(atomic.Int64)
		targets = append(targets, &load.Target{
			Name: p.name, Method: method, PID: p.pid, Client: p.client,
			Request: func() (string, []byte) {
				return path(int(next.Add(1)) % keysOf(len(content))), body
			},
		})
	}
	return targets, nil
}

// report prints the medians of the rounds, and the work of a CPU second beside that of the first target
// in the same round.
func report(w *tabwriter.Writer, size int, method string, targets []*load.Target, all map[string][]load.Figures) {
	for _, t := range targets {
		var rate, ratio, p99 []float64
		for i, f := range all[t.Name] {
			rate = append(rate, 1/f.Cost().Seconds())
			ratio = append(ratio, all[targets[0].Name][i].Cost().Seconds()/f.Cost().Seconds())
			p99 = append(p99, f.P99.Seconds())
		}
		requests := load.Median(rate)
		fmt.Fprintf(w, "%d KiB\t%s\t%s\t%.0f\t%.0f\t%.2f\t%v\t\n", size>>10, method, t.Name, requests, requests*float64(size)/(1<<20),
			load.Median(ratio), time.Duration(load.Median(p99)*1e9).Round(100*time.Microsecond))
	}
}
