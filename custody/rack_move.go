package custody

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// Move returns the form in which a key is stored under another generation: wrapped by the masters of
// that generation, and otherwise bound as before. Within a module it is Rewrap; from one module to
// another the key goes through a transfer, which stays open for the next one until EndTransfers.
//
// s is how the key is stored under fromParent and b. fromParent and toParent are Root, or one key of
// the same material: the parent as it is loaded in the module that holds the generation of b, and in
// the one that holds the other. Failures are those of Load, and of a module that cannot be reached.
func (r *Rack) Move(ctx context.Context, fromParent Handle, b Binding, s Sealed, toParent Handle, generation uint32) (Sealed, error) {
	moved, err := r.move(ctx, fromParent, b, s, toParent, generation)
	if err != nil {
		return nil, fmt.Errorf("moving a key from generation %d to %d: %w", b.Generation, generation, err)
	}
	return moved, nil
}

func (r *Rack) move(ctx context.Context, fromParent Handle, b Binding, s Sealed, toParent Handle, generation uint32) (Sealed, error) {
	now := r.racked.Load()
	_, from, err := now.keeper(fromParent, b.Generation)
	if err != nil {
		return nil, unreadable(err)
	}
	_, to, err := now.keeper(toParent, generation)
	if err != nil {
		return nil, err
	}
	if from == to {
		return r.Rewrap(ctx, fromParent, b, s, generation)
	}
	t, err := r.transfers.open(ctx, now, from, to)
	if err != nil {
		return nil, err
	}
	moved, err := t.move(ctx, inModule(fromParent), b, s, inModule(toParent), generation)
	if err != nil && !aboutKey(err) {
		r.transfers.drop(t)
	}
	return moved, err
}

// aboutKey reports whether a move failed for this one key, and not for its transfer.
func aboutKey(err error) bool {
	return errors.Is(err, ErrUnreadable) || errors.Is(err, ErrBinding) || errors.Is(err, ErrUnloaded) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// EndTransfers closes the transfers that Move has opened, and forgets their keys. The next Move
// opens another.
func (r *Rack) EndTransfers() error { return r.transfers.end() }

// transfers are those that a rack has open, one from each module to each other.
type transfers struct {
	mu     sync.Mutex // held while a transfer is opened
	opened map[route]*transfer
}

// route says between which slots of a rack keys go.
type route struct{ from, to int }

// transfer is an open transfer.
type transfer struct {
	export Export
	intake Intake
}

// open returns the transfer of a route.
func (ts *transfers) open(ctx context.Context, now *racked, from, to int) (*transfer, error) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	if t := ts.opened[route{from, to}]; t != nil {
		return t, nil
	}
	t, err := newTransfer(ctx, now.modules[from], now.modules[to])
	if err != nil {
		return nil, err
	}
	if ts.opened == nil {
		ts.opened = map[route]*transfer{}
	}
	ts.opened[route{from, to}] = t
	return t, nil
}

// drop ends a transfer that failed, unless somebody else has.
func (ts *transfers) drop(t *transfer) {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	for route, opened := range ts.opened {
		if opened == t {
			delete(ts.opened, route)
			_ = t.close() // it has failed already, which is what the caller is told
		}
	}
}

// end closes all.
func (ts *transfers) end() error {
	ts.mu.Lock()
	defer ts.mu.Unlock()
	var errs []error
	for _, t := range ts.opened {
		errs = append(errs, t.close())
	}
	clear(ts.opened)
	return errors.Join(errs...)
}

// newTransfer opens a transfer from one module to another.
func newTransfer(ctx context.Context, from, to Module) (*transfer, error) {
	source, ok := from.(Source)
	if !ok {
		return nil, fmt.Errorf("crypto module %q hands no keys on: %w", from.Info().Name, errors.ErrUnsupported)
	}
	destination, ok := to.(Destination)
	if !ok {
		return nil, fmt.Errorf("crypto module %q takes no keys in: %w", to.Info().Name, errors.ErrUnsupported)
	}
	intake, err := destination.Accept(ctx)
	if err != nil {
		return nil, fmt.Errorf("beginning a transfer to crypto module %q: %w", to.Info().Name, err)
	}
	export, err := source.Export(ctx, intake.Public())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("beginning a transfer from crypto module %q: %w", from.Info().Name, err), intake.Close())
	}
	t := &transfer{export, intake}
	if err := intake.Open(ctx, export.Key()); err != nil {
		return nil, errors.Join(fmt.Errorf("opening a transfer to crypto module %q: %w", to.Info().Name, err), t.close())
	}
	return t, nil
}

// move carries one key.
func (t *transfer) move(ctx context.Context, fromParent Handle, b Binding, s Sealed, toParent Handle, generation uint32) (Sealed, error) {
	wrapped, err := t.export.Wrap(ctx, fromParent, b, s)
	if err != nil {
		return nil, err
	}
	b.Generation = generation
	return t.intake.Store(ctx, toParent, b, wrapped)
}

func (t *transfer) close() error { return errors.Join(t.export.Close(), t.intake.Close()) }
