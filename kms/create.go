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
	// Transported is material to import that comes under the import token, instead of Payload.
	Transported *custody.Transported
	// Policies are the policies of the key, in the place of those that the instance gives to new
	// keys. Nil means the latter.
	Policies *PolicyChange
	// Repeat makes the request repeatable; nil if it is not.
	Repeat *Repeat
}

// material says where the material of the key comes from.
func (n NewKey) material() NewVersion {
	return NewVersion{Payload: n.Payload, Transported: n.Transported, Repeat: n.Repeat}
}

// action is the action that the creation is.
func (n NewKey) action() iam.Action {
	if n.Policies != nil {
		return ActionCreateWithPolicies
	}
	return ActionCreate
}

// policies returns the policies that the new key k gets.
func (n NewKey) policies(in *InstancePolicies, k *Key) PolicyChange {
	if n.Policies != nil {
		return *n.Policies
	}
	return in.defaults(k)
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
	v := s.approachRing(ctx, who, ref, n.action())
	v.event.RequestData["keyType"] = keyType(n.Extractable)
	v.event.Target.Name = clip(n.Name)
	var out Created
	err := s.doorFor(v, nil).Change(ctx, who, n.action(), v.object, v.event, func() error {
		if err := n.Repeat.check(); err != nil {
			return err
		}
		first := n.Repeat.first(who, v, string(ringOf(ref)))
		return s.once(ctx, v, first, func() error {
			return underNewestMasters(func() (err error) {
				out, err = s.create(ctx, who, v, n, first)
				return err
			})
		}, func(id KeyID) (err error) {
			out.Material.Wipe()
			out, err = s.createdBefore(ctx, v, id)
			return err
		})
	})
	if err != nil {
		out.Material.Wipe()
		return Created{}, err
	}
	return out, nil
}

// createdBefore is what an earlier equal request has created, as it is now.
func (s *Service) createdBefore(ctx context.Context, v *visit, id KeyID) (Created, error) {
	r, err := s.store.Record(ctx, v.instance.ID, id)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Created{}, ErrKeyNotFound // purged meanwhile
	case err != nil:
		return Created{}, fmt.Errorf("reading key %s: %w", id, err)
	}
	out := Created{Key: r.shown()}
	if r.Extractable && r.State != Destroyed {
		out.Material, err = s.openStandard(ctx, v.instance, &r.Key, r.newest())
	}
	return out, err
}

func (s *Service) create(ctx context.Context, who iam.Caller, v *visit, n NewKey, first *First) (Created, error) {
	if err := v.policies.admitKey(n.Extractable, n.material().imported(), n.Transported != nil); err != nil {
		return Created{}, err
	}
	if err := n.check(v.now); err != nil {
		return Created{}, err
	}
	if ring := RingID(v.object.KeyRing); ring != DefaultRing && checkRing(ring) != nil {
		return Created{}, ErrRingNotFound
	}
	id := uuid.NewString()
	version := Version{
		Stamp:  Stamp{ID: VersionID(id), Number: 1, Created: v.now},
		Origin: custody.OriginGenerated,
		First:  first.made(KeyID(id), VersionID(id)),
	}
	k := Key{
		ID: KeyID(id), Instance: v.instance.ID, Account: v.instance.Account, Ring: RingID(v.object.KeyRing),
		Name: n.Name, Description: n.Description, Aliases: n.Aliases, Tags: n.Tags,
		Extractable: n.Extractable, Imported: n.material().imported(), State: Active,
		Created: v.now, CreatedBy: who.Identity, Updated: v.now, Expires: n.Expires, Revision: 1,
	}
	k, err := n.policies(v.policies, &k).apply(k, who.Identity, v.now)
	if err != nil {
		return Created{}, err
	}
	if n.Transported != nil { // decrypted only for a key that has a place
		if err := s.checkPlace(ctx, &k); err != nil {
			return Created{}, err
		}
	}
	out := Created{}
	if n.Extractable {
		out.Material = standardMaterial(n.Payload)
		if k.Imported {
			version.Origin = custody.OriginImported
		}
		if err := s.sealStandard(ctx, v.instance, &k, &version, out.Material); err != nil {
			return out, err
		}
	} else if err := s.makeVersion(ctx, v, &k, &version, n.material()); err != nil {
		return out, err
	}
	k.Newest = version.Stamp
	v.event.Target.ID = v.instance.CRN.Child("key", id).String()
	v.tell(&k, map[string]any{
		"keyId": id, "keyVersionId": id, "keyState": int(Active),
		"keyVersionCreationDate": version.Created.UTC().Format(time.RFC3339),
	})
	out.Key = k
	out.Key.CheckValue = version.checkValue()
	return out, s.insert(ctx, v, k, version)
}

// checkPlace returns why InsertKey would not take a key: its ring is not there, or an alias is taken.
// A nil is no promise that it is still so then.
func (s *Service) checkPlace(ctx context.Context, k *Key) error {
	if k.Ring != DefaultRing {
		there, err := s.store.HasRing(ctx, k.Instance, k.Ring)
		switch {
		case err != nil:
			return fmt.Errorf("looking for key ring %s: %w", k.Ring, err)
		case !there:
			return ErrRingNotFound
		}
	}
	for _, alias := range k.Aliases {
		taken, err := s.takenFrom(ctx, *k, alias)
		switch {
		case err != nil:
			return fmt.Errorf("looking for the alias of a new key: %w", err)
		case taken:
			return ErrAliasTaken
		}
	}
	return nil
}

// standardMaterial returns a copy of what is imported, or fresh material.
func standardMaterial(payload custody.Secret) custody.Secret {
	if payload.Len() == 0 {
		return custody.RandomSecret(generatedSize)
	}
	return custody.NewSecret(append([]byte(nil), payload.Reveal()...))
}

// insert stores a new key in an instance that is still active.
func (s *Service) insert(ctx context.Context, v *visit, k Key, first Version) error {
	return s.withInstanceRevision(ctx, v, func() error {
		err := s.store.InsertKey(ctx, k, first, v.instance.Revision, v.event)
		if err != nil {
			return fmt.Errorf("storing key %s: %w", k.ID, err)
		}
		return nil
	})
}

// withInstanceRevision adds something to the instance of a visit, which add must find active and
// at its revision. An instance that was only renamed meanwhile is no obstacle.
func (s *Service) withInstanceRevision(ctx context.Context, v *visit, add func() error) error {
	for range tries {
		err := add()
		if fault.KindOf(err) != fault.Stale {
			return err
		}
		v.instance, err = s.instances.Instance(ctx, v.instance.ID)
		switch {
		case fault.KindOf(err) == fault.NotFound:
			return iam.ErrForbidden
		case err != nil:
			return err
		}
	}
	return ErrUnavailable
}
