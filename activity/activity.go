// Package activity is the door to the audit log: who may search, export and
// verify it, and how far each sees.
//
// A tenant sees the events of its own account. The operator's account, the one
// that was made with the deployment, also sees what belongs to no tenant: the
// server's own events and refused requests of unknown callers.
package activity

import (
	"context"
	"io"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
)

// The operations.
const (
	ActionSearch iam.Action = "strongroom.audit.read"
	ActionExport iam.Action = "strongroom.audit.export"
	ActionVerify iam.Action = "strongroom.audit.verify"
)

// Service is how the house speaks of itself in policies and CRNs.
const Service = "strongroom"

// Log is what the package needs of an audit log; *audit.Log is one.
type Log interface {
	iam.Recorder
	Search(ctx context.Context, q audit.Query) (audit.Page, error)
	Export(ctx context.Context, w io.Writer, from, to time.Time, account string) error
}

// Activity answers questions about the audit log. Safe for concurrent use.
type Activity struct {
	log      Log
	verify   func(ctx context.Context) (audit.Report, error)
	door     iam.Door
	operator iam.AccountID
	now      func() time.Time
}

// Config is what the package needs of the house.
type Config struct {
	Log      Log
	Verify   func(ctx context.Context) (audit.Report, error) // checks the whole log of this server
	Decide   iam.Decider
	Operator iam.AccountID // the account that runs the deployment
	Now      func() time.Time
}

// New returns the door to the log.
func New(c Config) *Activity {
	return &Activity{
		log: c.Log, verify: c.Verify, operator: c.Operator, now: c.Now,
		door: iam.Door{Decide: c.Decide, Log: c.Log, Service: "Strongroom"},
	}
}

// Search returns the events of the caller's account that q asks for, newest
// first. What q says of the account is replaced, except that the operator may
// ask for the events that belong to no account, with q.Unowned.
func (a *Activity) Search(ctx context.Context, who iam.Caller, q Query) (audit.Page, error) {
	var page audit.Page
	ev := a.event(who, ActionSearch)
	err := a.door.Read(ctx, who, ActionSearch, a.object(who), ev, func() error {
		if err := q.confine(who, a.operator); err != nil {
			return err
		}
		var err error
		page, err = a.log.Search(ctx, q.Query)
		ev.ResponseData = map[string]any{"totalResources": len(page.Events)}
		return err
	})
	return page, err
}

// Query is a question to the log.
type Query struct {
	audit.Query
	Unowned bool // events that belong to no account, for the operator alone
}

// confine keeps a question inside what its caller may see.
func (q *Query) confine(who iam.Caller, operator iam.AccountID) error {
	if !q.Unowned {
		q.Account = string(who.Account)
		return nil
	}
	if who.Account != operator || operator == "" {
		return iam.ErrForbidden
	}
	q.Account = audit.NoAccount
	return nil
}

// Export writes the events of the caller's account in a span of time as JSON
// lines, through the function it returns. It is recorded as pending before the
// first byte, and with its outcome at the end.
func (a *Activity) Export(ctx context.Context, who iam.Caller, from, to time.Time) (func(io.Writer) error, error) {
	end, err := a.door.Begin(ctx, who, ActionExport, a.object(who), a.event(who, ActionExport))
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error {
		return end(a.log.Export(ctx, w, from, to, string(who.Account)))
	}, nil
}

// Verify checks the whole log of this server. Only the operator may: what it
// finds concerns every tenant.
func (a *Activity) Verify(ctx context.Context, who iam.Caller) (audit.Report, error) {
	var report audit.Report
	err := a.door.Read(ctx, who, ActionVerify, a.object(who), a.event(who, ActionVerify), func() error {
		if who.Account != a.operator || a.operator == "" {
			return iam.ErrForbidden
		}
		var err error
		report, err = a.verify(ctx)
		return err
	})
	return report, err
}

// Refuse records a request for action that could not be understood.
func (a *Activity) Refuse(ctx context.Context, who iam.Caller, action iam.Action, cause error) error {
	return a.door.Refuse(ctx, who, action, a.object(who), a.event(who, action), cause)
}

func (a *Activity) object(who iam.Caller) iam.Object {
	return iam.Object{Account: who.Account, Service: Service, Type: "audit"}
}

func (a *Activity) event(who iam.Caller, action iam.Action) *audit.Event {
	name := crn.Of(Service, "", string(who.Account), "", "audit", "")
	return who.Event(action, audit.Target{ID: name.String(), Name: "audit log", TypeURI: "strongroom/audit"})
}
