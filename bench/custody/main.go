// Command custody measures how many data keys a crypto module wraps and unwraps in a second, with 1,
// 4 and 16 workers: the software module, and, when it is built with the tag pkcs11 and SoftHSM is
// installed, a token of SoftHSM behind the custody agent. The token is compared with a bare loop over
// it in one process, which computes the two CMACs that a wrap needs and does nothing else.
//
// Everything is measured in turn, several times, and the best of each counts: a machine that does
// something else at the same time makes single figures useless, and ratios too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/agent"
	"strongroom/custody/software"
)

func main() {
	if len(os.Args) == 2 && os.Args[1] == pkcs11.AgentCommand {
		exit(agent.Main()) // the benchmark is its own agent
		return
	}
	length := flag.Duration("length", 400*time.Millisecond, "length of a run")
	rounds := flag.Int("rounds", 7, "runs of each target")
	flag.Parse()
	exit(run(context.Background(), *length, *rounds))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "custody:", err)
		os.Exit(1)
	}
}

// target is something that is measured.
type target struct {
	name         string
	workers      int
	wrap, open   func() error // open is nil for the bare loop
	wraps, opens float64      // the best rates, a second
}

// workers are how many goroutines wrap at once.
var workers = [...]int{1, 4, 16}

func run(ctx context.Context, length time.Duration, rounds int) (err error) {
	dir, err := os.MkdirTemp("", "strongroom-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	m, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters.json"), KeyFile: filepath.Join(dir, "master.key"),
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.Close()) }()
	targets, err := of(ctx, m, m)
	if err != nil {
		return err
	}
	token, stop, err := tokenTargets(ctx, dir)
	switch {
	case errors.Is(err, errNoToken):
		fmt.Println("pkcs11:", err)
	case err != nil:
		return err
	default:
		defer func() { err = errors.Join(err, stop()) }()
		targets = append(targets, token...)
	}
	for range rounds {
		for _, t := range targets {
			if err := t.measure(length); err != nil {
				return fmt.Errorf("%s: %w", t.name, err)
			}
		}
	}
	show(targets)
	return nil
}

// errNoToken says why there is nothing to measure of a token.
var errNoToken = errors.New("left out")

// bareName is the name of what the token is compared with.
const bareName = "bare loop"

// show prints the figures, those of the token beside the bare loop's.
func show(targets []*target) {
	bare := 0.0
	for _, t := range targets {
		if t.name == bareName {
			bare = t.wraps
		}
	}
	fmt.Printf("%-10s %8s %12s %12s %10s %10s\n", "module", "workers", "wraps/s", "unwraps/s", "of bare", "of bare")
	for _, t := range targets {
		wraps, opens := "-", "-"
		if t.name == pkcs11.Kind {
			wraps, opens = fmt.Sprintf("%.2f", t.wraps/bare), fmt.Sprintf("%.2f", t.opens/bare)
		}
		fmt.Printf("%-10s %8d %12.0f %12.0f %10s %10s\n", t.name, t.workers, t.wraps, t.opens, wraps, opens)
	}
}

// of returns the targets of a module that has no masters yet.
func of(ctx context.Context, m custody.Module, masters custody.Masters) ([]*target, error) {
	if _, err := masters.MakeMasters(ctx, 1, custody.Recovery{}); err != nil {
		return nil, err
	}
	h, _, err := m.Make(ctx, custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: 1, Origin: custody.OriginGenerated, Size: 32,
	})
	if err != nil {
		return nil, err
	}
	bound, plaintext := custody.Context("aad"), make([]byte, 32)
	box, err := custody.Seal(ctx, m, h, custody.PurposeDataKey, bound, plaintext)
	if err != nil {
		return nil, err
	}
	var all []*target
	for _, n := range workers {
		all = append(all, &target{
			name: m.Info().Kind, workers: n,
			wrap: func() error {
				_, err := custody.Seal(ctx, m, h, custody.PurposeDataKey, bound, plaintext)
				return err
			},
			open: func() error {
				_, err := custody.Open(ctx, m, h, custody.PurposeDataKey, bound, box)
				return err
			},
		})
	}
	return all, nil
}

// measure runs the target once and keeps what is better than before.
func (t *target) measure(length time.Duration) error {
	wraps, err := rate(t.workers, length, t.wrap)
	if err != nil {
		return err
	}
	t.wraps = max(t.wraps, wraps)
	if t.open == nil {
		return nil
	}
	opens, err := rate(t.workers, length, t.open)
	t.opens = max(t.opens, opens)
	return err
}

// rate returns how often do works in a second with that many workers.
func rate(workers int, d time.Duration, do func() error) (float64, error) {
	var (
		wg     sync.WaitGroup
		stop   atomic.Bool
		count  atomic.Int64
		failed atomic.Pointer[error]
	)
	begin := time.Now()
	timer := time.AfterFunc(d, func() { stop.Store(true) })
	defer timer.Stop()
	for range workers {
		wg.Go(func() {
			n := int64(0)
			for !stop.Load() {
				if err := do(); err != nil {
					failed.Store(&err)
					return
				}
				n++
			}
			count.Add(n)
		})
	}
	wg.Wait()
	if err := failed.Load(); err != nil {
		return 0, *err
	}
	return float64(count.Load()) / time.Since(begin).Seconds(), nil
}
