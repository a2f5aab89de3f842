package kms

import (
	"context"
	"errors"

	"strongroom/custody"
	"strongroom/iam"
)

// Generate draws a data key and returns it wrapped, and never in the clear: for those who store
// data keys for others to use. It is a wrapping, and needs the permission to wrap.
func (s *Service) Generate(ctx context.Context, who iam.Caller, ref Ref, aad []string) (Wrapped, error) {
	out, err := s.wrap(ctx, who, ref, wrapping{aad: aad, request: map[string]any{"plaintextReturned": false}})
	out.Drawn.Wipe()
	out.Drawn = custody.Secret{}
	return out, err
}

// Transfer says by which key a data key is to be wrapped from now on.
type Transfer struct {
	Ciphertext string
	AAD        []string // that it was wrapped with
	To         Ref      // the other key, in the same or another instance
	ToAAD      []string // to wrap it with from now on
	Unread     error    // why the request could not be read: what comes of it; nil if it could
}

// Transferred is a data key that another key wraps now.
type Transferred struct {
	Ciphertext string
	Version    VersionID // of the key that had wrapped it
	Newest     VersionID // of the key that wraps it now
}

// Transfer unwraps a data key and wraps it by the newest version of another root key, without
// showing it. Who may use that other key can read the data from then on, so the caller needs the
// permission to unwrap by the first key, not only to rewrap, and to wrap by the other. It leaves
// two events, one for each key.
func (s *Service) Transfer(ctx context.Context, who iam.Caller, ref Ref, t Transfer) (Transferred, error) {
	return s.transfer(ctx, who, ref, t, nil)
}

func (s *Service) transfer(ctx context.Context, who iam.Caller, ref Ref, t Transfer, log iam.Recorder) (Transferred, error) {
	if t.Unread == nil {
		t.Unread = checkAAD(t.ToAAD)
	}
	from, err := s.unwrap(ctx, who, ref, unwrapping{
		ciphertext: t.Ciphertext, aad: t.AAD, unread: t.Unread, log: log,
		request: map[string]any{
			"plaintextReturned": false, "targetInstanceID": string(t.To.Instance), "targetKeyId": clip(t.To.Key),
		},
	})
	if err != nil {
		return Transferred{}, err
	}
	defer from.Plaintext.Wipe()
	to, err := s.wrap(ctx, who, t.To, wrapping{
		plaintext: from.Plaintext, aad: t.ToAAD, log: log,
		request: map[string]any{"sourceInstanceID": string(ref.Instance), "sourceKeyId": clip(ref.Key)},
	})
	if err != nil {
		return Transferred{}, elsewhere{err}
	}
	return Transferred{Ciphertext: to.Ciphertext, Version: from.Version, Newest: to.Version}, nil
}

// elsewhere is a failure of the key that a data key goes to: the one that it comes from could be used.
type elsewhere struct{ error }

// Unwrap returns the failure.
func (e elsewhere) Unwrap() error { return e.error }

func isElsewhere(err error) bool {
	var other elsewhere
	return errors.As(err, &other)
}
