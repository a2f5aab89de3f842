package lease

import (
	"context"
	"sync"
)

// Cache remembers what was read, for as long as the lease allows it. It holds
// a bounded number of values; when full it forgets any one of them. Absence and
// errors are never remembered.
type Cache[K comparable, V any] struct {
	hub *Hub
	max int

	mu      sync.RWMutex
	values  map[K]V
	loading map[K]*load // reads under way, so that a change can mark them outdated
	held    map[K]int   // records about to change, by how many commits: neither served nor kept
	forget  func(V)     // told of each value that leaves; may be nil
}

// load is one read under way. It is outdated when the record changed after the
// read began: its result may still answer those who asked, as they asked before
// the change was acknowledged, but must not be kept.
type load struct{ outdated bool }

// NewCache returns a cache of at most limit values. If forget is not nil it is
// told of every value that leaves the cache, for values that hold resources.
func NewCache[K comparable, V any](hub *Hub, limit int, forget func(V)) *Cache[K, V] {
	c := &Cache[K, V]{
		hub: hub, max: limit, forget: forget,
		values: make(map[K]V), loading: make(map[K]*load), held: make(map[K]int),
	}
	hub.OnDrop(c.Clear)
	return c
}

// Get returns the value under key, from memory if the lease is held, else from
// read. Concurrent reads of one key are not merged: each asks for itself.
func (c *Cache[K, V]) Get(ctx context.Context, key K, read func(context.Context) (V, error)) (V, error) {
	if c.hub.Held() {
		c.mu.RLock()
		v, ok := c.values[key]
		c.mu.RUnlock()
		if ok {
			return v, nil
		}
	}
	l := c.begin(key)
	v, err := read(ctx)
	c.end(key, l, v, err == nil)
	return v, err
}

// Peek returns the value under key if it is in memory and the lease is held. It reads nothing.
func (c *Cache[K, V]) Peek(key K) (v V, ok bool) {
	if !c.hub.Held() {
		return v, false
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	v, ok = c.values[key]
	return v, ok
}

// begin announces a read. A later reader shares the announcement of an earlier
// one: a change outdates them all.
func (c *Cache[K, V]) begin(key K) *load {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held[key] > 0 {
		return &load{outdated: true}
	}
	l := c.loading[key]
	if l == nil {
		l = &load{}
		c.loading[key] = l
	}
	return l
}

func (c *Cache[K, V]) end(key K, l *load, v V, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.loading[key] == l {
		delete(c.loading, key)
	} else {
		ok = false // ended by another reader or by a change: keep nothing
	}
	if !ok || l.outdated || !c.hub.Held() {
		return
	}
	if old, had := c.values[key]; had && c.forget != nil {
		c.forget(old)
	} else if !had && len(c.values) >= c.max {
		c.evictLocked()
	}
	c.values[key] = v
}

// evictLocked forgets any one value; map order is random, which is what a
// bounded cache under an adversary wants.
func (c *Cache[K, V]) evictLocked() {
	for k, v := range c.values {
		delete(c.values, k)
		if c.forget != nil {
			c.forget(v)
		}
		return
	}
}

// Heed takes in a change of the record under key: what is pending is neither
// served from memory nor kept until it is done.
func (c *Cache[K, V]) Heed(key K, ch Change) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(key)
	switch n := c.held[key]; {
	case ch.Pending:
		c.held[key] = n + 1
	case n > 1:
		c.held[key] = n - 1
	default:
		delete(c.held, key)
	}
}

// Drop forgets the value under key and outdates reads of it under way.
func (c *Cache[K, V]) Drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropLocked(key)
}

func (c *Cache[K, V]) dropLocked(key K) {
	if l := c.loading[key]; l != nil {
		l.outdated = true
		delete(c.loading, key)
	}
	if v, ok := c.values[key]; ok {
		delete(c.values, key)
		if c.forget != nil {
			c.forget(v)
		}
	}
}

// Clear forgets everything.
func (c *Cache[K, V]) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, l := range c.loading {
		l.outdated = true
		delete(c.loading, k)
	}
	for k, v := range c.values {
		delete(c.values, k)
		if c.forget != nil {
			c.forget(v)
		}
	}
}

// Len returns the number of values held.
func (c *Cache[K, V]) Len() int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return len(c.values)
}
