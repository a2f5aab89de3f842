package resource

import (
	"context"
	"log/slog"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// Config is what the service needs of the house. Every field is required
// unless it says otherwise.
type Config struct {
	Store       Store
	Decider     iam.Decider
	Log         iam.Recorder
	Hub         *lease.Hub
	Vault       *custody.Vault // seals the secrets of resource keys
	Credentials Credentials
	Grants      Grants
	// Owners are asked about the instances of their service, by its name. A
	// service without an owner needs nothing.
	Owners map[string]Owner
	Region string // of the house; instances that are not global live there
	Now    func() time.Time
	Logger *slog.Logger
}

// Owner is what is needed of the service that instances belong to. Prepare and
// Destroy are steps of acts: idempotent, and Destroy also undoes a Prepare that
// was begun or never begun.
type Owner interface {
	// Prepare makes what an instance needs before anybody can use it.
	Prepare(ctx context.Context, i Instance) error
	// RefuseDelete returns a failure for the caller while the instance holds what
	// must be removed first. Nothing can be made in the instance meanwhile.
	RefuseDelete(ctx context.Context, i Instance) error
	// Destroy makes everything in the instance unrecoverable.
	Destroy(ctx context.Context, i Instance) error
}

// lookups is how many instances are remembered for Lookup.
const lookups = 100_000

// Service keeps groups, instances, resource keys and tags. Safe for concurrent use.
type Service struct {
	store       Store
	decide      iam.Decider
	vault       *custody.Vault
	credentials Credentials
	grants      Grants
	owners      map[string]Owner
	region      string
	now         func() time.Time
	log         *slog.Logger

	door iam.Door
	// lists is the door of lists: every member of an account may ask, and each
	// row is decided on its own.
	lists iam.Door
	acts  *acts
	cache *lease.Cache[InstanceID, Instance]
}

// New returns the service.
func New(c Config) *Service {
	s := &Service{
		store: c.Store, decide: c.Decider, vault: c.Vault, credentials: c.Credentials, grants: c.Grants,
		owners: c.Owners, region: c.Region, now: c.Now, log: c.Logger,
		door:  iam.Door{Decide: c.Decider, Log: c.Log, Service: "Resource Controller"},
		lists: iam.Door{Decide: members{}, Log: c.Log, Service: "Resource Controller"},
		acts:  newActs(c.Store),
		cache: lease.NewCache[InstanceID, Instance](c.Hub, lookups, nil),
	}
	c.Hub.Watch(func(ch lease.Change) { s.cache.Heed(InstanceID(ch.ID), ch) }, ChangeInstance)
	return s
}

// members lets a known caller ask for a list of its own account.
type members struct{}

func (members) Allow(_ context.Context, who iam.Caller, _ iam.Action, on iam.Object) error {
	if who.Identity == "" || who.Account == "" || who.Account != on.Account {
		return iam.ErrForbidden
	}
	return nil
}

// noOwner stands for a service that needs nothing.
type noOwner struct{}

func (noOwner) Prepare(context.Context, Instance) error      { return nil }
func (noOwner) RefuseDelete(context.Context, Instance) error { return nil }
func (noOwner) Destroy(context.Context, Instance) error      { return nil }

func (s *Service) owner(i Instance) Owner {
	if o := s.owners[i.Service]; o != nil {
		return o
	}
	return noOwner{}
}

// may reports whether the caller may do something, for choosing what it sees.
func (s *Service) may(ctx context.Context, who iam.Caller, action iam.Action, on iam.Object) (bool, error) {
	err := s.decide.Allow(ctx, who, action, on)
	if fault.KindOf(err) == fault.Forbidden {
		return false, nil
	}
	return err == nil, err
}

// Refuse records and returns why a request about no particular instance cannot
// be understood, or the refusal that its caller would have met with a good one.
func (s *Service) Refuse(ctx context.Context, who iam.Caller, action iam.Action, cause error) error {
	on := iam.Object{Account: who.Account}
	return s.door.Refuse(ctx, who, action, on, who.Event(action, audit.Target{}), cause)
}

// RefuseList is Refuse for a request for a list, which every member of an
// account may ask for.
func (s *Service) RefuseList(ctx context.Context, who iam.Caller, action iam.Action, cause error) error {
	on := iam.Object{Account: who.Account}
	return s.lists.Refuse(ctx, who, action, on, who.Event(action, audit.Target{}), cause)
}

// visible reads pages of a list until limit items that the caller may see are
// found or there are no more. more says that the list goes on after them.
func visible[T any](ctx context.Context, p Page,
	read func(context.Context, Page) ([]T, error), id func(T) string, see func(T) (bool, error),
) (seen []T, more bool, err error) {
	next := Page{Limit: p.Limit + 1, After: p.After}
	for {
		rows, err := read(ctx, next)
		if err != nil {
			return nil, false, err
		}
		for _, row := range rows {
			ok, err := see(row)
			if err != nil {
				return nil, false, err
			}
			if !ok {
				continue
			}
			if len(seen) == p.Limit {
				return seen, true, nil
			}
			seen = append(seen, row)
		}
		if len(rows) < next.Limit {
			return seen, false, nil
		}
		next.After = id(rows[len(rows)-1])
	}
}
