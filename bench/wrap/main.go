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
	"time"

	"strongroom/bench/load"
)

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

	all, err := load.Rounds(ctx, targets, connections, length, rounds)
	if err != nil {
		return err
	}
	return load.Report(os.Stdout, targets, all)
}
