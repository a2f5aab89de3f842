// Command keys measures what an instance with very many keys costs: a wrap in it beside a wrap in
// an instance of a few keys on the same server, pages of lists of it, and the memory of the server
// while all its keys are listed and any of them are used.
//
// The keys are real: made by the key service, with material sealed by the crypto module. Only their
// storing is quicker than by requests. A folder given with -data keeps them for another run.
//
//	go run ./bench/keys -binary bin/strongroom -keys 1000000
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"time"

	"strongroom/bench/load"
)

// options say how to measure.
type options struct {
	binary, data string
	keys         int
	connections  int
	length       time.Duration
	rounds       int
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/strongroom", "the program to measure")
	flag.StringVar(&o.data, "data", "", "data folder to fill and to keep, or one that was filled earlier (default a temporary one)")
	flag.IntVar(&o.keys, "keys", 50_000, "keys of the large instance")
	flag.IntVar(&o.connections, "connections", 16, "connections with one request each under way")
	flag.DurationVar(&o.length, "length", time.Second, "length of a run")
	flag.IntVar(&o.rounds, "rounds", 5, "runs of each target")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "keys:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) error {
	if o.data == "" {
		dir, err := os.MkdirTemp("", "strongroom-bench-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(dir)
		o.data = filepath.Join(dir, "data")
	}
	server, err := prepare(ctx, o)
	if err != nil {
		return err
	}
	defer server.Stop()
	few, err := newInstance(ctx, server)
	if err != nil {
		return fmt.Errorf("making a small instance: %w", err)
	}
	many := instance(server, server.Env["STRONGROOM_KMS_INSTANCE_ID"])

	memory := watch{pid: server.PID}
	memory.note("at the start")
	lists, err := listAll(ctx, server.PID, many, o.keys)
	if err != nil {
		return fmt.Errorf("listing all keys: %w", err)
	}
	memory.note("when every key was listed, page by page")
	deep, err := listAnywhere(ctx, server.PID, many, o.keys)
	if err != nil {
		return fmt.Errorf("listing by other sorts: %w", err)
	}
	memory.note("after pages of other lists")
	targets := []*load.Target{
		wrapping("a key of few", server.PID, few, few.ids[:1]),
		wrapping("a key of many", server.PID, many, many.ids[:1]),
		wrapping("any key of few", server.PID, few, few.ids),
		wrapping("any key of many", server.PID, many, many.ids),
	}
	all, err := load.Rounds(ctx, targets, o.connections, o.length, o.rounds)
	if err != nil {
		return err
	}
	memory.note("after wraps by any of them")

	fmt.Printf("\nAn instance of %d keys, and one of %d. Wraps:\n\n", len(many.ids), len(few.ids))
	if err := load.Report(os.Stdout, targets, all); err != nil {
		return err
	}
	fmt.Printf("\nPages of %d keys:\n\n", pageSize)
	if err := report(os.Stdout, append([]pages{lists}, deep...)); err != nil {
		return err
	}
	fmt.Printf("\nResident memory of the server:\n\n")
	return memory.report(os.Stdout)
}
