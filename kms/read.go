package kms

import (
	"context"
	"time"

	"strongroom/custody"
	"strongroom/iam"
)

// Get returns a key in any state, with the material if it is a standard key that is not deleted.
// The caller wipes the material.
func (s *Service) Get(ctx context.Context, who iam.Caller, ref Ref) (Key, custody.Secret, error) {
	var (
		key      Key
		material custody.Secret
	)
	err := s.visit(ctx, who, ref, operation{action: ActionRead, act: func(v *visit) (err error) {
		key = v.record.shown()
		v.tellRead()
		material.Wipe()
		material = custody.Secret{}
		if key.Extractable && key.State != Destroyed {
			material, err = s.openStandard(ctx, v.instance, &key, v.record.newest())
		}
		return err
	}})
	if err != nil {
		material.Wipe()
		return Key{}, custody.Secret{}, err
	}
	return key, material, nil
}

// Metadata returns a key in any state, without any material.
func (s *Service) Metadata(ctx context.Context, who iam.Caller, ref Ref) (Key, error) {
	var key Key
	err := s.visit(ctx, who, ref, operation{action: ActionMetadata, act: func(v *visit) error {
		key = v.record.shown()
		v.tellRead()
		return nil
	}})
	if err != nil {
		return Key{}, err
	}
	return key, nil
}

func (v *visit) tellRead() {
	k := &v.record.Key
	v.event.RequestData["keyType"] = keyType(k.Extractable)
	v.tell(k, map[string]any{
		"keyState": int(k.StateAt(v.now)), "keyVersionId": string(k.Newest.ID),
		"keyVersionCreationDate": k.Newest.Created.UTC().Format(time.RFC3339),
	})
}
