package kms

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"strongroom/custody"
)

// transportPool has transport keys ready, which take seconds to make and belong to nobody before
// they are taken.
type transportPool struct {
	module custody.Transport   // nil if the module cannot receive keys
	info   func() custody.Info // of the module
	size   int                 // how many are kept ready

	making chan struct{} // capacity 1: holds a token while a key is made, so that one is made at a time

	mu    sync.Mutex
	ready []custody.TransportKey // guarded by mu
}

func newTransportPool(m custody.Module, size int) *transportPool {
	module, _ := m.(custody.Transport)
	return &transportPool{module: module, info: m.Info, size: size, making: make(chan struct{}, 1)}
}

// take returns a key that nobody else gets: one that is ready, else one that is made now.
func (p *transportPool) take(ctx context.Context) (custody.TransportKey, error) {
	if p.module == nil {
		return custody.TransportKey{}, ErrNoTransport
	}
	if k, ok := p.pop(); ok {
		return k, nil
	}
	select {
	case p.making <- struct{}{}:
		defer func() { <-p.making }()
	case <-ctx.Done():
		return custody.TransportKey{}, ctx.Err()
	}
	if k, ok := p.pop(); ok { // made while this request was waiting
		return k, nil
	}
	return p.make(ctx)
}

func (p *transportPool) pop() (custody.TransportKey, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refreshLocked()
	last := len(p.ready) - 1
	if last < 0 {
		return custody.TransportKey{}, false
	}
	k := p.ready[last]
	p.ready = p.ready[:last]
	return k, true
}

// refreshLocked forgets keys that older masters keep: an import token with one of them would keep
// those masters from being retired.
func (p *transportPool) refreshLocked() {
	newest := p.info().Generation
	p.ready = slices.DeleteFunc(p.ready, func(k custody.TransportKey) bool { return k.Generation != newest })
}

func (p *transportPool) make(ctx context.Context) (custody.TransportKey, error) {
	k, err := p.module.MakeTransport(ctx)
	if err != nil {
		return custody.TransportKey{}, fmt.Errorf("making a transport key: %w", err)
	}
	return k, nil
}

// fill makes one key if fewer are ready than should be.
func (p *transportPool) fill(ctx context.Context) error {
	p.mu.Lock()
	p.refreshLocked()
	enough := len(p.ready) >= p.size
	p.mu.Unlock()
	if enough || p.module == nil {
		return nil
	}
	select {
	case p.making <- struct{}{}:
		defer func() { <-p.making }()
	default:
		return nil // a request is making one
	}
	k, err := p.make(ctx)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ready = append(p.ready, k)
	return nil
}

// PrepareTransport makes a transport key ahead of the import token that will need it, if too few are
// ready. Run regularly it keeps CreateImportToken quick.
func (s *Service) PrepareTransport(ctx context.Context) error { return s.transport.fill(ctx) }
