package kms

import (
	"context"
	"errors"
	"fmt"
	"maps"

	"strongroom/custody"
	"strongroom/iam"
)

// DataKeySize is the size in bytes of the data keys that Wrap draws.
const DataKeySize = 32

// Wrapped is a data key wrapped by a root key.
type Wrapped struct {
	Ciphertext string
	Version    VersionID // that wrapped it
	// Drawn is the data key if the service drew it; the caller wipes it. Empty otherwise.
	Drawn custody.Secret
}

// Unwrapped is a data key in the clear, which the caller wipes.
type Unwrapped struct {
	Plaintext custody.Secret
	Version   VersionID // that had wrapped it
	// Rewrapped is the same data key wrapped by the newest version, if that is another one.
	Rewrapped        string
	RewrappedVersion VersionID
}

// Rewrapped is a data key that was wrapped again, by the newest version.
type Rewrapped struct {
	Ciphertext string
	Version    VersionID // that had wrapped it
	Newest     VersionID // that wraps it now
}

// Wrap encrypts a data key, or other plaintext of up to 7,500 bytes, under the newest version of a
// root key. An empty plaintext asks for a fresh data key. To unwrap it the same additional data is
// needed, in the same order.
func (s *Service) Wrap(ctx context.Context, who iam.Caller, ref Ref, plaintext custody.Secret, aad []string) (Wrapped, error) {
	return s.wrap(ctx, who, ref, wrapping{plaintext: plaintext, aad: aad})
}

// wrapping is what is asked of Wrap and its relatives.
type wrapping struct {
	plaintext custody.Secret
	aad       []string
	unread    error          // why the plaintext could not be read; nil if it could
	log       iam.Recorder   // where the event goes; nil means the log of the service
	request   map[string]any // what more the event tells of the request
}

func (s *Service) wrap(ctx context.Context, who iam.Caller, ref Ref, w wrapping) (Wrapped, error) {
	var out Wrapped
	err := s.visit(ctx, who, ref, operation{
		action: ActionWrap, log: w.log,
		check: func() error {
			switch {
			case w.unread != nil:
				return w.unread
			case w.plaintext.Len() > maxWrapSize:
				return ErrField.On("plaintext", "at most 7500 bytes, base64 encoded")
			}
			return checkAAD(w.aad)
		},
		act: func(v *visit) (err error) {
			out.Drawn.Wipe()
			out = Wrapped{}
			maps.Copy(v.event.RequestData, w.request)
			if err := v.usable(Active); err != nil {
				return err
			}
			secret := w.plaintext
			if secret.Len() == 0 {
				out.Drawn = custody.RandomSecret(DataKeySize)
				secret = out.Drawn
			}
			out.Version = v.record.Newest.ID
			out.Ciphertext, err = s.seal(ctx, v, secret, w.aad)
			v.tell(&v.record.Key, map[string]any{"keyVersionId": string(out.Version)})
			if err == nil {
				s.uses.note(UseWrap, &v.record.Key, out.Version, who.Identity, v.now)
			}
			return err
		},
	})
	if err != nil {
		out.Drawn.Wipe()
		return Wrapped{}, err
	}
	return out, nil
}

// Unwrap decrypts what Wrap made, under any version of the root key, or of another root key with
// the same imported material.
func (s *Service) Unwrap(ctx context.Context, who iam.Caller, ref Ref, ciphertext string, aad []string) (Unwrapped, error) {
	return s.unwrap(ctx, who, ref, unwrapping{ciphertext: ciphertext, aad: aad})
}

// unwrapping is what is asked of Unwrap, Rewrap and their relatives.
type unwrapping struct {
	ciphertext string
	aad        []string
	unread     error          // why the rest of the request could not be read; nil if it could
	log        iam.Recorder   // where the event goes; nil means the log of the service
	request    map[string]any // what more the event tells of the request
}

func (s *Service) unwrap(ctx context.Context, who iam.Caller, ref Ref, u unwrapping) (Unwrapped, error) {
	var (
		out Unwrapped
		e   envelope
	)
	err := s.visit(ctx, who, ref, operation{
		action: ActionUnwrap, log: u.log,
		check: func() (err error) {
			if e, err = checkWrapped(u.ciphertext, u.aad); err != nil {
				return err
			}
			return u.unread
		},
		act: func(v *visit) (err error) {
			out.Plaintext.Wipe()
			out = Unwrapped{}
			maps.Copy(v.event.RequestData, u.request)
			if err := v.usable(Active, Deactivated); err != nil {
				return err
			}
			out.Plaintext, out.Version, err = s.open(ctx, v, e, u.aad)
			if err != nil {
				return err
			}
			s.uses.note(UseUnwrap, &v.record.Key, out.Version, who.Identity, v.now)
			v.tell(&v.record.Key, map[string]any{"keyVersionId": string(out.Version)})
			if newest := v.record.Newest.ID; newest != out.Version {
				out.RewrappedVersion = newest
				out.Rewrapped, err = s.seal(ctx, v, out.Plaintext, u.aad)
				if err == nil {
					s.uses.note(UseWrap, &v.record.Key, newest, who.Identity, v.now)
				}
			}
			return err
		},
	})
	if err != nil {
		out.Plaintext.Wipe()
		return Unwrapped{}, err
	}
	return out, nil
}

