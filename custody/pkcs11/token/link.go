//go:build cgo && pkcs11

package token

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// link is a connection to the token: a library that is initialized, sessions that are logged in, and
// what was found in the token.
type link struct {
	*library
	hello      wire.Hello
	slot       uint
	sessions   chan pkcs11.SessionHandle // idle ones
	mechanisms map[uint]bool             // that the token lists
	token      wire.Token
	protection custody.Protection
	keys       *cache
	noOAEP     atomic.Bool // the token was seen not to know OAEP with SHA-256

	mu      sync.RWMutex
	masters map[uint32]masters
}

// connect opens the connection if there is none and the time for another attempt has come.
func (t *Token) connect() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch now := t.now(); {
	case t.link != nil:
		return nil
	case now.Before(t.retryAt):
		return t.unavailable()
	default:
		t.retryAt = now.Add(t.pause)
		t.pause = min(2*t.pause, maxPause)
	}
	l, err := t.dial()
	if err != nil {
		_ = t.library.Finalize()
		t.why = err
		return t.unavailable()
	}
	t.link, t.why, t.pause = l, nil, minPause
	return nil
}

// dial opens a connection.
func (t *Token) dial() (*link, error) {
	err := fail("C_Initialize", t.library.Initialize())
	if err != nil && !isCode(err, pkcs11.CKR_CRYPTOKI_ALREADY_INITIALIZED) {
		return nil, err
	}
	l := &link{library: t.library, hello: t.hello}
	flags, err := l.findToken()
	if err != nil {
		return nil, err
	}
	if err := l.listMechanisms(); err != nil {
		return nil, err
	}
	first, err := l.session()
	if err != nil {
		return nil, err
	}
	if err := t.login(first, flags); err != nil {
		return nil, err
	}
	l.sessions = make(chan pkcs11.SessionHandle, max(t.hello.Sessions, 1))
	l.sessions <- first
	for len(l.sessions) < cap(l.sessions) {
		s, err := l.session()
		if isCode(err, pkcs11.CKR_SESSION_COUNT) {
			break // fewer do as well
		}
		if err != nil {
			return nil, err
		}
		l.sessions <- s
	}
	l.keys = newCache(max(t.hello.CachedKeys, 1))
	if err := l.findMasters(first); err != nil {
		return nil, err
	}
	attempts, err := l.extract(first, true)
	switch {
	case errors.Is(err, wire.ErrUnsupported):
		l.protection = custody.ProtectionBasic // what the token lacks, the first use will tell
	case err != nil:
		return nil, fmt.Errorf("trying an extraction: %w", err)
	default:
		l.protection = judge(attempts)
	}
	return l, nil
}

func (l *link) session() (pkcs11.SessionHandle, error) {
	s, err := l.OpenSession(l.slot, pkcs11.CKF_SERIAL_SESSION|pkcs11.CKF_RW_SESSION)
	return s, fail("C_OpenSession", err)
}

// findToken finds the slot of the token with our label, and returns the flags of the token.
func (l *link) findToken() (flags uint, err error) {
	slots, err := l.GetSlotList(true)
	if err != nil {
		return 0, fail("C_GetSlotList", err)
	}
	var seen []string
	found := 0
	for _, slot := range slots {
		info, err := l.GetTokenInfo(slot)
		if err != nil {
			continue // of others: a slot that does not answer is not ours
		}
		label := trimmed(info.Label)
		if label != l.hello.Token {
			if info.Flags&pkcs11.CKF_TOKEN_INITIALIZED != 0 {
				seen = append(seen, fmt.Sprintf("%q", label))
			}
			continue
		}
		found++
		l.slot, flags = slot, info.Flags
		l.token = wire.Token{
			Label: label, Manufacturer: trimmed(info.ManufacturerID), Model: trimmed(info.Model),
			Serial: trimmed(info.SerialNumber),
		}
	}
	switch {
	case found == 0:
		return 0, fmt.Errorf("%w: no token has the label %q; there are: %s",
			custody.ErrUnavailable, l.hello.Token, cmp.Or(strings.Join(seen, ", "), "none that are initialized"))
	case found > 1:
		return 0, fmt.Errorf("%d tokens have the label %q", found, l.hello.Token)
	}
	if about, err := l.GetInfo(); err == nil {
		l.token.Library = fmt.Sprintf("%s %d.%d", trimmed(about.LibraryDescription), about.LibraryVersion.Major, about.LibraryVersion.Minor)
	}
	return flags, nil
}

// trimmed removes what fields of fixed length are filled with.
func trimmed(s string) string { return strings.TrimRight(s, " \x00") }

func (l *link) listMechanisms() error {
	list, err := l.GetMechanismList(l.slot)
	if err != nil {
		return fail("C_GetMechanismList", err)
	}
	l.mechanisms = map[uint]bool{}
	for _, m := range list {
		l.mechanisms[m.Mechanism] = true
	}
	return nil
}

// alive finds out whether the token is there and works: session objects may go on working after a
// token was pulled, and must not.
func (l *link) alive(s pkcs11.SessionHandle) error {
	if _, err := l.GetTokenInfo(l.slot); err != nil {
		return l.lost(fail("C_GetTokenInfo", err))
	}
	info, err := l.GetSessionInfo(s)
	if err != nil {
		return l.lost(fail("C_GetSessionInfo", err))
	}
	if info.State != pkcs11.CKS_RW_USER_FUNCTIONS {
		return fmt.Errorf("%w: the token has ended the login", custody.ErrUnavailable)
	}
	m, ok := l.newest()
	if !ok {
		return nil
	}
	var blocks [2 * blockSize]byte
	return l.lost(l.twoCMACs(s, m.seal, &blocks))
}

// lost makes any failure one of the whole connection.
func (*link) lost(err error) error {
	if err == nil || errors.Is(err, custody.ErrUnavailable) {
		return err
	}
	return fmt.Errorf("%w: %w", custody.ErrUnavailable, err)
}

// destroy destroys session objects. That it fails changes nothing: they end with the connection.
func (l *link) destroy(s pkcs11.SessionHandle, objects ...pkcs11.ObjectHandle) {
	for _, o := range objects {
		_ = l.DestroyObject(s, o)
	}
}
