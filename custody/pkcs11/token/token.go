//go:build cgo && pkcs11

// Package token works with a token through its vendor's PKCS#11 library, which it loads: it is for
// the custody agent alone, and is built with cgo and the tag pkcs11.
//
// Masters are objects of the token: private, sensitive and not extractable, the wrap master for
// wrapping and unwrapping only, the seal master for CMACs only, the recovery key for wrapping only.
// Every other key is a session object. One that is in use cannot be extracted and computes CMACs
// only; the few calls in which a key is made, taken in or wrapped anew hold it as an extractable
// object for as long as they last.
package token

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

const (
	blockSize    = custody.BlockSize
	wrapOverhead = 8                 // of AES key wrap
	maxWrapped   = 32 + wrapOverhead // of the largest key
)

// Token is a token that reconnects by itself: an operation that shows that the token was pulled or
// started again closes the connection and fails with custody.ErrUnavailable; the next one, when some
// time has passed, opens another. It is safe for concurrent use.
type Token struct {
	hello   wire.Hello
	now     func() time.Time
	library *library

	changing sync.Mutex // held while masters are made or destroyed, before mu

	mu      sync.RWMutex // held for reading while the connection is used, for writing to open or close it
	link    *link        // nil while there is none
	why     error        // the connection could not be opened or was lost
	retryAt time.Time    // when the next attempt may be made
	pause   time.Duration
	refused pinStamp // of the PIN file whose PIN the token refused
}

// Between two attempts to connect, at least and at most.
const (
	minPause = 500 * time.Millisecond
	maxPause = 10 * time.Second
)

// Open loads the library and connects to the token.
func Open(h wire.Hello, now func() time.Time) (*Token, error) {
	l, err := openLibrary(h.Library)
	if err != nil {
		return nil, err
	}
	t := &Token{hello: h, now: now, library: l, pause: minPause}
	if err := t.connect(); err != nil {
		return nil, err
	}
	return t, nil
}

// Status says what the token is and holds.
func (t *Token) Status() (wire.TokenStatus, error) {
	var st wire.TokenStatus
	err := t.use(func(l *link, s pkcs11.SessionHandle) error {
		if err := l.findMasters(s); err != nil {
			return err
		}
		st = wire.TokenStatus{Token: l.token, Generations: l.generations(), Protection: l.protection}
		return nil
	})
	return st, err
}

// Ping asks whether the token works, and connects to it if it can be.
func (t *Token) Ping() error {
	return t.use(func(l *link, s pkcs11.SessionHandle) error { return l.alive(s) })
}

// Close closes the connection.
func (t *Token) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.drop(custody.ErrClosed)
}

// use calls f with a session of its own.
func (t *Token) use(f func(*link, pkcs11.SessionHandle) error) error {
	t.mu.RLock()
	if t.link == nil {
		t.mu.RUnlock()
		if err := t.connect(); err != nil {
			return err
		}
		t.mu.RLock()
	}
	l := t.link
	if l == nil {
		defer t.mu.RUnlock()
		return t.unavailable()
	}
	s := <-l.sessions
	err := f(l, s)
	l.sessions <- s
	t.mu.RUnlock()
	if errors.Is(err, custody.ErrUnavailable) {
		t.mu.Lock()
		if t.link == l {
			t.drop(err)
		}
		t.mu.Unlock()
	}
	return err
}

// drop closes the connection; mu is held for writing. All sessions end together, and with them all
// session objects, so that no object outlives the session that made it unnoticed.
func (t *Token) drop(why error) {
	if t.link == nil {
		return
	}
	t.link, t.why = nil, why
	_ = t.library.Finalize() // fails when the library lost its state, which is what is wanted
}

// unavailable says why there is no connection; mu is held.
func (t *Token) unavailable() error {
	if errors.Is(t.why, wire.ErrPIN) || errors.Is(t.why, custody.ErrUnavailable) {
		return t.why
	}
	return fmt.Errorf("%w: %w", custody.ErrUnavailable, t.why)
}
