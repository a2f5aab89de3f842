package masters

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
)

// Service is how the house speaks of itself in policies and CRNs.
const Service = "strongroom"

// KindSoftware is the kind of crypto modules whose masters are in a file.
const KindSoftware = "software"

// SystemKey is the kind of the secret that is the key of the service's own secrets; its ID is the
// generation that it is under.
const SystemKey = "system-instance-key"

// The operations. Init and Recover happen on the server's own machine, and Moved is what the job
// records when the last key has left a generation.
const (
	ActionRead    iam.Action = "strongroom.custody.read"
	ActionRotate  iam.Action = "strongroom.custody.rotate"
	ActionMigrate iam.Action = "strongroom.custody.migrate"
	ActionRetire  iam.Action = "strongroom.custody.retire"
	ActionInit    iam.Action = "strongroom.custody.init"
	ActionRecover iam.Action = "strongroom.custody.recover"
	ActionMoved   iam.Action = "strongroom.custody.moved"
)

// Modules are the crypto modules of the deployment; *custody.Rack is them.
type Modules interface {
	Modules() []custody.Module
	ModuleOf(generation uint32) (custody.Module, bool)
	Generations(ctx context.Context) ([]custody.Generation, error)
	MakeMastersIn(ctx context.Context, module string, number uint32, r custody.Recovery) (custody.Escrow, error)
	DestroyMasters(ctx context.Context, number uint32) error
	Use(ctx context.Context, generation uint32) error
	EndTransfers() error
}

// Mover moves what it keeps from the masters of one generation to those of a newer one. What it
// could not move it names in the error, and has moved the rest. It may be ended at any moment, and
// finds the rest when it is called again.
type Mover interface {
	Move(ctx context.Context, from, to uint32) (moved int, err error)
}

// Config is what the service works with.
type Config struct {
	Store    Store
	Modules  Modules
	Movers   []Mover
	Decide   iam.Decider
	Log      iam.Recorder
	Operator iam.AccountID // the account that runs the deployment
	Now      func() time.Time
	Logger   *slog.Logger
	// Dump writes a backup of the deployment.
	Dump func(ctx context.Context, w io.Writer) error
	// Interval is how long the operator means to keep masters in use: by it the date is expected at
	// which what was purged is shredded. Zero: no date is known.
	Interval time.Duration
}

// Custodian rules over the masters of the deployment. Safe for concurrent use.
type Custodian struct {
	store    Store
	modules  Modules
	movers   []Mover
	door     iam.Door
	operator iam.AccountID
	now      func() time.Time
	log      *slog.Logger
	interval time.Duration
	dump     func(ctx context.Context, w io.Writer) error

	making sync.Mutex    // held while the generations change
	wake   chan struct{} // capacity 1; signalled when there is something to move
	pass   atomic.Pointer[Pass]
	moved  atomic.Uint64
}

// New returns the custodian.
func New(c Config) *Custodian {
	return &Custodian{
		store: c.Store, modules: c.Modules, movers: c.Movers, operator: c.Operator, now: c.Now, log: c.Logger,
		door:     iam.Door{Decide: c.Decide, Log: c.Log, Service: "Strongroom"},
		interval: c.Interval, dump: c.Dump, wake: make(chan struct{}, 1),
	}
}

// read passes an operation that changes nothing.
func (s *Custodian) read(ctx context.Context, who iam.Caller, action iam.Action, do func(*audit.Event) error) error {
	ev := s.event(who, action)
	return s.door.Read(ctx, who, action, s.object(who), ev, func() error { return s.operating(who, ev, do) })
}

// change passes an operation that commits a change together with its event.
func (s *Custodian) change(ctx context.Context, who iam.Caller, action iam.Action, do func(*audit.Event) error) error {
	ev := s.event(who, action)
	if ev.RequestData == nil {
		ev.RequestData = map[string]any{}
	}
	return s.door.Change(ctx, who, action, s.object(who), ev, func() error { return s.operating(who, ev, do) })
}

// operating lets nobody in but the operator: masters concern every tenant.
func (s *Custodian) operating(who iam.Caller, ev *audit.Event, do func(*audit.Event) error) error {
	if who.Account != s.operator || s.operator == "" {
		return iam.ErrForbidden
	}
	return do(ev)
}

// Refuse records a request for an action that could not be understood.
func (s *Custodian) Refuse(ctx context.Context, who iam.Caller, action iam.Action, cause error) error {
	return s.door.Refuse(ctx, who, action, s.object(who), s.event(who, action), cause)
}

func (s *Custodian) object(who iam.Caller) iam.Object {
	return iam.Object{Account: who.Account, Service: Service, Type: "custody"}
}

func (s *Custodian) event(who iam.Caller, action iam.Action) *audit.Event {
	name := crn.Of(Service, "", string(who.Account), "", "custody", "")
	return who.Event(action, audit.Target{ID: name.String(), Name: "masters", TypeURI: "strongroom/custody"})
}
