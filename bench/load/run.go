package load

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Target is something that load is put on.
type Target struct {
	Name    string
	Method  string                            // of all requests; empty for POST
	PID     int                               // of the process whose CPU time counts
	Request func() (path string, body []byte) // the next request, of several at once
	Client  *Client
}

// Figures are what one run of a target showed.
type Figures struct {
	Requests int
	CPU      time.Duration // of the target's process
	Wall     time.Duration
	P99      time.Duration
}

// Cost is the CPU time of a request.
func (f Figures) Cost() time.Duration { return f.CPU / time.Duration(max(f.Requests, 1)) }

// Rounds runs each target so many times, after a tenth of the length to warm up. No target always
// follows the same one: A B C, B C A, …
func Rounds(ctx context.Context, targets []*Target, connections int, length time.Duration, rounds int) (map[string][]Figures, error) {
	all := map[string][]Figures{}
	for round := range rounds {
		for i := range targets {
			t := targets[(i+round)%len(targets)]
			if _, err := run(ctx, t, connections, length/10); err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
			f, err := run(ctx, t, connections, length)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", t.Name, err)
			}
			all[t.Name] = append(all[t.Name], f)
		}
	}
	return all, nil
}

// run puts load on a target for a while.
func run(ctx context.Context, t *Target, connections int, length time.Duration) (Figures, error) {
	var (
		mu    sync.Mutex // guards the following
		took  []time.Duration
		fails []error
	)
	before, err := CPUTime(t.PID)
	if err != nil {
		return Figures{}, err
	}
	begin := time.Now()
	var wg sync.WaitGroup
	for range connections {
		wg.Go(func() {
			var mine []time.Duration
			var failed error
			for failed == nil && time.Since(begin) < length && ctx.Err() == nil {
				path, body := t.Request()
				sent := time.Now()
				_, failed = t.Client.Send(ctx, cmp.Or(t.Method, http.MethodPost), path, body)
				mine = append(mine, time.Since(sent))
			}
			mu.Lock()
			defer mu.Unlock()
			took, fails = append(took, mine...), append(fails, failed)
		})
	}
	wg.Wait()
	wall := time.Since(begin)
	after, err := CPUTime(t.PID)
	if err := errors.Join(append(fails, err, ctx.Err())...); err != nil {
		return Figures{}, err
	}
	return Figures{Requests: len(took), CPU: after - before, Wall: wall, P99: P99(took)}, nil
}

// P99 is the 99th percentile of what requests took; it sorts them.
func P99(took []time.Duration) time.Duration {
	slices.Sort(took)
	return took[len(took)*99/100]
}

// Median returns the middle one of some values; it sorts them.
func Median(v []float64) float64 {
	slices.Sort(v)
	return v[len(v)/2]
}

// tick is the unit of times in /proc: USER_HZ, 100 a second on every Linux that
// Go runs on.
const tick = 10 * time.Millisecond

// CPUTime returns what a process has used so far, in user and kernel
// (proc_pid_stat(5), fields utime and stime).
func CPUTime(pid int) (time.Duration, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat cannot be read", pid)
	}
	user, uerr := strconv.Atoi(fields[11])
	system, serr := strconv.Atoi(fields[12])
	return time.Duration(user+system) * tick, errors.Join(uerr, serr)
}

// Memory returns the resident memory of a process in bytes, as it is and at its highest
// (proc_pid_status(5), fields VmRSS and VmHWM).
func Memory(pid int) (now, most int64, err error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) != 3 || fields[2] != "kB" {
			continue
		}
		n, err := strconv.ParseInt(fields[1], 10, 64)
		if err != nil {
			return 0, 0, err
		}
		switch fields[0] {
		case "VmRSS:":
			now = n << 10
		case "VmHWM:":
			most = n << 10
		}
	}
	if now == 0 || most == 0 {
		return 0, 0, fmt.Errorf("/proc/%d/status says nothing of memory", pid)
	}
	return now, most, nil
}
