package kms

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"strongroom/custody"
)

// loadedKeys holds the handles of keys that are loaded in the crypto module, a bounded number of
// them, and unloads what leaves. A handle is no permission: whether a key may be used is decided
// from its record, for each request.
type loadedKeys struct {
	module custody.Module
	max    int

	mu      sync.RWMutex
	handles map[keyRef]map[VersionID]*loadedKey // guarded by mu
	count   int                                 // guarded by mu: of all handles
	drops   uint64                              // guarded by mu: grows with each drop
}

type loadedKey struct {
	handle custody.Handle
	used   atomic.Bool // since the last look of evictLocked
}

// loader loads one key into the module.
type loader func(ctx context.Context) (custody.Handle, error)

func newLoadedKeys(m custody.Module, limit int) *loadedKeys {
	return &loadedKeys{module: m, max: limit, handles: make(map[keyRef]map[VersionID]*loadedKey)}
}

// with calls do with the handle of a key version, which load loads if necessary. A handle that is
// unloaded under a running request is replaced once, without the request noticing.
func (l *loadedKeys) with(ctx context.Context, ref keyRef, v VersionID, load loader, do func(custody.Handle) error) error {
	err := l.once(ctx, ref, v, load, do)
	if errors.Is(err, custody.ErrUnloaded) {
		err = l.once(ctx, ref, v, load, do)
	}
	return err
}

func (l *loadedKeys) once(ctx context.Context, ref keyRef, v VersionID, load loader, do func(custody.Handle) error) error {
	l.mu.RLock()
	k, drops := l.handles[ref][v], l.drops
	l.mu.RUnlock()
	if k != nil {
		k.used.Store(true)
		err := do(k.handle)
		if errors.Is(err, custody.ErrUnloaded) {
			l.forget(ref, v, k)
		}
		return err
	}
	h, err := load(ctx)
	if err != nil {
		return err
	}
	use, kept := l.keep(ref, v, h, drops)
	if !kept {
		defer l.module.Unload(h)
	}
	return do(use)
}

// keep adds the handle of a key that was just loaded, and returns the one to use. It is not kept
// when somebody else has loaded the key meanwhile, and when keys were dropped since the loading
// began, of which it may be one.
func (l *loadedKeys) keep(ref keyRef, v VersionID, h custody.Handle, drops uint64) (use custody.Handle, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if k := l.handles[ref][v]; k != nil {
		return k.handle, false
	}
	if l.drops != drops {
		return h, false
	}
	if l.count >= l.max {
		l.evictLocked()
	}
	if l.handles[ref] == nil {
		l.handles[ref] = make(map[VersionID]*loadedKey)
	}
	k := &loadedKey{handle: h}
	k.used.Store(true)
	l.handles[ref][v] = k
	l.count++
	return h, true
}

// evictLocked unloads one key that was not used since the last look, or any one if all were. The
// order of a map is random, which is what a bounded cache under an adversary wants.
func (l *loadedKeys) evictLocked() {
	const looks = 16
	seen := 0
	for ref, versions := range l.handles {
		for v, k := range versions {
			seen++
			if !k.used.Swap(false) || seen >= looks {
				l.removeLocked(ref, v)
				return
			}
		}
	}
	for ref, versions := range l.handles { // fewer than looks, and all of them used
		for v := range versions {
			l.removeLocked(ref, v)
			return
		}
	}
}

func (l *loadedKeys) removeLocked(ref keyRef, v VersionID) {
	l.module.Unload(l.handles[ref][v].handle)
	delete(l.handles[ref], v)
	if len(l.handles[ref]) == 0 {
		delete(l.handles, ref)
	}
	l.count--
}

// forget removes a handle that the module does not know any more.
func (l *loadedKeys) forget(ref keyRef, v VersionID, k *loadedKey) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.handles[ref][v] == k {
		l.removeLocked(ref, v)
	}
}

// drop unloads all versions of a key.
func (l *loadedKeys) drop(ref keyRef) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drops++
	for v := range l.handles[ref] {
		l.removeLocked(ref, v)
	}
}

// dropInstance unloads the key of an instance and all keys in it.
func (l *loadedKeys) dropInstance(in InstanceID) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drops++
	for ref, versions := range l.handles {
		if ref.instance != in {
			continue
		}
		for v := range versions {
			l.removeLocked(ref, v)
		}
	}
}

// dropAll unloads all keys.
func (l *loadedKeys) dropAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drops++
	for ref, versions := range l.handles {
		for v := range versions {
			l.removeLocked(ref, v)
		}
	}
}
