package iam

import (
	"crypto/sha256"
	"sync"
	"time"
)

// verifiedToken is a token whose signature was checked.
type verifiedToken struct {
	grounds
	kid             string
	issued, expires int64 // seconds since 1970
}

// verifiedTokens remembers tokens whose signature was checked, by the SHA-256 of
// the whole token; never ones that were refused. It is bounded, and no account
// takes more than a quarter, so that one with many tokens is slow by itself.
type verifiedTokens struct {
	limit, share int

	mu       sync.RWMutex
	tokens   map[[sha256.Size]byte]verifiedToken          // guarded by mu
	accounts map[AccountID]map[[sha256.Size]byte]struct{} // guarded by mu: keys of tokens
}

func newVerifiedTokens(limit int) *verifiedTokens {
	return &verifiedTokens{
		limit: limit, share: max(1, limit/4),
		tokens:   make(map[[sha256.Size]byte]verifiedToken),
		accounts: make(map[AccountID]map[[sha256.Size]byte]struct{}),
	}
}

func (v *verifiedTokens) get(digest [sha256.Size]byte) (verifiedToken, bool) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	t, ok := v.tokens[digest]
	return t, ok
}

func (v *verifiedTokens) put(digest [sha256.Size]byte, t verifiedToken) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, had := v.tokens[digest]; had {
		return
	}
	mine := v.accounts[t.account]
	switch {
	case len(mine) >= v.share:
		v.evictLocked(mine)
	case len(v.tokens) >= v.limit:
		v.evictLocked(nil)
	}
	if mine = v.accounts[t.account]; mine == nil {
		mine = make(map[[sha256.Size]byte]struct{})
		v.accounts[t.account] = mine
	}
	v.tokens[digest] = t
	mine[digest] = struct{}{}
}

// evictLocked forgets any one token, of those in from if it is not nil. Map
// order is random, so the accounts with the most tokens lose most.
func (v *verifiedTokens) evictLocked(from map[[sha256.Size]byte]struct{}) {
	for digest := range from {
		v.forgetLocked(digest)
		return
	}
	for digest := range v.tokens {
		v.forgetLocked(digest)
		return
	}
}

func (v *verifiedTokens) forgetLocked(digest [sha256.Size]byte) {
	account := v.tokens[digest].account
	delete(v.tokens, digest)
	mine := v.accounts[account]
	delete(mine, digest)
	if len(mine) == 0 {
		delete(v.accounts, account)
	}
}

func (v *verifiedTokens) len() int {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return len(v.tokens)
}

// issuedSlot is what two requests for a token must have in common to be given
// the same one.
type issuedSlot struct {
	grounds
	grant  string
	client Client
	stamp  int64  // of the identity, whose names are in the token
	kid    string // of the key that signs
}

// issuedTokens remembers tokens that were given out, up to a limit.
type issuedTokens struct {
	limit int

	mu     sync.Mutex
	tokens map[issuedSlot]Token // guarded by mu; without refresh tokens
}

func newIssuedTokens(limit int) *issuedTokens {
	return &issuedTokens{limit: limit, tokens: make(map[issuedSlot]Token)}
}

// get returns a token that lives beyond until.
func (i *issuedTokens) get(slot issuedSlot, until time.Time) (Token, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	t, ok := i.tokens[slot]
	if !ok || !t.Expires.After(until) {
		return Token{}, false
	}
	return t, true
}

func (i *issuedTokens) put(slot issuedSlot, t Token) {
	i.mu.Lock()
	defer i.mu.Unlock()
	if _, had := i.tokens[slot]; !had && len(i.tokens) >= i.limit {
		for any := range i.tokens { // in random order
			delete(i.tokens, any)
			break
		}
	}
	i.tokens[slot] = t
}
