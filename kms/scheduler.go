package kms

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"strongroom/fault"
	"strongroom/iam"
)

const (
	// tickKeys is how many keys one Tick changes at most, of each sort: after a long downtime the
	// work is spread over many turns, between which others get theirs.
	tickKeys = 100
	// duePage is how many keys that wait are read at once.
	duePage = 200
	// retryAfter is for how long a key is left alone that could not be changed.
	retryAfter = 15 * time.Minute
	// maxPostponed bounds how many such keys are remembered.
	maxPostponed = 10_000
)

// clock is what the service remembers of the work that it does by itself.
type clock struct {
	ticking   sync.Mutex
	claimed   time.Time            // until when the job is this server's; guarded by ticking
	postponed map[keyRef]time.Time // keys to be left alone until then; guarded by ticking
}

// Tick does what the clock demands: it writes down that keys have expired, removes keys that were
// deleted long ago, and rotates those whose policy says so. It is to be called every few seconds, on
// every server; one of them does the work. What a stopped server has missed is made up for, a
// bounded number of keys at each call. What failed for one key is tried again later, and keeps no
// other key waiting; the error says what.
func (s *Service) Tick(ctx context.Context) error {
	s.clock.ticking.Lock()
	defer s.clock.ticking.Unlock()
	return errors.Join(
		s.work(ctx, "expiring", DueExpiry, s.now(), s.expireKey),
		s.work(ctx, "purging", DuePurge, s.now().Add(-PurgeAfter), s.purgeOld),
		s.work(ctx, "rotating", DueRotation, s.now(), s.rotateByPolicy),
	)
}

// errNotDue says that a key need not be changed: somebody else was faster.
var errNotDue = fault.New(fault.Conflict, "the key is not due any more")

// work does something to keys that are due.
func (s *Service) work(ctx context.Context, doing string, what Due, until time.Time,
	do func(context.Context, Instance, DueKey) error,
) error {
	var (
		errs  []error
		after DueKey
	)
	for done := 0; done < tickKeys; {
		page, err := s.store.DueKeys(ctx, what, until, after, duePage)
		if err != nil {
			return fmt.Errorf("looking for keys that are due for %s: %w", doing, err)
		}
		if len(page) == 0 {
			break
		}
		if ok, err := s.claimed(ctx); err != nil || !ok {
			return err
		}
		for _, due := range page {
			after = due
			if done == tickKeys || ctx.Err() != nil {
				break
			}
			if s.isPostponed(due) {
				continue
			}
			err := s.workOn(ctx, due, do)
			switch {
			case errors.Is(err, errNotDue):
			case err != nil:
				s.postpone(due)
				errs = append(errs, fmt.Errorf("%s key %s: %w", doing, due.Key, err))
				done++
			default:
				done++
			}
		}
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

// workOn does something to one key. Keys of an instance that is being deleted are left alone: they
// go with it.
func (s *Service) workOn(ctx context.Context, due DueKey, do func(context.Context, Instance, DueKey) error) error {
	in, err := s.instances.Instance(ctx, due.Instance)
	if fault.KindOf(err) == fault.NotFound {
		return errNotDue
	}
	if err != nil {
		return err
	}
	return do(ctx, in, due)
}

func (s *Service) isPostponed(due DueKey) bool {
	ref := keyRef{due.Instance, due.Key}
	until, ok := s.clock.postponed[ref]
	if ok && !s.now().Before(until) {
		delete(s.clock.postponed, ref)
		return false
	}
	return ok
}

func (s *Service) postpone(due DueKey) {
	if len(s.clock.postponed) >= maxPostponed {
		clear(s.clock.postponed)
	}
	s.clock.postponed[keyRef{due.Instance, due.Key}] = s.now().Add(retryAfter)
}

// itself is the service as the one who does something to a key of an instance.
func itself(in Instance) iam.Caller {
	return iam.Caller{
		Identity: iam.IdentityID("crn-" + in.CRN.String()), Kind: iam.KindInstance,
		Account: in.Account, Name: "Key Protect", Instance: in.CRN,
	}
}

// ownWork allows what the service does by itself.
type ownWork struct{}

func (ownWork) Allow(context.Context, iam.Caller, iam.Action, iam.Object) error { return nil }

// byItself takes a change that the service makes by itself through the door, so that it is recorded
// like any other. Nothing is recorded when the key, as it is now, is not due.
func (s *Service) byItself(ctx context.Context, in Instance, due DueKey, action iam.Action, isDue func(*Key, time.Time) bool,
	act func(*visit) error,
) error {
	who := itself(in)
	v := s.approach(ctx, who, Ref{Instance: in.ID, Key: string(due.Key)}, action, authoritative)
	if v.cause == nil && (v.record == nil || !isDue(&v.record.Key, v.now)) {
		return errNotDue
	}
	return s.doorFor(v, ownWork{}).Change(ctx, who, action, v.object, v.event, func() error { return act(v) })
}

// expiresAt reports whether it is to be written down at a moment that a key has expired.
func (k *Key) expiresAt(now time.Time) bool {
	return k.State == Active && k.StateAt(now) == Deactivated
}

// expireKey writes down that the expiration date of a key has passed. It has had its effect then
// already.
func (s *Service) expireKey(ctx context.Context, in Instance, due DueKey) error {
	return s.byItself(ctx, in, due, ActionExpire, (*Key).expiresAt, func(v *visit) error {
		v.event.RequestData["keyType"] = keyType(v.record.Extractable)
		v.event.RequestData["expirationDate"] = v.record.Expires.UTC().Format(time.RFC3339)
		v.tell(&v.record.Key, map[string]any{
			"keyId": string(due.Key), "initialValue.keyState": int(Active), "newValue.keyState": int(Deactivated),
		})
		_, err := s.update(ctx, v, func(k Key) (Key, *Version, error) {
			if !k.expiresAt(v.now) {
				return Key{}, nil, errNotDue
			}
			k.State, k.Notified = Deactivated, v.now
			if k.Expires.After(k.Updated) {
				k.Updated = k.Expires
			}
			return k, nil, nil
		})
		return err
	})
}

// purgesAt reports whether a deleted key is to be removed at a moment without being asked.
func (k *Key) purgesAt(now time.Time) bool {
	return k.State == Destroyed && !now.Before(k.Deleted.Add(PurgeAfter))
}

// purgeOld removes a key that was deleted long ago.
func (s *Service) purgeOld(ctx context.Context, in Instance, due DueKey) error {
	return s.byItself(ctx, in, due, ActionPurge, (*Key).purgesAt, func(v *visit) error {
		_, err := s.purge(ctx, v, func(k *Key) error {
			if !k.purgesAt(v.now) {
				return errNotDue
			}
			return nil
		})
		return err
	})
}

// rotatesAt reports whether the policy of the key demands a rotation at a moment.
func (k *Key) rotatesAt(now time.Time) bool {
	next := k.NextRotation()
	return !next.IsZero() && !now.Before(next) && k.StateAt(now) == Active
}

// rotateByPolicy rotates a key whose policy says so. The event names who set the policy.
func (s *Service) rotateByPolicy(ctx context.Context, in Instance, due DueKey) error {
	return s.byItself(ctx, in, due, ActionRotate, (*Key).rotatesAt, func(v *visit) error {
		v.event.RequestData["rotationPolicy"] = string(v.record.Rotation.ID)
		v.event.RequestData["rotationPolicySetBy"] = string(v.record.Rotation.UpdatedBy)
		return s.rotate(ctx, v, NewVersion{byPolicy: true})
	})
}
