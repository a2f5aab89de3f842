package kms

import (
	"context"
	"errors"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
)

// MaxBatch is how many items a batch has at most.
const MaxBatch = 1000

// WrapItem is one plaintext of a batch. An empty one asks for a fresh data key.
type WrapItem struct {
	Plaintext custody.Secret
	AAD       []string
	Unread    error // why the plaintext could not be read: what comes of the item; nil if it could
}

// UnwrapItem is one wrapped data key of a batch.
type UnwrapItem struct {
	Ciphertext string
	AAD        []string
}

// Outcome is what came of one item of a batch: a result, or why there is none.
type Outcome[T any] struct {
	Result T
	Err    error
}

// WrapBatch does what Wrap does for up to MaxBatch items, with an outcome and an event for each, in
// their order. The events are durable, all at once, before it returns. It fails as a whole when the
// key cannot be used at all; the caller wipes what was drawn.
func (s *Service) WrapBatch(ctx context.Context, who iam.Caller, ref Ref, items []WrapItem) ([]Outcome[Wrapped], error) {
	out, err := runBatch(ctx, s, who, ref, ActionWrap, items, func(item WrapItem, log iam.Recorder) (Wrapped, error) {
		return s.wrap(ctx, who, ref, wrapping{plaintext: item.Plaintext, aad: item.AAD, unread: item.Unread, log: log})
	})
	if err != nil {
		for _, o := range out {
			o.Result.Drawn.Wipe()
		}
		return nil, err
	}
	return out, nil
}

// UnwrapBatch is WrapBatch for Unwrap. The caller wipes the plaintexts.
func (s *Service) UnwrapBatch(ctx context.Context, who iam.Caller, ref Ref, items []UnwrapItem) ([]Outcome[Unwrapped], error) {
	out, err := runBatch(ctx, s, who, ref, ActionUnwrap, items, func(item UnwrapItem, log iam.Recorder) (Unwrapped, error) {
		return s.unwrap(ctx, who, ref, unwrapping{ciphertext: item.Ciphertext, aad: item.AAD, log: log})
	})
	if err != nil {
		for _, o := range out {
			o.Result.Plaintext.Wipe()
		}
		return nil, err
	}
	return out, nil
}

// RewrapBatch is WrapBatch for Rewrap.
func (s *Service) RewrapBatch(ctx context.Context, who iam.Caller, ref Ref, items []UnwrapItem) ([]Outcome[Rewrapped], error) {
	out, err := runBatch(ctx, s, who, ref, ActionRewrap, items, func(item UnwrapItem, log iam.Recorder) (Rewrapped, error) {
		return s.rewrap(ctx, who, ref, unwrapping{ciphertext: item.Ciphertext, aad: item.AAD, log: log})
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// TransferBatch is WrapBatch for Transfer, with two events for each item that reaches its other key.
// It fails as a whole when the key that the items come from cannot be used at all; what is wrong with
// a key that one of them goes to is the outcome of that one.
func (s *Service) TransferBatch(ctx context.Context, who iam.Caller, ref Ref, items []Transfer) ([]Outcome[Transferred], error) {
	out, err := runBatch(ctx, s, who, ref, ActionUnwrap, items, func(item Transfer, log iam.Recorder) (Transferred, error) {
		return s.transfer(ctx, who, ref, item, log)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// runBatch does one thing to each item. It returns what there is also with an error, to be wiped.
func runBatch[In, Out any](ctx context.Context, s *Service, who iam.Caller, ref Ref, action iam.Action,
	items []In, do func(In, iam.Recorder) (Out, error),
) ([]Outcome[Out], error) {
	if len(items) == 0 || len(items) > MaxBatch {
		return nil, s.Refuse(ctx, who, action, ref, ErrField.On("resources", "a list of 1 to 1000 items"))
	}
	var (
		events = gathered{log: s.door.Log}
		out    = make([]Outcome[Out], 0, len(items))
		whole  error
		usable bool // whether the key could be used for an item
		held   = s.hub.Held()
		pass   = s.hub.Enter()
	)
	for _, item := range items {
		result, err := do(item, &events)
		out = append(out, Outcome[Out]{Result: result, Err: err})
		usable = usable || err == nil || errors.Is(err, ErrUnreadable) || isElsewhere(err)
		if !usable && !ofItem(err) || ctx.Err() != nil {
			whole = errors.Join(err, ctx.Err())
			break
		}
	}
	if err := events.flush(ctx); err != nil {
		return out, errors.Join(iam.ErrUnrecordable, err)
	}
	if held && !pass.Good() { // the first outcomes may rest on what does not count any more
		return out, ErrUnavailable
	}
	return out, whole
}

// ofItem tells a failure of one item from one that all others will have too.
func ofItem(err error) bool {
	return errors.Is(err, ErrField) || errors.Is(err, ErrUnreadable) || isElsewhere(err)
}

// gathered is a recorder that keeps events back, so that those of a batch are written at once.
type gathered struct {
	log    iam.Recorder
	events []*audit.Event
}

// Append implements iam.Recorder: the events are durable after flush.
func (g *gathered) Append(_ context.Context, events ...*audit.Event) error {
	g.events = append(g.events, events...)
	return nil
}

// Healthy implements iam.Recorder.
func (g *gathered) Healthy() error { return g.log.Healthy() }

func (g *gathered) flush(ctx context.Context) error {
	if len(g.events) == 0 {
		return nil
	}
	return g.log.Append(context.WithoutCancel(ctx), g.events...)
}
