package load

import (
	"context"
	"errors"
	"time"
)

const (
	// Starting is, for [Process.Settle], more than twice as long as a server waits between the keys that it
	// makes ahead after its start: whatever share of the machine it gets, one of them shows.
	Starting = 25 * time.Second

	settleLimit = 3 * time.Minute
	// quiet is which part of the time a process may be busy to which nothing is sent: one in so many.
	quiet = 50
)

// errUnsettled says that a process never became quiet.
var errUnsettled = errors.New("the server stays busy though nothing is asked of it")

// Settle waits until a process to which nothing is sent has been quiet for so long, so that what it does by
// itself, after its start or after requests, is not counted as the cost of others.
func (p *Process) Settle(ctx context.Context, long time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, settleLimit, errUnsettled)
	defer cancel()
	for {
		before, err := CPUTime(p.PID)
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(long):
		}
		after, err := CPUTime(p.PID)
		if err != nil || after-before <= long/quiet {
			return err
		}
	}
}
