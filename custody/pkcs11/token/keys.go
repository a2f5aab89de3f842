//go:build cgo && pkcs11

package token

import (
	"fmt"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
)

// CMAC replaces each of two blocks by its CMAC under a key, the seal master if wrapped is empty.
func (t *Token) CMAC(generation uint32, wrapped []byte, blocks *[2 * blockSize]byte) error {
	return t.use(func(l *link, s session) error {
		if len(wrapped) == 0 {
			m, err := l.mastersOf(s, generation)
			if err != nil {
				return err
			}
			return l.twoCMACs(s, m.seal, blocks)
		}
		k, err := l.key(s, generation, wrapped)
		if err != nil {
			return err
		}
		err = l.twoCMACs(s, k.object, blocks)
		l.destroy(s, l.keys.release(k)...)
		return err
	})
}

// Load tries whether a key unwraps, and keeps it at hand.
func (t *Token) Load(generation uint32, wrapped []byte) error {
	return t.use(func(l *link, s session) error { return l.load(s, generation, wrapped) })
}

// Forget destroys the session object of a key, if there is one.
func (t *Token) Forget(generation uint32, wrapped []byte) error {
	if len(wrapped) > maxWrapped {
		return nil
	}
	return t.use(func(l *link, s session) error {
		l.destroy(s, l.keys.forget(nameOf(generation, wrapped))...)
		return nil
	})
}

// Make draws a key.
func (t *Token) Make(generation uint32, size int) (w custody.Wrapped, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, generation)
		if err != nil {
			return err
		}
		key, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, size)))
		if err != nil {
			return err
		}
		defer l.destroy(s, key)
		w, err = l.keep(s, m, generation, key)
		return err
	})
	return w, err
}

// Import takes in a key.
func (t *Token) Import(generation uint32, material []byte) (w custody.Wrapped, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, generation)
		if err != nil {
			return err
		}
		w, err = l.take(s, m, generation, material)
		return err
	})
	return w, err
}

// Rewrap wraps a key anew.
func (t *Token) Rewrap(from uint32, wrapped []byte, to uint32) (w custody.Wrapped, err error) {
	err = t.use(func(l *link, s session) error {
		m, err := l.mastersOf(s, to)
		if err != nil {
			return err
		}
		key, err := l.pass(s, from, wrapped)
		if err != nil {
			return err
		}
		defer l.destroy(s, key)
		w, err = l.keep(s, m, to, key)
		return err
	})
	return w, err
}

// key returns a key for use; the caller releases it.
func (l *link) key(s session, generation uint32, wrapped []byte) (*cached, error) {
	if !validWrapped(wrapped) {
		return nil, fmt.Errorf("%w: %d bytes of wrapped key", custody.ErrUnreadable, len(wrapped))
	}
	n := nameOf(generation, wrapped)
	if k := l.keys.take(n); k != nil {
		return k, nil
	}
	m, err := l.mastersOf(s, generation)
	if err != nil {
		return nil, err
	}
	o, err := l.unwrap(s, m.wrap, keyWrap, wrapped, working())
	if isCode(err, pkcs11.CKR_DEVICE_MEMORY, pkcs11.CKR_HOST_MEMORY) {
		// The token holds fewer session objects than it was believed to.
		l.destroy(s, l.keys.shrink()...)
		o, err = l.unwrap(s, m.wrap, keyWrap, wrapped, working())
	}
	if err != nil {
		return nil, err
	}
	k, left := l.keys.add(n, o)
	l.destroy(s, left...)
	return k, nil
}

func (l *link) load(s session, generation uint32, wrapped []byte) error {
	k, err := l.key(s, generation, wrapped)
	if err != nil {
		return err
	}
	l.destroy(s, l.keys.release(k)...)
	return nil
}

// pass returns a key as an object that can be wrapped. The caller destroys it.
func (l *link) pass(s session, generation uint32, wrapped []byte) (object, error) {
	if !validWrapped(wrapped) {
		return 0, fmt.Errorf("%w: %d bytes of wrapped key", custody.ErrUnreadable, len(wrapped))
	}
	m, err := l.mastersOf(s, generation)
	if err != nil {
		return 0, err
	}
	return l.unwrap(s, m.wrap, keyWrap, wrapped, passing())
}

// take wraps material that came from outside.
func (l *link) take(s session, m masters, generation uint32, material []byte) (custody.Wrapped, error) {
	if !validWrapped(make([]byte, len(material)+wrapOverhead)) {
		return custody.Wrapped{}, fmt.Errorf("%w: key of %d bytes", custody.ErrBinding, len(material))
	}
	key, err := l.create(s, append(passing(), attr(pkcs11.CKA_VALUE, material)))
	if err != nil {
		return custody.Wrapped{}, err
	}
	defer l.destroy(s, key)
	return l.keep(s, m, generation, key)
}

// keep wraps a key under masters, and tries at once whether it unwraps: nothing may be protected by
// a key that is lost already.
func (l *link) keep(s session, m masters, generation uint32, key object) (w custody.Wrapped, err error) {
	if w.Master, err = l.wrap(s, m.wrap, keyWrap, key); err != nil {
		return custody.Wrapped{}, err
	}
	if m.set != "" {
		if w.Recovery, err = l.wrap(s, m.recovery, keyWrap, key); err != nil {
			return custody.Wrapped{}, err
		}
	}
	if err := l.load(s, generation, w.Master); err != nil {
		return custody.Wrapped{}, fmt.Errorf("unwrapping what was wrapped: %w", err)
	}
	return w, nil
}

func (l *link) generate(s session, template []attribute) (object, error) {
	o, err := l.GenerateKey(s, mechanism(pkcs11.CKM_AES_KEY_GEN), template)
	return o, fail("C_GenerateKey", err)
}

func (l *link) create(s session, template []attribute) (object, error) {
	o, err := l.CreateObject(s, template)
	return o, fail("C_CreateObject", err)
}

// unwrap returns the object, or ErrUnreadable when by does not unwrap it. A token that does not say
// so in clear words is tried: if it unwraps something else, it was the key.
func (l *link) unwrap(s session, by object, m uint, wrapped []byte, template []attribute) (object, error) {
	o, err := l.UnwrapKey(s, mechanism(m), by, wrapped, template)
	err = fail("C_UnwrapKey", err)
	switch {
	case err == nil:
		return o, nil
	case badWrapping(err), ambiguous(err) && l.unwraps(s, by):
		return 0, fmt.Errorf("%w: %v", custody.ErrUnreadable, err) // the code says no more than that
	}
	return 0, err
}

// unwraps reports whether a wrap master or transfer key works, by wrapping and unwrapping a new key.
func (l *link) unwraps(s session, by object) bool {
	probe, err := l.generate(s, append(passing(), attr(pkcs11.CKA_VALUE_LEN, 32)))
	if err != nil {
		return false
	}
	defer l.destroy(s, probe)
	wrapped, err := l.wrap(s, by, keyWrap, probe)
	if err != nil {
		return false
	}
	again, err := l.UnwrapKey(s, mechanism(keyWrap), by, wrapped, working())
	if err != nil {
		return false
	}
	l.destroy(s, again)
	return true
}

// validWrapped reports whether the size is that of a wrapped AES key.
func validWrapped(wrapped []byte) bool {
	switch len(wrapped) - wrapOverhead {
	case 16, 24, 32:
		return true
	}
	return false
}
