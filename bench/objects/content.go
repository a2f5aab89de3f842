package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"strongroom/bench/load"
)

// sizes are those of the content that is put and got, in bytes.
var sizes = []int{1 << 10, 64 << 10, 1 << 20, 64 << 20}

// keysOf is how many objects of a size are written over and over, and read.
func keysOf(size int) int { return max(min(256, (64<<20)/size), 4) }

// atOnce is how many requests of a size are under way: large ones are busy enough with fewer.
func atOnce(size, connections int) int {
	if size > 1<<20 {
		return min(connections, 2)
	}
	return connections
}

// measureContent puts and gets content of all sizes, and prints what each size came to as a row of a table
// in Markdown.
func measureContent(ctx context.Context, o options, places []place) error {
	header, rule := "| |", "|---|"
	for _, p := range places {
		header, rule = header+" "+p.name+" |", rule+"---|"
	}
	fmt.Println(header + " sealing |\n" + rule + "---|")
	for _, size := range sizes {
		content := make([]byte, size)
		_, _ = rand.Read(content) // never fails
		for _, method := range []string{http.MethodPut, http.MethodGet} {
			r, err := measureRow(ctx, o, places, method, content)
			if err != nil {
				return err
			}
			fmt.Println(r)
		}
	}
	return nil
}

// measureRow puts or gets one content at all places that take it.
func measureRow(ctx context.Context, o options, places []place, method string, content []byte) (row, error) {
	taking := slices.DeleteFunc(slices.Clone(places), func(p place) bool { return p.largest > 0 && len(content) > p.largest })
	connections := atOnce(len(content), o.connections)
	if method == http.MethodGet {
		if err := putAll(ctx, taking, content, connections); err != nil {
			return row{}, err
		}
	}
	var targets []*load.Target
	for _, p := range taking {
		targets = append(targets, p.target(method, content))
	}
	all, err := load.Rounds(ctx, targets, connections, o.length, o.rounds)
	if err != nil {
		return row{}, err
	}
	sealing, err := sealing(method, content)
	return row{places: places, method: method, size: len(content), all: all, sealing: sealing}, err
}

// key is the path of one of the objects of a size.
func (p place) key(size, i int) string {
	return p.path + strconv.Itoa(size) + "-" + strconv.Itoa(i%keysOf(size))
}

// target asks for the objects of a size in turn.
func (p place) target(method string, content []byte) *load.Target {
	size, next := len(content), new(atomic.Int64)
	body := content
	if method == http.MethodGet {
		body = nil
	}
	return &load.Target{
		Name: p.name, Method: method, PID: p.process.PID, Client: p.client,
		Request: func() (string, []byte) { return p.key(size, int(next.Add(1))), body },
	}
}

// putAll puts every object that may be asked for, and waits until what they have replaced is removed.
func putAll(ctx context.Context, places []place, content []byte, connections int) error {
	for _, p := range places {
		work, ctx := errgroup.WithContext(ctx)
		work.SetLimit(connections)
		for i := range keysOf(len(content)) {
			work.Go(func() error {
				_, err := p.client.Send(ctx, http.MethodPut, p.key(len(content), i), content)
				return err
			})
		}
		if err := work.Wait(); err != nil {
			return fmt.Errorf("filling %s: %w", p.name, err)
		}
	}
	for _, p := range places {
		if err := p.process.Settle(ctx, time.Second); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// row is what the runs of one method and size have shown.
type row struct {
	places  []place
	method  string
	size    int
	all     map[string][]load.Figures // by the name of the place
	sealing time.Duration             // CPU time of sealing alone, of one request
}

// String is the row of the table: medians of what a CPU second is good for, in requests or, of large ones,
// in MiB, and of the ratio to the first place in the same round; last, which part of the CPU time of the
// usual place is sealing.
func (r row) String() string {
	var b strings.Builder
	unit, of := "KiB", 1.0
	if r.size >= 1<<20 {
		unit = "MiB"
	}
	fmt.Fprintf(&b, "| %s %d %s", r.method, inUnits(r.size), unit)
	if r.size > 1<<20 {
		of = float64(r.size) / (1 << 20)
		b.WriteString(", MiB")
	}
	for i, p := range r.places {
		runs := r.all[p.name]
		if len(runs) == 0 {
			b.WriteString(" | ")
			continue
		}
		var rate, ratio []float64
		for j, f := range runs {
			rate = append(rate, of/f.Cost().Seconds())
			ratio = append(ratio, r.all[r.places[0].name][j].Cost().Seconds()/f.Cost().Seconds())
		}
		fmt.Fprintf(&b, " | %.0f", load.Median(rate))
		if i > 0 {
			fmt.Fprintf(&b, " (%.2f)", load.Median(ratio))
		}
	}
	var cost []float64
	for _, f := range r.all[usualPlace] {
		cost = append(cost, f.Cost().Seconds())
	}
	fmt.Fprintf(&b, " | %.0f %% |", 100*r.sealing.Seconds()/load.Median(cost))
	return b.String()
}

// inUnits is a size in MiB, or in KiB if it is smaller.
func inUnits(size int) int {
	if size >= 1<<20 {
		return size >> 20
	}
	return size >> 10
}
