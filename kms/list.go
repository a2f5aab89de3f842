package kms

import (
	"context"
	"fmt"

	"strongroom/iam"
)

// ListRequest says which keys to list.
type ListRequest struct {
	States        []State // those that match
	Extractable   *bool   // only standard keys, or only root keys; nil means both
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
		v.event.ResponseData = map[string]any{"totalResources": len(keys)}
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
		v.event.ResponseData = map[string]any{"totalResources": total}
		return err
	})
	if err != nil {
		return 0, err
	}
	return total, nil
}

// view takes an operation on what the caller may see through the door.
func (s *Service) view(ctx context.Context, who iam.Caller, ref Ref, action iam.Action, req ListRequest,
	do func(*visit, Query) error,
) error {
	return s.steady(func(source) error {
		v := s.approachInstance(ctx, who, ref, action)
		v.object.Type = "key"
		see := &viewing{viewer: s.viewer}
		return s.doorFor(v, see).Read(ctx, who, action, v.object, v.event, func() error {
			return do(v, Query{
				Instance: v.instance.ID, Scope: see.scope, Ring: ref.Ring, States: req.States,
				Extractable: req.Extractable, Now: v.now, Sort: req.Sort, Limit: req.Limit, Offset: req.Offset,
			})
		})
	})
}
