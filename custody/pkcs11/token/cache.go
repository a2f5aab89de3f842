//go:build cgo && pkcs11

package token

import (
	"container/list"
	"sync"

	"github.com/miekg/pkcs11"
)

// name is what a key is found by: its generation and wrapped form.
type name struct {
	generation uint32
	size       uint8
	wrapped    [maxWrapped]byte
}

func nameOf(generation uint32, wrapped []byte) (n name) {
	n.generation, n.size = generation, uint8(len(wrapped))
	copy(n.wrapped[:], wrapped)
	return n
}

// cache holds the keys that are unwrapped in the token, up to a limit: the one that was used longest
// ago goes first. What leaves it is returned, for the caller to destroy with a session of its own; a
// key in use is returned to its last user.
type cache struct {
	limit int

	mu   sync.Mutex
	keys map[name]*cached
	used list.List // of *cached, the latest first
}

type cached struct {
	name   name
	object pkcs11.ObjectHandle
	place  *list.Element // nil once it left the cache
	users  int
}

func newCache(limit int) *cache { return &cache{limit: limit, keys: map[name]*cached{}} }

// take returns a key for use, nil if it is not there. The caller releases it.
func (c *cache) take(n name) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	k := c.keys[n]
	if k != nil {
		k.users++
		c.used.MoveToFront(k.place)
	}
	return k
}

// add puts a key in and returns it for use. When somebody else was first, it is theirs that is
// returned, and the object is among those that left.
func (c *cache) add(n name, object pkcs11.ObjectHandle) (k *cached, left []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k = c.keys[n]
	if k != nil {
		left = append(left, object)
	} else {
		k = &cached{name: n, object: object}
		k.place = c.used.PushFront(k)
		c.keys[n] = k
	}
	k.users++
	for c.used.Len() > c.limit {
		left = c.drop(c.used.Back().Value.(*cached), left)
	}
	return k, left
}

// release ends a use.
func (c *cache) release(k *cached) (left []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	k.users--
	if k.users == 0 && k.place == nil {
		left = append(left, k.object)
	}
	return left
}

// forget takes a key out, if it is in.
func (c *cache) forget(n name) (left []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if k := c.keys[n]; k != nil {
		left = c.drop(k, left)
	}
	return left
}

// shrink takes half of the keys out, for a token that has no room.
func (c *cache) shrink() (left []pkcs11.ObjectHandle) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n := (c.used.Len() + 1) / 2; n > 0; n-- {
		left = c.drop(c.used.Back().Value.(*cached), left)
	}
	return left
}

// drop takes a key out and appends its object to left, unless somebody uses it still; mu is held.
func (c *cache) drop(k *cached, left []pkcs11.ObjectHandle) []pkcs11.ObjectHandle {
	c.used.Remove(k.place)
	k.place = nil
	delete(c.keys, k.name)
	if k.users == 0 {
		left = append(left, k.object)
	}
	return left
}