// Rewrap decrypts like Unwrap and wraps the data key again by the newest version, without showing
// it.
func (s *Service) Rewrap(ctx context.Context, who iam.Caller, ref Ref, ciphertext string, aad []string) (Rewrapped, error) {
	return s.rewrap(ctx, who, ref, unwrapping{ciphertext: ciphertext, aad: aad})
}

func (s *Service) rewrap(ctx context.Context, who iam.Caller, ref Ref, u unwrapping) (Rewrapped, error) {
	var (
		out Rewrapped
		e   envelope
	)
	err := s.visit(ctx, who, ref, operation{
		action: ActionRewrap, log: u.log,
		check: func() (err error) { e, err = checkWrapped(u.ciphertext, u.aad); return err },
		act: func(v *visit) (err error) {
			if err := v.usable(Active, Deactivated); err != nil {
				return err
			}
			secret, version, err := s.open(ctx, v, e, u.aad)
			if err != nil {
				return err
			}
			defer secret.Wipe()
			out = Rewrapped{Version: version, Newest: v.record.Newest.ID}
			out.Ciphertext, err = s.seal(ctx, v, secret, u.aad)
			v.tell(&v.record.Key, map[string]any{
				"keyVersionId": string(version), "rewrappedKeyVersionId": string(out.Newest),
			})
			if err == nil {
				s.uses.note(UseUnwrap, &v.record.Key, version, who.Identity, v.now)
				s.uses.note(UseWrap, &v.record.Key, out.Newest, who.Identity, v.now)
			}
			return err
		},
	})
	if err != nil {
		return Rewrapped{}, err
	}
	return out, nil
}

// usable returns nil if the key of the visit is a root key in one of the states.
func (v *visit) usable(states ...State) error {
	if err := v.record.needRoot(); err != nil {
		return err
	}
	return v.record.needState(v.now, states...)
}

// checkWrapped holds the rules of what is to be unwrapped.
func checkWrapped(ciphertext string, aad []string) (envelope, error) {
	if err := checkAAD(aad); err != nil {
		return envelope{}, err
	}
	e, err := parseEnvelope(ciphertext)
	if err != nil {
		return envelope{}, ErrField.On("ciphertext", "the original base64 encoded ciphertext from the wrap operation")
	}
	return e, nil
}

// seal wraps a secret by the newest version. The sealing binds the caller's additional data and no
// name of ours, so that identical imported material opens it wherever it is.
func (s *Service) seal(ctx context.Context, v *visit, secret custody.Secret, aad []string) (string, error) {
	version := v.record.newest()
	e := envelope{handle: version.ID, material: version.Material}
	err := s.withVersion(ctx, v.instance, &v.record.Key, version, func(h custody.Handle) (err error) {
		e.box, err = custody.Seal(ctx, s.module, h, custody.PurposeDataKey, custody.Context(aad...), secret.Reveal())
		return err
	})
	if err != nil {
		return "", fmt.Errorf("wrapping by key %s: %w", v.record.ID, err)
	}
	return e.String(), nil
}

// open unwraps by the version that had wrapped, and says which that is.
func (s *Service) open(ctx context.Context, v *visit, e envelope, aad []string) (secret custody.Secret, _ VersionID, err error) {
	version := v.record.wrapper(e)
	if version == nil {
		return custody.Secret{}, "", ErrUnreadable
	}
	err = s.withVersion(ctx, v.instance, &v.record.Key, version, func(h custody.Handle) (err error) {
		secret, err = custody.Open(ctx, s.module, h, custody.PurposeDataKey, custody.Context(aad...), e.box)
		if errors.Is(err, custody.ErrUnreadable) {
			return ErrUnreadable // of the data key; a version that does not open is a defect of ours
		}
		return err
	})
	if err != nil {
		return custody.Secret{}, "", fmt.Errorf("unwrapping by key %s: %w", v.record.ID, err)
	}
	return secret, version.ID, nil
}

// wrapper returns the version of the key that made e, or nil. It is found by its ID, else by its
// material and never by trying. Generated material is in no other version than the one that the
// envelope names, so only imported material is looked for under another name.
func (r *Record) wrapper(e envelope) *Version {
	if v := r.version(e.handle); v != nil {
		if v.Material != e.material {
			return nil
		}
		return v
	}
	for i := range r.Versions {
		v := &r.Versions[i]
		if v.Origin == custody.OriginImported && v.Material == e.material {
			return v
		}
	}
	return nil
}
