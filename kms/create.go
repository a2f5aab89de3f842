package kms

import (
	"context"
	"fmt"
	"time"

	"github.com/google/uuid"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// NewKey says what key to create.
type NewKey struct {
	Name        string // 2 to 90 characters
	Description string // none, or 2 to 240 characters
	Aliases     []string
	Tags        []string
	Extractable bool      // a standard key rather than a root key
	Expires     time.Time // in the future; zero means never; fractions of a second are cut off
	// Payload is material to import; empty, material is drawn. It is wiped when Create returns.
	Payload custody.Secret
}

// Created is a new key. The material of a standard key is shown to who created it; the caller
// wipes it.
type Created struct {
	Key      Key
	Material custody.Secret // empty for root keys
}

// approachRing is approach for the ring that a key is to be created in.
func (s *Service) approachRing(ctx context.Context, who iam.Caller, ref Ref, action iam.Action) *visit {
	v := s.approachInstance(ctx, who, ref, action)
	v.object.Type, v.object.KeyRing = "key", string(ringOf(ref))
	return v
}

// ringOf is the ring that a new key goes to.
func ringOf(ref Ref) RingID {
	if ref.Ring == "" {
		return DefaultRing
	}
	return ref.Ring
}

// Create makes or imports a key in the instance and ring of ref.
func (s *Service) Create(ctx context.Context, who iam.Caller, ref Ref, n NewKey) (Created, error) {
	defer n.Payload.Wipe()
	n.Expires = n.Expires.UTC().Truncate(time.Second)
	v := s.approachRing(ctx, who, ref, ActionCreate)
	v.event.RequestData["keyType"] = keyType(n.Extractable)
	v.event.Target.Name = clip(n.Name)
	var out Created
	err := s.doorFor(v, nil).Change(ctx, who, ActionCreate, v.object, v.event, func() error {
		if err := n.check(v.now); err != nil {
			return err
		}
		if ringOf(ref) != DefaultRing {
			return ErrRingNotFound
		}
		var err error
		out, err = s.create(ctx, who, v, n)
		return err
	})
	if err != nil {
		out.Material.Wipe()
		return Created{}, err
	}
	return out, nil
}

func (s *Service) create(ctx context.Context, who iam.Caller, v *visit, n NewKey) (Created, error) {
	id := uuid.NewString()
	first := Version{
		Stamp:  Stamp{ID: VersionID(id), Number: 1, Created: v.now},
		Origin: custody.OriginGenerated,
	}
	k := Key{
		ID: KeyID(id), Instance: v.instance.ID, Account: v.instance.Account, Ring: DefaultRing,
		Name: n.Name, Description: n.Description, Aliases: n.Aliases, Tags: n.Tags,
		Extractable: n.Extractable, Imported: n.Payload.Len() > 0, State: Active,
		Created: v.now, CreatedBy: who.Identity, Updated: v.now, Expires: n.Expires, Revision: 1,
	}
	out := Created{}
	if n.Extractable {
		out.Material = standardMaterial(n.Payload)
		if k.Imported {
			first.Origin = custody.OriginImported
		}
		if err := s.sealStandard(ctx, v.instance, &k, &first, out.Material); err != nil {
			return out, err
		}
	} else if err := s.makeVersion(ctx, v.instance, &k, &first, n.Payload); err != nil {
		return out, err
	}
	k.Newest = first.Stamp
	v.event.Target.ID = v.instance.CRN.Child("key", id).String()
	v.tell(&k, map[string]any{
		"keyId": id, "keyVersionId": id, "keyState": int(Active),
		"keyVersionCreationDate": first.Created.UTC().Format(time.RFC3339),
	})
	out.Key = k
	return out, s.insert(ctx, v, k, first)
}

// standardMaterial returns a copy of what is imported, or fresh material.
func standardMaterial(payload custody.Secret) custody.Secret {
	if payload.Len() == 0 {
		return custody.RandomSecret(generatedSize)
	}
	return custody.NewSecret(append([]byte(nil), payload.Reveal()...))
}

// insert stores a new key in an instance that is still active. An instance that was only renamed
// meanwhile is no obstacle.
func (s *Service) insert(ctx context.Context, v *visit, k Key, first Version) error {
	for range tries {
		err := s.store.InsertKey(ctx, k, first, v.instance.Revision, v.event)
		switch fault.KindOf(err) {
		case fault.Conflict:
			return ErrAliasTaken
		case fault.Stale:
			if v.instance, err = s.instances.Instance(ctx, v.instance.ID); err != nil {
				if fault.KindOf(err) == fault.NotFound {
					return iam.ErrForbidden
				}
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("storing key %s: %w", k.ID, err)
		}
		return nil
	}
	return ErrUnavailable
}
