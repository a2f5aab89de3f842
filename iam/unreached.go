package iam

import (
	"context"
	"net/http"

	"strongroom/audit"
	"strongroom/fault"
)

// RefusalRecorder is a Recorder that can also keep requests of unknown callers,
// refused or answered, without letting a flood of them fill the disk;
// *audit.Log is one.
type RefusalRecorder interface {
	Recorder
	Refused(ctx context.Context, source string, ev *audit.Event) error
}

// RecordUnreached records a request that passed no door: its caller is unknown,
// no route matched, or the operation is open to everybody. who is nil when the
// caller is unknown; status is that of the answer.
func RecordUnreached(ctx context.Context, log RefusalRecorder, service string, who *Caller,
	trail *audit.Trail, action string, status int, cause error,
) error {
	if action == "" {
		action = "strongroom.request.unknown"
	}
	var known Caller
	if who != nil {
		known = *who
	}
	known.Trail = trail
	ev := known.Event(Action(action), audit.Target{})
	ev.Outcome, ev.Reason = audit.Success, audit.Reason{Code: status, Type: http.StatusText(status)}
	ev.Message = service + ": " + verb(action)
	if cause != nil {
		ev.Outcome = audit.Failure
		ev.Message += " -failure"
		if ev.Reason.ForFailure, _ = fault.Explain(cause); ev.Reason.ForFailure == "" {
			ev.Reason.ForFailure = "internal error"
		}
	}
	ev.Severity = audit.SeverityOf(action, status)
	ctx = context.WithoutCancel(ctx)
	var err error
	if who == nil {
		err = log.Refused(ctx, trail.Address, ev)
	} else {
		err = log.Append(ctx, ev)
	}
	if err != nil {
		return ErrUnrecordable
	}
	trail.MarkRecorded()
	return nil
}
