package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"strongroom/fault"
)

// ActKind says what an act does.
type ActKind string

// The acts of this package.
const (
	actCreateInstance ActKind = "instance.create"
	actDeleteInstance ActKind = "instance.delete"
	actReclaim        ActKind = "instance.reclaim"
	actCreateKey      ActKind = "key.create"
	actRemoveKey      ActKind = "key.remove"
)

// Act is a change that crosses domains, under way. Its row is written by the
// transaction that begins it and removed by the one that finishes or undoes it.
type Act struct {
	ID       string // UUID
	Kind     ActKind
	Subject  string // GUID of the instance or resource key
	Step     int    // steps below this one are done
	Undo     bool   // it goes backwards
	Body     []byte // JSON of what the steps need and the subject's row does not have
	Attempts int    // how often it was taken up; the fence between those who try
	Failure  string // why the last attempt ended early; never with secrets
	Created  time.Time
	Updated  time.Time
}

// newAct returns an act in its first attempt.
func newAct(kind ActKind, subject string, body any, now time.Time) (Act, error) {
	b, err := json.Marshal(body)
	if err != nil {
		return Act{}, fmt.Errorf("encoding act %s: %w", kind, err)
	}
	return Act{
		ID: uuid.NewString(), Kind: kind, Subject: subject, Body: b, Attempts: 1,
		Created: now, Updated: now,
	}, nil
}

// NewRemoval returns the act that removes a resource key, for the store, which
// begins one for every key of an instance that is deleted.
func NewRemoval(k Key, by Stamp) (Act, error) {
	return newAct(actRemoveKey, string(k.ID), removal{By: by}, by.At)
}

// script says how acts of one kind are done. Steps are idempotent: a step may
// be repeated, and undone without having been done.
type script struct {
	steps []step
	// finish commits the outcome and removes the act, in one transaction.
	finish func(context.Context, Act) error
	// abandon commits that nothing happened and removes the act. An act without
	// it is only ever finished.
	abandon func(context.Context, Act) error
}

type step struct {
	do   func(context.Context) error
	undo func(context.Context) error // nil if there is nothing to undo
}

// acts runs scripts. An act that this process is running is not taken up again
// by its reconciler.
type acts struct {
	store ActStore

	mu      sync.Mutex
	running map[string]struct{} // IDs
}

func newActs(store ActStore) *acts {
	return &acts{store: store, running: map[string]struct{}{}}
}

// hold marks the act as running here until release; false if it already is.
func (a *acts) hold(id string) (release func(), ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, held := a.running[id]; held {
		return nil, false
	}
	a.running[id] = struct{}{}
	return func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		delete(a.running, id)
	}, true
}

// run brings an act to its end, forward if it can, else backward. It returns
// nil only if the act was finished. The caller holds the act.
//
// What began goes on when the client goes away.
func (a *acts) run(ctx context.Context, act Act, s script) error {
	ctx = context.WithoutCancel(ctx)
	var cause error
	if !act.Undo {
		if act, cause = a.forward(ctx, act, s); cause == nil {
			return nil
		}
		act.Failure = reason(cause)
		act.Undo = s.abandon != nil
		if err := a.store.SaveAct(ctx, act); err != nil {
			return errors.Join(cause, fmt.Errorf("keeping the state of act %s: %w", act.Kind, err))
		}
		if !act.Undo {
			return cause
		}
	}
	if err := a.backward(ctx, act, s); err != nil {
		return errors.Join(cause, fmt.Errorf("undoing act %s: %w", act.Kind, err))
	}
	return cause
}

func (a *acts) forward(ctx context.Context, act Act, s script) (Act, error) {
	for act.Step < len(s.steps) {
		if err := s.steps[act.Step].do(ctx); err != nil {
			return act, err
		}
		act.Step++
		if act.Step == len(s.steps) {
			break // finish says the same at once
		}
		if err := a.store.SaveAct(ctx, act); err != nil {
			return act, fmt.Errorf("keeping the state of act %s: %w", act.Kind, err)
		}
	}
	return act, s.finish(ctx, act)
}

// backward undoes also the step that was not marked as done: a crash may have
// come between the doing and the marking.
func (a *acts) backward(ctx context.Context, act Act, s script) error {
	for n := min(act.Step, len(s.steps)-1); n >= 0; n-- {
		if s.steps[n].undo == nil {
			continue
		}
		if err := s.steps[n].undo(ctx); err != nil {
			return err
		}
	}
	return s.abandon(ctx, act)
}

// reason is what an act's row says of a failure. Messages of internal errors
// are for the log alone.
func reason(err error) string {
	if text, ok := fault.Explain(err); ok {
		return text
	}
	return "internal error"
}
