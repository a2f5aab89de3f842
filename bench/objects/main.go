// Command objects measures what it costs the server to put and get objects over HTTPS, with everything
// that belongs to a request: token, policy, encryption, dispersal, checksums, audit.
//
// Beside two servers it runs a baseline of its own: a bare Go HTTPS handler that writes the same content
// to plain files, synced, and reads them. All get the same load in turn, and the figures to read are
// what a second of CPU time of their own process is good for, and the ratio of it: seconds on a busy
// machine say little. The servers show what each part costs: copies on one node in place of dispersal,
// a bucket under a root key, and small content that is dispersed in place of being embedded. What sealing
// costs, which cannot be left out, is measured by itself.
//
// With -list it measures pages of the list of a large bucket instead. Both print a table in Markdown.
//
//	go run ./bench/objects -binary bin/strongroom
//	go run ./bench/objects -binary bin/strongroom -list 1000000
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
	connections  int
	length       time.Duration
	rounds       int
	list         int
}

func main() {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/strongroom", "the program to measure")
	flag.StringVar(&o.data, "data", "", "data folder with the bucket of -list to fill and to keep, or one that was filled earlier (default a temporary one)")
	flag.IntVar(&o.connections, "connections", 8, "connections with one request each under way")
	flag.DurationVar(&o.length, "length", 2*time.Second, "length of a run")
	flag.IntVar(&o.rounds, "rounds", 3, "runs of each target, the median of which counts")
	flag.IntVar(&o.list, "list", 0, "measure lists of a bucket with so many objects")
	baseline := flag.String("baseline", "", "serve the baseline from this folder (used by the command itself)")
	flag.Parse()

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	if *baseline != "" {
		err = load.ServeBare(ctx, *baseline, files{filepath.Join(*baseline, "files")})
	} else {
		err = measure(ctx, o)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "objects:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp("", "strongroom-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if o.list > 0 {
		if o.data == "" {
			o.data = filepath.Join(dir, "data")
		}
		return measureLists(ctx, o)
	}
	places, end, err := start(ctx, o, dir)
	defer end()
	if err != nil {
		return err
	}
	return measureContent(ctx, o, places)
}
