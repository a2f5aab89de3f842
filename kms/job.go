package kms

import (
	"context"
	"time"
)

// JobStore lets one server at a time do what the service does by itself.
type JobStore interface {
	// ClaimJob gives a job to this server until a time, and reports whether it has it: nobody else
	// has claimed it for a time that is not yet over.
	ClaimJob(ctx context.Context, name string, until time.Time) (bool, error)
}

// The job of the clock, and for how long a server claims it. What is done under the claim is safe
// to be done twice; the claim only saves the servers from working against each other.
const (
	clockJob   = "kms.clock"
	clockClaim = time.Minute
)

// claimed reports whether the job of the clock is this server's. The claim is renewed in the
// second half of its time.
func (s *Service) claimed(ctx context.Context) (bool, error) {
	now := s.now()
	if now.Before(s.clock.claimed.Add(-clockClaim / 2)) {
		return true, nil
	}
	until := now.Add(clockClaim)
	ok, err := s.store.ClaimJob(ctx, clockJob, until)
	if err != nil || !ok {
		s.clock.claimed = time.Time{}
		return false, err
	}
	s.clock.claimed = until
	return true, nil
}
