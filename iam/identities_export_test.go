package iam

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

// Sign signs claims of any content with the key that signs access tokens.
func (s *Identities) Sign(tb testing.TB, said map[string]any) string {
	tb.Helper()
	r, err := s.ring(context.Background())
	if err != nil {
		tb.Fatal(err)
	}
	payload, err := json.Marshal(said)
	if err != nil {
		tb.Fatal(err)
	}
	signed, err := r.signer.Sign(payload)
	if err != nil {
		tb.Fatal(err)
	}
	token, err := signed.CompactSerialize()
	if err != nil {
		tb.Fatal(err)
	}
	return token
}

// Remembered is how many verified tokens are held.
func (s *Identities) Remembered() int { return s.verified.len() }

// RememberedShare is how many verified tokens one account may hold.
func (s *Identities) RememberedShare() int { return s.verified.share }

// SealRefresh makes a refresh token of any content.
func (s *Identities) SealRefresh(ctx context.Context, k APIKey, client Client, until time.Time) (string, error) {
	return s.sealRefresh(ctx, grounds{k.Account, k.Identity, k.ID}, client, until)
}
