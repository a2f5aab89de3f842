package kms

import (
	"context"
	"fmt"

	"strongroom/fault"
	"strongroom/iam"
)

// ListRequest says which keys to list.
type ListRequest struct {
	States        []State // those that match
	Extractable   *bool   // only standard keys, or only root keys; nil means both
	Dates         []DateTerm
	Search        *Search // nil means all names
	Sort          []Order // empty means by ID
	Limit, Offset int
	Total         bool // whether all matches are to be counted
}

// List returns the keys of an instance, or of a ring of it, that the caller may see, and if asked
// how many there are without limit and offset. A ring that does not exist is empty.
func (s *Service) List(ctx context.Context, who iam.Caller, ref Ref, req ListRequest) (keys []Key, total int, err error) {
	err = s.view(ctx, who, ref, ActionList, req, func(v *visit, q Query) (err error) {
		if keys, err = s.store.ListKeys(ctx, q); err != nil {
			return fmt.Errorf("listing keys of instance %s: %w", q.Instance, err)
		}
		v.tellTotal(ref.Ring, len(keys))
		if req.Total {
			total, err = s.store.CountKeys(ctx, q)
		}
		return err
	})
	if err != nil {
		return nil, 0, err
	}
	return keys, total, nil
}

// Count returns how many keys List would find without limit and offset.
func (s *Service) Count(ctx context.Context, who iam.Caller, ref Ref, req ListRequest) (total int, err error) {
	err = s.view(ctx, who, ref, ActionHead, req, func(v *visit, q Query) (err error) {
		total, err = s.store.CountKeys(ctx, q)
		v.tellTotal(ref.Ring, total)
		return err
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// view takes a question about the keys that the caller may see through the door.
func (s *Service) view(ctx context.Context, who iam.Caller, ref Ref, action iam.Action, req ListRequest,
	do func(*visit, Query) error,
) error {
	return s.viewScope(ctx, who, ref, action, func(v *visit, scope iam.Scope) error {
		first, err := s.named(ctx, ref.Instance, req.Search)
		if err != nil {
			return err
		}
		return do(v, Query{
			Instance: v.instance.ID, Scope: scope, Ring: ref.Ring, States: req.States,
			Extractable: req.Extractable, Dates: req.Dates, Search: req.Search, First: first,
			Now: v.now, Sort: req.Sort, Limit: req.Limit, Offset: req.Offset,
		})
	})
}

// named returns the key whose ID or alias a search names in full: it is what was looked for more
// than anything else.
func (s *Service) named(ctx context.Context, in InstanceID, search *Search) (KeyID, error) {
	if search == nil || search.Not || !isID(search.Text) && !search.Aliases {
		return "", nil
	}
	id, err := s.resolve(ctx, in, search.Text, authoritative)
	if fault.KindOf(err) == fault.NotFound {
		return "", nil
	}
	return id, err
}

// viewScope takes a question about what the caller may see of an instance through the door.
func (s *Service) viewScope(ctx context.Context, who iam.Caller, ref Ref, action iam.Action,
	do func(*visit, iam.Scope) error,
) error {
	return s.steady(func(source) error {
		v := s.approachInstance(ctx, who, ref, action)
		v.object.Type = "key"
		see := &viewing{viewer: s.viewer}
		return s.doorFor(v, see).Read(ctx, who, action, v.object, v.event, func() error {
			return do(v, see.scope)
		})
	})
}
