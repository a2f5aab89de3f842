package rootkeyhttp

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"strongroom/crn"
	"strongroom/objects"
)

const (
	lasting  = 10              // for how many intervals the last answer of a service holds that cannot be reached
	patience = 5 * time.Second // at most, until such a service is asked again
)

// state is what is known of a root key.
type state struct {
	asking sync.Mutex // held while the service is asked

	mu      sync.Mutex
	failure error     // why it cannot be used; nil if it can
	version string    // the newest
	at      time.Time // when the answer was asked for; zero if never; guarded by mu, like the others
	missed  time.Time // when the service was asked last and could not be reached
}

// Standing implements objects.RootKeys. It asks a service of kind ibm once in an interval.
func (c *Client) Standing(ctx context.Context, _, root crn.CRN) error {
	_, err := c.Version(ctx, crn.CRN{}, root)
	return err
}

// Version implements objects.RootKeys.
func (c *Client) Version(ctx context.Context, _, root crn.CRN) (string, error) {
	if c.Kind == Strongroom {
		return c.leased(ctx, root)
	}
	return c.state(ctx, root)
}

func (c *Client) state(ctx context.Context, root crn.CRN) (string, error) {
	s := c.stateOf(root)
	version, age, failure := s.read(c.Now())
	if age < c.Interval {
		return version, failure
	}
	if !s.asking.TryLock() {
		if age < lasting*c.Interval && s.failing() {
			return version, failure // whoever asks again may wait for long
		}
		s.asking.Lock()
	}
	defer s.asking.Unlock()
	version, age, failure = s.read(c.Now())
	if age < c.Interval { // somebody else has asked meanwhile
		return version, failure
	}
	err := s.lately(c.Now(), min(patience, c.Interval))
	if err == nil {
		err = c.ascertain(ctx, root, s)
	}
	switch {
	case errors.Is(err, objects.ErrRootService) && age < lasting*c.Interval:
		return version, failure
	case err != nil:
		return "", err
	}
	version, _, failure = s.read(c.Now())
	return version, failure
}

// refresh asks for the state of a key now, and returns why it cannot be used.
func (c *Client) refresh(ctx context.Context, root crn.CRN) error {
	s := c.stateOf(root)
	s.asking.Lock()
	defer s.asking.Unlock()
	if err := c.ascertain(ctx, root, s); err != nil {
		return err
	}
	_, _, failure := s.read(c.Now())
	return failure
}

func (c *Client) stateOf(root crn.CRN) *state {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.known[root]
	if s == nil {
		s = &state{}
		c.known[root] = s
	}
	return s
}

// read returns what is known, and how old it is: without end if nothing is.
func (s *state) read(now time.Time) (version string, age time.Duration, failure error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at.IsZero() {
		return "", 1<<63 - 1, objects.ErrRootService
	}
	return s.version, now.Sub(s.at), s.failure
}

// lately fails if the service could not be reached a moment ago: uses of many keys would else wait for
// it, one after the other.
func (s *state) lately(now time.Time, moment time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.missed.IsZero() && now.Sub(s.missed) < moment {
		return objects.ErrRootService
	}
	return nil
}

// failing reports whether the service could not be reached when it was asked last.
func (s *state) failing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.missed.IsZero()
}

// ascertain asks the service for the state of a key. An error says that it did not tell. That nobody
// waits for the answer any more is no failure of the service.
func (c *Client) ascertain(ctx context.Context, root crn.CRN, s *state) error {
	asked := c.Now()
	version, failure, err := c.inspect(ctx, root)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.version, s.failure, s.at, s.missed = version, failure, asked, time.Time{}
	case !errors.Is(err, context.Canceled):
		s.missed = c.Now()
	}
	return err
}

// inspect returns the newest version of a key, and why the key cannot be used.
func (c *Client) inspect(ctx context.Context, root crn.CRN) (version string, failure, err error) {
	var m metadata
	err = c.call(ctx, http.MethodGet, root, "/metadata", nil, &m)
	switch status(err) {
	case http.StatusUnauthorized, http.StatusForbidden:
		return "", objects.ErrUnauthorized, nil
	case http.StatusNotFound, http.StatusGone:
		return "", objects.ErrRootDeleted, nil
	}
	switch {
	case err != nil:
		return "", nil, unreachable(err)
	case len(m.Resources) != 1:
		return "", nil, errProtocol
	}
	k := m.Resources[0]
	switch {
	case k.Deleted || k.State == destroyed:
		failure = objects.ErrRootDeleted
	case k.Extractable:
		failure = objects.ErrRootUnusable
	case k.State != active && k.State != deactivated:
		failure = objects.ErrRootDisabled
	}
	return k.KeyVersion.ID, failure, nil
}
