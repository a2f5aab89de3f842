// Command wrap measures what a wrap and an unwrap cost the server, over TLS, with
// everything that belongs to a request: token, policy, key state, sealing, audit.
//
// Beside the server it runs a baseline of its own: a bare Go HTTPS handler that
// decodes the same body and does the same cryptography, and neither
// authenticates, decides nor records. Both get the same load in turn, and the
// figure to read is the ratio of what they cost in CPU time of their own
// process: seconds on a busy machine say little.
//
//	go run ./bench/wrap -binary bin/strongroom
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"text/tabwriter"
	"time"
)

// target is something that load is put on.
type target struct {
	name    string
	pid     int
	request func() (path string, body []byte) // the next request
	client  *client
}

func main() {
	binary := flag.String("binary", "bin/strongroom", "the program to measure")
	connections := flag.Int("connections", 16, "connections with one request each under way")
	length := flag.Duration("length", 2*time.Second, "length of a run")
	rounds := flag.Int("rounds", 5, "runs of each target")
	baseline := flag.String("baseline", "", "serve the baseline and write its address and authority to this folder (used by the command itself)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *baseline != "" {
		err = serveBaseline(ctx, *baseline)
	} else {
		err = measure(ctx, *binary, *connections, *length, *rounds)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "wrap:", err)
		os.Exit(1)
	}
}

// figures are what one run of a target showed.
type figures struct {
	requests int
	cpu      time.Duration // of the target's process
	wall     time.Duration
	p99      time.Duration
}

func measure(ctx context.Context, binary string, connections int, length time.Duration, rounds int) error {
	dir, err := os.MkdirTemp("", "strongroom-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	targets, end, err := start(ctx, binary, dir, connections)
	if err != nil {
		return err
	}
	defer end()

	all := map[string][]figures{}
	for round := range rounds {
		for i := range targets { // A B C, B C A, …: no target always follows the same one
			t := targets[(i+round)%len(targets)]
			if _, err := run(ctx, t, connections, length/10); err != nil { // to warm up
				return fmt.Errorf("%s: %w", t.name, err)
			}
			f, err := run(ctx, t, connections, length)
			if err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
			all[t.name] = append(all[t.name], f)
		}
	}
	return report(targets, all)
}

// report prints the medians of the rounds, and the cost beside the baseline's of
// the same round.
func report(targets []*target, all map[string][]figures) error {
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "target\trequests/s\tp99\tCPU/request\trequests/CPU s\tcost of baseline\t")
	for _, t := range targets {
		var rate, cpu, p99, ratio []float64
		for i, f := range all[t.name] {
			rate = append(rate, float64(f.requests)/f.wall.Seconds())
			cpu = append(cpu, f.cpu.Seconds()/float64(f.requests))
			p99 = append(p99, f.p99.Seconds())
			base := all[targets[0].name][i]
			ratio = append(ratio, cpu[i]/(base.cpu.Seconds()/float64(base.requests)))
		}
		fmt.Fprintf(w, "%s\t%.0f\t%v\t%.0f µs\t%.0f\t%.2f\t\n", t.name, median(rate),
			time.Duration(median(p99)*1e9).Round(10*time.Microsecond), 1e6*median(cpu), 1/median(cpu), median(ratio))
	}
	return w.Flush()
}

func median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}
