package resource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"

	"strongroom/audit"
	"strongroom/fault"
)

// batch bounds how many acts or reclamations one round of Reconcile reads.
const batch = 100

// Reconcile finishes or undoes acts that a crash or an outage has interrupted,
// and reclaims deleted instances whose time has come. The server calls it at
// start, before it answers requests, and then periodically. One that fails does
// not keep the others waiting; the errors of all are returned, joined.
func (s *Service) Reconcile(ctx context.Context) error {
	return errors.Join(s.resume(ctx), s.reclaimDue(ctx))
}

// resume takes up every act that nobody is running, once.
func (s *Service) resume(ctx context.Context) error {
	var failures []error
	tried := map[string]bool{}
	for {
		pending, err := s.store.Acts(ctx, batch)
		if err != nil {
			return errors.Join(append(failures, fmt.Errorf("listing acts: %w", err))...)
		}
		fresh := 0
		for _, act := range pending {
			if tried[act.ID] {
				continue
			}
			tried[act.ID] = true
			fresh++
			if err := s.takeUp(ctx, act); err != nil && !errors.Is(err, errElsewhere) {
				failures = append(failures, fmt.Errorf("act %s on %s: %w", act.Kind, act.Subject, err))
			}
		}
		if fresh == 0 {
			return errors.Join(failures...)
		}
	}
}

// errElsewhere says that somebody else runs the act, or has already ended it.
var errElsewhere = errors.New("somebody else is at it")

// takeUp claims an act and brings it to its end.
//
// What makes something is undone: whoever asked for it was never told that it
// exists, and the secrets of a resource key are gone. What removes something is
// finished.
func (s *Service) takeUp(ctx context.Context, act Act) error {
	release, ok := s.acts.hold(act.ID)
	if !ok {
		return errElsewhere
	}
	defer release()
	act, err := s.store.Claim(ctx, act)
	if fault.KindOf(err) == fault.Stale {
		return errElsewhere
	}
	if err != nil {
		return err
	}
	script, err := s.scriptOf(ctx, act)
	if err != nil {
		return err
	}
	if script.abandon != nil && !act.Undo {
		act.Undo, act.Failure = true, interrupted
		if err := s.store.SaveAct(ctx, act); err != nil {
			return err
		}
	}
	return s.acts.run(ctx, act, script)
}

// interrupted is why an act is undone that a crash has cut short.
const interrupted = "interrupted before it was finished, and undone"

// scriptOf returns the script of an act that somebody else has begun.
func (s *Service) scriptOf(ctx context.Context, act Act) (script, error) {
	switch act.Kind {
	case actCreateInstance, actDeleteInstance, actReclaim:
		i, err := s.store.Instance(ctx, InstanceID(act.Subject))
		if err != nil {
			return script{}, err
		}
		switch act.Kind {
		case actCreateInstance:
			return s.instanceCreation(i, nil, undone(i.event(ActionInstanceCreate, i.Created))), nil
		case actDeleteInstance:
			return s.instanceDeletion(&deletion{instance: i}), nil
		default:
			return s.reclaiming(i), nil
		}
	case actCreateKey, actRemoveKey:
		k, err := s.store.Key(ctx, KeyID(act.Subject))
		if err != nil {
			return script{}, err
		}
		if act.Kind == actCreateKey {
			return s.keyCreation(&creation{key: k}, nil, undone(k.event(ActionKeyCreate, k.Created))), nil
		}
		var body removal
		if err := json.Unmarshal(act.Body, &body); err != nil {
			return script{}, fmt.Errorf("reading the act: %w", err)
		}
		return s.keyRemoval(k, body.By), nil
	}
	return script{}, fmt.Errorf("unknown kind %q", act.Kind)
}

// undone concludes the event of an operation that a crash has cut short.
func undone(ev *audit.Event) *audit.Event {
	ev.Outcome = audit.Failure
	ev.Reason = audit.Reason{
		Code: http.StatusInternalServerError, Type: http.StatusText(http.StatusInternalServerError),
		ForFailure: interrupted,
	}
	ev.Severity = audit.SeverityOf(ev.Action, ev.Reason.Code)
	ev.Message += " -failure"
	return ev
}
