package kms

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/fault"
)

// ReadyTransportKey is a transport key that was made ahead, and belongs to nobody yet.
type ReadyTransportKey struct {
	ID   string
	Made time.Time
	custody.TransportKey
}

// TransportStore keeps transport keys that are ready. Those of other masters than the newest do not
// count: an import token with one of them would keep those masters from being retired.
type TransportStore interface {
	// AddTransportKey keeps a key.
	AddTransportKey(ctx context.Context, k ReadyTransportKey) error
	// TakeTransportKey removes a key that the masters of a generation keep, and returns it: nobody
	// gets it again, also after a crash. Without one it fails with kind NotFound.
	TakeTransportKey(ctx context.Context, generation uint32) (ReadyTransportKey, error)
	// CountTransportKeys returns how many keys the masters of a generation keep.
	CountTransportKeys(ctx context.Context, generation uint32) (int, error)
}

// transportPool has transport keys ready, which take seconds to make. They are in the store, so that
// a start finds them. One is made at a time, whoever waits for it; drawing an RSA pair cannot be
// stopped, and so nobody has to wait: a key whose requester is gone serves the next.
type transportPool struct {
	module custody.Transport // nil if the module cannot receive keys
	info   func() custody.Info
	store  TransportStore
	size   int // how many are kept ready
	now    func() time.Time

	mu     sync.Mutex
	making *making // guarded by mu; nil if none is made
}

// making is a key that is being made.
type making struct {
	done chan struct{} // closed when the key is in the store or err is set
	err  error
}

func newTransportPool(c *Config) *transportPool {
	module, _ := c.Module.(custody.Transport)
	return &transportPool{module: module, info: c.Module.Info, store: c.Store, size: c.TransportKeys, now: c.Now}
}

// take returns a key that nobody else gets: one that is ready, else one that is made now.
func (p *transportPool) take(ctx context.Context) (custody.TransportKey, error) {
	if p.module == nil {
		return custody.TransportKey{}, ErrNoTransport
	}
	for {
		underWay := p.underWay() // before the store is read, so that its key is not missed there
		k, err := p.store.TakeTransportKey(ctx, p.info().Generation)
		switch {
		case err == nil:
			return k.TransportKey, nil
		case fault.KindOf(err) != fault.NotFound:
			return custody.TransportKey{}, fmt.Errorf("taking a transport key: %w", err)
		}
		if underWay == nil {
			underWay = p.begin(ctx)
		}
		if err := p.await(ctx, underWay); err != nil {
			return custody.TransportKey{}, err
		}
	}
}

// underWay returns the key that is being made, or nil.
func (p *transportPool) underWay() *making {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.making
}

// begin begins to make a key, unless one is being made.
func (p *transportPool) begin(ctx context.Context) *making {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.making == nil {
		p.making = &making{done: make(chan struct{})}
		go p.finish(context.WithoutCancel(ctx), p.making)
	}
	return p.making
}

// finish makes a key and puts it with those that are ready.
func (p *transportPool) finish(ctx context.Context, m *making) {
	err := p.add(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	m.err, p.making = err, nil
	close(m.done)
}

func (p *transportPool) add(ctx context.Context) error {
	k, err := p.module.MakeTransport(ctx)
	if err != nil {
		return err
	}
	err = p.store.AddTransportKey(ctx, ReadyTransportKey{
		ID: uuid.NewString(), Made: p.now(), TransportKey: k,
	})
	if err != nil {
		return fmt.Errorf("keeping a transport key: %w", err)
	}
	return nil
}

func (p *transportPool) await(ctx context.Context, m *making) error {
	select {
	case <-m.done:
		return m.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// fill makes one key if fewer are ready than should be and none is being made.
func (p *transportPool) fill(ctx context.Context) error {
	if p.module == nil || p.underWay() != nil {
		return nil
	}
	n, err := p.store.CountTransportKeys(ctx, p.info().Generation)
	if err != nil {
		return fmt.Errorf("counting transport keys: %w", err)
	}
	if n >= p.size {
		return nil
	}
	return p.await(ctx, p.begin(ctx))
}

// PrepareTransport makes a transport key ahead of the import token that will need it, if too few are
// ready. Run regularly it keeps CreateImportToken quick.
func (s *Service) PrepareTransport(ctx context.Context) error { return s.transport.fill(ctx) }
