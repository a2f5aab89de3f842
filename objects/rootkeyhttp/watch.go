package rootkeyhttp

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"strongroom/crn"
	"strongroom/objects"
)

const (
	// hold is for how long after it was true an answer of a lease is used. The next one comes within
	// a wait of 400 ms and two round trips, for which it leaves half a second.
	hold = 900 * time.Millisecond
	// watched is how many root keys one question is about; the service takes 128.
	watched = 100
	// often is how long after a question the next one about the same keys comes at the soonest: a
	// service that does not wait with its answers is not asked without end.
	often = 100 * time.Millisecond
	// again is how long to wait before a service is asked again that has failed.
	again = 200 * time.Millisecond
	// gathering is how long others are waited for when a root key is added, as all watches begin anew
	// then, of which the service keeps a record. What is known of the key holds for longer.
	gathering = 300 * time.Millisecond
	// longestCursor is the size of a cursor in bytes, at most.
	longestCursor = 1 << 10
	// idle is after which time without a use a root key is watched no more.
	idle = 10 * time.Minute
)

// standing is how a root key stood when the service was asked last.
type standing struct {
	version string
	failure error
	at      time.Time // when that was true, at the earliest
	used    time.Time
}

// holds reports whether it can be used now. The wall clock counts too, as the other one stands still
// while the machine sleeps.
func (s *standing) holds(now time.Time) bool {
	return now.Sub(s.at) < hold && now.Round(0).Sub(s.at.Round(0)) < hold
}

// watch is what a client of another Strongroom knows of root keys.
type watch struct {
	mu   sync.Mutex
	keys map[crn.CRN]*standing
	more chan struct{} // has one element when a key was added
}

// lease is the answer of the lease endpoint.
type lease struct {
	Cursor string `json:"cursor"`
	Waited int64  `json:"waited_ms"`
	Keys   []struct {
		Key     string `json:"key"`
		State   string `json:"state"`
		Version string `json:"version"`
	} `json:"results"`
}

// leased returns how a root key stands: from memory while the lease holds, and else from the service.
func (c *Client) leased(ctx context.Context, root crn.CRN) (string, error) {
	if version, failure, ok := c.watch.recall(root, c.Now()); ok {
		return version, failure
	}
	asking, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if _, err := c.askLease(asking, []crn.CRN{root}, ""); err != nil {
		return "", unreachable(err)
	}
	version, failure, ok := c.watch.recall(root, c.Now())
	if !ok {
		return "", objects.ErrRootService
	}
	return version, failure
}

func (w *watch) recall(root crn.CRN, now time.Time) (version string, failure error, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := w.keys[root]
	if s == nil {
		return "", nil, false
	}
	s.used = now
	return s.version, s.failure, s.holds(now)
}

// askLease asks how root keys stand, and remembers it.
func (c *Client) askLease(ctx context.Context, roots []crn.CRN, cursor string) (string, error) {
	names := make([]string, len(roots))
	for i, root := range roots {
		names[i] = root.String()
	}
	q := url.Values{"keys": {strings.Join(names, ",")}}
	if cursor != "" {
		q.Set("cursor", cursor)
	}
	asked := c.Now()
	var l lease
	if err := c.send(ctx, http.MethodGet, "/strongroom/v1/lease?"+q.Encode(), "", nil, &l); err != nil {
		return "", err
	}
	if len(l.Keys) != len(roots) || !isWord(l.Cursor, longestCursor) {
		return "", errProtocol
	}
	waited := min(max(l.Waited, 0), requestTimeout.Milliseconds())
	at := asked.Add(time.Duration(waited) * time.Millisecond)
	if at.After(c.Now()) {
		at = asked // it cannot have waited for longer than the answer took
	}
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	for i, root := range roots {
		failure, ok := failures[l.Keys[i].State]
		if !ok || l.Keys[i].Key != names[i] {
			return "", errProtocol
		}
		s := w.keys[root]
		if s == nil {
			s = &standing{used: asked}
			w.keys[root] = s
			select {
			case w.more <- struct{}{}:
			default:
			}
		}
		if !at.Before(s.at) {
			s.version, s.failure, s.at = l.Keys[i].Version, failure, at
		}
	}
	return l.Cursor, nil
}

// failures are what states of a root key mean for its users.
var failures = map[string]error{
	"usable": nil, "disabled": objects.ErrRootDisabled, "deleted": objects.ErrRootDeleted,
	"unauthorized": objects.ErrUnauthorized, "unsuitable": objects.ErrRootUnusable,
}

// Run watches the root keys in use until ctx ends. Of a service of kind ibm there is nothing to watch.
func (c *Client) Run(ctx context.Context) error {
	if c.Kind != Strongroom {
		<-ctx.Done()
		return nil
	}
	for ctx.Err() == nil {
		c.watchAll(ctx)
	}
	return nil
}

// watchAll watches the keys that are known now, until some are added or the watch ends.
func (c *Client) watchAll(ctx context.Context) {
	select {
	case <-c.watch.more: // by a key that is among those of now
	default:
	}
	ctx, stop := context.WithCancel(ctx)
	var asking sync.WaitGroup
	for roots := range slices.Chunk(c.watch.inUse(c.Now()), watched) {
		asking.Go(func() { c.follow(ctx, roots) })
	}
	ended := time.NewTimer(idle)
	defer ended.Stop()
	select {
	case <-ctx.Done():
	case <-c.watch.more:
		sleep(ctx, gathering)
	case <-ended.C:
	}
	stop()
	asking.Wait()
}

// inUse returns the root keys in use, and forgets the others.
func (w *watch) inUse(now time.Time) []crn.CRN {
	w.mu.Lock()
	defer w.mu.Unlock()
	var roots []crn.CRN
	for root, s := range w.keys {
		if now.Sub(s.used) > idle {
			delete(w.keys, root)
			continue
		}
		roots = append(roots, root)
	}
	slices.SortFunc(roots, func(a, b crn.CRN) int { return strings.Compare(a.String(), b.String()) })
	return roots
}

// follow asks about root keys again and again.
func (c *Client) follow(ctx context.Context, roots []crn.CRN) {
	cursor := ""
	for ctx.Err() == nil {
		begun, rest := time.Now(), often
		var err error
		if cursor, err = c.askLease(ctx, roots, cursor); err != nil {
			if !errors.Is(err, context.Canceled) {
				c.Logger.WarnContext(ctx, "the key service does not answer", "error", err)
			}
			begun, rest = time.Now(), again
		}
		sleep(ctx, time.Until(begun.Add(rest)))
	}
}

// sleep waits, no longer than ctx lasts.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}
