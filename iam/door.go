package iam

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"time"

	"strongroom/audit"
	"strongroom/fault"
)

// ErrUnrecordable refuses an operation because the audit log cannot be written.
var ErrUnrecordable = fault.New(fault.Unavailable, "the audit log cannot be written, so nothing may be done; try again later")

// Recorder keeps events; *audit.Log is one.
type Recorder interface {
	// Append returns when the events are durable.
	Append(ctx context.Context, evs ...*audit.Event) error
	// Healthy says why events cannot be kept at the moment, or nil.
	Healthy() error
}

// Door is the one way into a domain service. Every operation passes it: it
// decides, lets the operation happen, and sees that the outcome is recorded,
// so that no operation can forget a step.
type Door struct {
	Decide  Decider
	Log     Recorder
	Service string // how messages name the service, as "Key Protect"
	// Refusal is the HTTP status recorded for a forbidden request: 401 where
	// the protocol hides the difference, 403 elsewhere. Zero means 403.
	Refusal int
}

// Read passes an operation that changes nothing that is stored. Its event is
// durable before Read returns, whatever the outcome. do may add to the event.
func (d *Door) Read(ctx context.Context, who Caller, action Action, on Object, ev *audit.Event, do func() error) error {
	err := d.enter(ctx, who, action, on, ev, do)
	d.conclude(ev, err)
	return d.append(ctx, who, on, ev, err)
}

// Change passes an operation that changes what is stored. When do returns nil it
// has committed the change together with the event as it then was; a failure is
// recorded here, durable before Change returns.
//
// The event is concluded as a success before do begins, so do must complete its
// data before handing it to the store.
func (d *Door) Change(ctx context.Context, who Caller, action Action, on Object, ev *audit.Event, do func() error) error {
	d.conclude(ev, nil)
	err := d.enter(ctx, who, action, on, ev, do)
	if err == nil {
		who.recorded()
		return nil
	}
	d.conclude(ev, err)
	return d.append(ctx, who, on, ev, err)
}

// Begin passes an operation whose answer is streamed. It is durably recorded as
// pending before Begin returns; end records how it went, as an event of its own.
// A refusal is recorded like that of any operation.
func (d *Door) Begin(ctx context.Context, who Caller, action Action, on Object, ev *audit.Event) (end func(error) error, err error) {
	var last audit.Event
	if err := d.enter(ctx, who, action, on, ev, func() error { return nil }); err != nil {
		d.conclude(ev, err)
		return nil, d.append(ctx, who, on, ev, err)
	}
	last = *ev
	d.conclude(ev, nil)
	ev.Outcome = audit.Pending
	if err := d.append(ctx, who, on, ev, nil); err != nil {
		return nil, err
	}
	return func(err error) error {
		last.Time = time.Time{} // the end is now, not when the request came
		d.conclude(&last, err)
		return d.append(ctx, who, on, &last, err)
	}, nil
}

// Refuse records and returns an error that arose before an operation could
// begin, such as a malformed request, unless the caller may not even try: then
// it hears the refusal, as if the request had been well-formed.
func (d *Door) Refuse(ctx context.Context, who Caller, action Action, on Object, ev *audit.Event, cause error) error {
	return d.Read(ctx, who, action, on, ev, func() error { return cause })
}

// enter decides and lets the operation happen. What is done to an object of
// another account, as an authorized service instance may, belongs to the log of
// the account that owns it.
func (d *Door) enter(ctx context.Context, who Caller, action Action, on Object, ev *audit.Event, do func() error) error {
	if err := d.Log.Healthy(); err != nil {
		return errors.Join(ErrUnrecordable, err)
	}
	if err := d.Decide.Allow(ctx, who, action, on); err != nil {
		return err
	}
	if on.Account != "" {
		ev.Account = string(on.Account)
	}
	return do()
}

func (d *Door) append(ctx context.Context, who Caller, on Object, ev *audit.Event, err error) error {
	// The caller may have gone away; what it did is recorded all the same.
	if rerr := d.keep(context.WithoutCancel(ctx), who, on, ev, err); rerr != nil {
		return errors.Join(ErrUnrecordable, rerr, err)
	}
	who.recorded()
	return err
}

// keep puts an event into the logs of those that it concerns. A failure of a caller without
// credentials, of which there can be a flood, concerns the account of the object alone.
func (d *Door) keep(ctx context.Context, who Caller, on Object, ev *audit.Event, err error) error {
	if err != nil && who.Kind == KindAnonymous {
		ev.Account = string(on.Account)
		if log, ok := d.Log.(RefusalRecorder); ok && who.Trail != nil {
			return log.Refused(ctx, who.Trail.Address, ev)
		}
	}
	if err != nil && who.Kind != KindAnonymous && on.Account != who.Account {
		return d.Log.Append(ctx, d.divide(who.Account, on.Account, ev)...)
	}
	return d.Log.Append(ctx, ev)
}

// divide splits the record of a failure across accounts, be it a refusal or that
// nothing could be found out about the object. The account of the caller is told
// what it asked for and nothing of the object, or its log would say what exists
// elsewhere, and how it is called; the account that owns the object, if there is
// one, is told everything.
func (d *Door) divide(caller, owner AccountID, ev *audit.Event) []*audit.Event {
	asked := *ev
	asked.Account = string(caller)
	asked.LogSourceCRN, asked.ResponseData = "", nil
	asked.Target = audit.Target{TypeURI: ev.Target.TypeURI}
	asked.Message = d.message(&asked)
	if owner == "" {
		return []*audit.Event{&asked}
	}
	ev.ID, ev.Account = "", string(owner)
	return []*audit.Event{&asked, ev}
}

// message says in a line what was done, to what, and whether it failed.
func (d *Door) message(ev *audit.Event) string {
	text := d.Service + ": " + verb(ev.Action) + " " + ev.Target.Name
	if ev.Outcome == audit.Failure {
		text += " -failure"
	}
	return text
}

// conclude writes the outcome into the event.
func (d *Door) conclude(ev *audit.Event, err error) {
	status := cmp.Or(ev.Reason.Code, http.StatusOK) // what the face has promised
	ev.Outcome = audit.Success
	if err != nil {
		ev.Outcome = audit.Failure
		status = d.status(err)
		ev.Reason.ForFailure, _ = fault.Explain(err)
		if ev.Reason.ForFailure == "" {
			ev.Reason.ForFailure = "internal error"
		}
	}
	ev.Reason.Code, ev.Reason.Type = status, http.StatusText(status)
	ev.Severity = audit.SeverityOf(ev.Action, status)
	ev.Message = d.message(ev)
}

func (d *Door) status(err error) int {
	kind := fault.KindOf(err)
	if kind == fault.Forbidden && d.Refusal != 0 {
		return d.Refusal
	}
	return kind.Status()
}

// verb is the last part of an action's name: "wrap" of "kms.secrets.wrap".
func verb(action string) string {
	for i := len(action) - 1; i >= 0; i-- {
		if action[i] == '.' {
			return action[i+1:]
		}
	}
	return action
}
