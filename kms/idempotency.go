package kms

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// Repeat makes a request repeatable: sent again by the same caller, with the same key and saying
// the same, it returns what came of the first, for RepeatWindow.
type Repeat struct {
	Key  string            // chosen by the caller: 1 to 255 visible ASCII characters
	Body [sha256.Size]byte // SHA-256 of all that the request says in its body and query
}

// RepeatWindow is for how long a repeatable request returns what came of the first.
const RepeatWindow = 24 * time.Hour

// First is what is kept of the first of several equal requests: what it was, in a form that tells
// nobody what it said, and what it made. What was answered is not kept.
type First struct {
	Instance InstanceID
	Caller   iam.IdentityID
	Key      string
	Request  [sha256.Size]byte // of everything that makes the request; kept as a MAC only
	Made     string            // ID of the key version that it made
	Of       KeyID
	At       time.Time
}

// RepeatStore keeps the first of repeatable requests. They are added with the version that they
// made: InsertKey and UpdateKey fail with ErrRepeated, and change nothing, when the caller has used
// the key of Version.First in the RepeatWindow.
type RepeatStore interface {
	// FirstRequest returns what f.Caller did first with f.Key after the given time, and whether
	// that was the same request. Only Made, Of and At of what it returns are filled in.
	FirstRequest(ctx context.Context, f First, after time.Time) (first First, same bool, err error)
	// RecordEvent keeps the event of a request that found its change made before.
	RecordEvent(ctx context.Context, ev *audit.Event) error
	// ForgetRequests removes those of before a time, a bounded number of them, and says whether
	// there may be more.
	ForgetRequests(ctx context.Context, before time.Time) (more bool, err error)
}

// ErrRepeated is how a store says that a request was there before.
var ErrRepeated = errors.New("the request was made before")

const maxRepeatKey = 255

// check holds the rules of the key of a repeatable request.
func (r *Repeat) check() error {
	if r == nil {
		return nil
	}
	visible := func(c rune) bool { return c > ' ' && c <= '~' }
	if r.Key == "" || len(r.Key) > maxRepeatKey || strings.ContainsFunc(r.Key, func(c rune) bool { return !visible(c) }) {
		return ErrHeader.On("Idempotency-Key", "1 to 255 visible ASCII characters")
	}
	return nil
}

// first returns the record of the repeatable request that v is on, or nil.
func (r *Repeat) first(who iam.Caller, v *visit, target string) *First {
	if r == nil {
		return nil
	}
	said := custody.Context(v.event.Action, string(who.Account), target, string(r.Body[:]))
	return &First{
		Instance: v.instance.ID, Caller: who.Identity, Key: r.Key, Request: sha256.Sum256(said), At: v.now,
	}
}

// made completes a record with what the request makes.
func (f *First) made(k KeyID, v VersionID) *First {
	if f != nil {
		f.Of, f.Made = k, string(v)
	}
	return f
}

// once makes the change that a repeatable request asks for. If it was made before, again is called
// instead with the key that it was about, and the request is recorded as one that changed nothing.
func (s *Service) once(ctx context.Context, v *visit, f *First, change func() error, again func(KeyID) error) error {
	if f == nil {
		return change()
	}
	err := s.repeat(ctx, v, f, again)
	if !errors.Is(err, errFirst) {
		return err
	}
	if err = change(); !errors.Is(err, ErrRepeated) {
		return err
	}
	if err = s.repeat(ctx, v, f, again); errors.Is(err, errFirst) { // its twin committed meanwhile
		return ErrUnavailable
	}
	return err
}

// errFirst says that a request was not made before.
var errFirst = errors.New("the request was not made before")

// repeat answers a request that was made before, or returns errFirst.
func (s *Service) repeat(ctx context.Context, v *visit, f *First, again func(KeyID) error) error {
	first, same, err := s.store.FirstRequest(ctx, *f, v.now.Add(-RepeatWindow))
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return errFirst
	case err != nil:
		return fmt.Errorf("looking for an earlier request: %w", err)
	case !same:
		return ErrRepeatDiffers
	}
	v.event.RequestData["repeatOf"] = first.At.UTC().Format(time.RFC3339)
	v.event.Target.ID = v.instance.CRN.Child("key", string(first.Of)).String()
	if err := again(first.Of); err != nil {
		return err
	}
	if err := s.store.RecordEvent(ctx, v.event); err != nil {
		return fmt.Errorf("recording a repeated request: %w", err)
	}
	return nil
}

// ForgetRepeats removes what is kept of repeatable requests that are too old to be repeated.
func (s *Service) ForgetRepeats(ctx context.Context) error {
	for more := true; more; {
		var err error
		if more, err = s.store.ForgetRequests(ctx, s.now().Add(-RepeatWindow)); err != nil {
			return fmt.Errorf("forgetting old requests: %w", err)
		}
	}
	return nil
}
