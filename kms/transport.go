package kms

import (
	"context"
	"fmt"
	"sync"

	"strongroom/custody"
)

// transportPool has transport keys ready, which take seconds to make and belong to nobody before
// they are taken. One is made at a time, whoever waits for it; drawing an RSA pair cannot be
// stopped, and so nobody has to wait: a key whose requester is gone serves the next.
type transportPool struct {
	module custody.Transport // nil if the module cannot receive keys
	size   int               // how many are kept ready

	mu     sync.Mutex
	ready  []custody.TransportKey // guarded by mu
	making *making                // guarded by mu; nil if none is made
}

// making is a key that is being made.
type making struct {
	done chan struct{} // closed when the key is ready or err is set
	err  error
}

func newTransportPool(m custody.Module, size int) *transportPool {
	module, _ := m.(custody.Transport)
	return &transportPool{module: module, size: size}
}

// take returns a key that nobody else gets: one that is ready, else one that is made now.
func (p *transportPool) take(ctx context.Context) (custody.TransportKey, error) {
	if p.module == nil {
		return custody.TransportKey{}, ErrNoTransport
	}
	for {
		if k, ok := p.pop(); ok {
			return k, nil
		}
		if err := p.await(ctx, p.make(ctx)); err != nil {
			return custody.TransportKey{}, err
		}
	}
}

func (p *transportPool) pop() (custody.TransportKey, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	last := len(p.ready) - 1
	if last < 0 {
		return custody.TransportKey{}, false
	}
	k := p.ready[last]
	p.ready = p.ready[:last]
	return k, true
}

// make begins to make a key, unless one is being made.
func (p *transportPool) make(ctx context.Context) *making {
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
	k, err := p.module.MakeTransport(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		m.err = fmt.Errorf("making a transport key: %w", err)
	} else {
		p.ready = append(p.ready, k)
	}
	p.making = nil
	close(m.done)
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
	p.mu.Lock()
	enough := len(p.ready) >= p.size || p.making != nil
	p.mu.Unlock()
	if enough || p.module == nil {
		return nil
	}
	return p.await(ctx, p.make(ctx))
}

// PrepareTransport makes a transport key ahead of the import token that will need it, if too few are
// ready. Run regularly it keeps CreateImportToken quick.
func (s *Service) PrepareTransport(ctx context.Context) error { return s.transport.fill(ctx) }
