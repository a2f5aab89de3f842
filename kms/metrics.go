package kms

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// ActionMetrics is reading the metrics of an instance. It is decided for each instance, and given by
// the roles that manage instances and see no data: what scrapes metrics needs no access to keys.
const ActionMetrics iam.Action = "strongroom.metrics.read"

// Metrics says how an instance was used within the last [MetricsWindow].
type Metrics struct {
	Instance  Instance
	GroupName string           // of its resource group
	Kinds     []RequestMetrics // by action and status; those without a request are left out
}

// RequestMetrics counts requests of one kind.
type RequestMetrics struct {
	Action   iam.Action
	Status   int           // HTTP status of the answer
	Requests int64         // at least one
	Mean     time.Duration // from the request's first header until its answer was written
}

// Observe counts a request that was answered, if the instance has a policy that wants it. It is for
// requests of known callers: those of unknown ones belong to no instance. It reads memory, and for the
// first request of a kind the record of the instance. While the lease is not held, which policies hold is not known here: kinds of requests
// that were counted before are counted on, and no others.
func (s *Service) Observe(ctx context.Context, in InstanceID, action iam.Action, status int, took time.Duration) {
	policies, known := s.policies.Peek(in)
	if known && policies.of(InstanceMetrics) == nil {
		return
	}
	key, turn := meterKey{in, action, status}, s.meters.turn(s.now())
	m := s.meters.find(key)
	if m == nil && !known {
		return
	}
	if m == nil {
		instance, err := s.instances.Instance(context.WithoutCancel(ctx), in)
		if err != nil {
			return // deleted since; there is nobody to show it to
		}
		if m = s.meters.add(key, instance.Account, turn); m == nil {
			s.meters.uncounted.Add(1)
			return
		}
	}
	m.count(turn, max(took, 0))
}

// Uncounted returns how many requests the metrics of instances lack, because too many kinds of
// requests were counted already: 20,000 in all, a tenth of them for one account.
func (s *Service) Uncounted() int64 { return s.meters.uncounted.Load() }

// SweepMetrics forgets what was counted longer ago than the window.
func (s *Service) SweepMetrics(context.Context) error {
	s.meters.sweep(s.meters.turn(s.now()))
	return nil
}

// Metrics returns the metrics of those instances of the caller's account that have a policy for it,
// were used within the window, and whose metrics the caller may read. Every member of an account may
// ask, and is shown what is its to see.
func (s *Service) Metrics(ctx context.Context, who iam.Caller) (list []Metrics, err error) {
	err = s.steady(func(from source) error {
		return s.passMetrics(ctx, who, func(ev *audit.Event) error {
			list, err = s.metrics(ctx, who, from)
			ev.ResponseData = map[string]any{"totalResources": len(list)}
			return err
		})
	})
	return list, err
}

// RefuseMetrics records and returns the failure of a request for metrics that could not be understood.
func (s *Service) RefuseMetrics(ctx context.Context, who iam.Caller, cause error) error {
	return s.passMetrics(ctx, who, func(*audit.Event) error { return cause })
}

// passMetrics takes a question about the instances of the caller's account through the door.
func (s *Service) passMetrics(ctx context.Context, who iam.Caller, do func(*audit.Event) error) error {
	door := s.door
	door.Decide, door.Refusal = ownAccount{}, 0
	name := crn.Of("strongroom", "", string(who.Account), "", "metrics", "")
	ev := who.Event(ActionMetrics, audit.Target{ID: name.String(), Name: "metrics", TypeURI: typeURI(ActionMetrics)})
	return door.Read(ctx, who, ActionMetrics, iam.Object{Account: who.Account}, ev, func() error { return do(ev) })
}

// ownAccount lets a known caller ask about its own account.
type ownAccount struct{}

func (ownAccount) Allow(_ context.Context, who iam.Caller, _ iam.Action, on iam.Object) error {
	if who.Identity == "" || who.Account == "" || who.Account != on.Account {
		return iam.ErrForbidden
	}
	return nil
}

func (s *Service) metrics(ctx context.Context, who iam.Caller, from source) ([]Metrics, error) {
	var list []Metrics
	groups := map[string]string{} // names of those that were looked up
	for id, kinds := range s.meters.of(who.Account, s.meters.turn(s.now())) {
		in, err := s.instances.Instance(ctx, id)
		if fault.KindOf(err) == fault.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		shown, err := s.showsMetrics(ctx, who, in, from)
		if err != nil {
			return nil, err
		}
		if !shown {
			continue
		}
		if _, ok := groups[in.ResourceGroup]; !ok {
			if groups[in.ResourceGroup], err = s.nameGroup(ctx, in.ResourceGroup); err != nil {
				return nil, err
			}
		}
		slices.SortFunc(kinds, func(a, b RequestMetrics) int {
			return cmp.Or(strings.Compare(string(a.Action), string(b.Action)), cmp.Compare(a.Status, b.Status))
		})
		list = append(list, Metrics{Instance: in, GroupName: groups[in.ResourceGroup], Kinds: kinds})
	}
	slices.SortFunc(list, func(a, b Metrics) int {
		return strings.Compare(string(a.Instance.ID), string(b.Instance.ID))
	})
	return list, nil
}

func (s *Service) nameGroup(ctx context.Context, id string) (string, error) {
	if s.groupName == nil {
		return id, nil
	}
	name, err := s.groupName(ctx, id)
	if err != nil {
		return "", fmt.Errorf("naming resource group %s: %w", id, err)
	}
	return name, nil
}

// showsMetrics reports whether an instance has metrics now, and the caller may read them from where
// it asks.
func (s *Service) showsMetrics(ctx context.Context, who iam.Caller, in Instance, from source) (bool, error) {
	policies, err := s.policiesOf(ctx, in.ID, from)
	if err != nil {
		return false, unreadable(err, from)
	}
	if policies.of(InstanceMetrics) == nil || !policies.admit(who) {
		return false, nil
	}
	err = s.door.Decide.Allow(ctx, who, ActionMetrics, iam.Object{
		Account: in.Account, Service: crn.KeyProtect, Instance: string(in.ID), Region: in.Region, ResourceGroup: in.ResourceGroup,
	})
	if fault.KindOf(err) == fault.Forbidden {
		return false, nil
	}
	return err == nil, err
}
