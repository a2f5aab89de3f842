package kms

import (
	"context"
	"fmt"
	"time"
	"unicode/utf8"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// Registration says that a root key protects a cloud resource. A key with registrations is not
// deleted by accident.
type Registration struct {
	Instance    InstanceID
	Key         KeyID
	Resource    string // its CRN
	Description string // at most 240 characters
	Metadata    string // for the service that owns the resource, and shown to services only
	// Retained says that the resource must be readable for a time, so that the key cannot be
	// deleted even by force.
	Retained  bool
	Version   Stamp // of the key, that protects the resource; its size is not kept
	Created   time.Time
	CreatedBy iam.IdentityID
	Updated   time.Time
	UpdatedBy iam.IdentityID
	Revision  int64

	KeyName string // as the key is called now; not kept
}

// RegistrationFields are what the owner of a resource says of a registration. What is nil stays as
// it is, or is empty in a new registration.
type RegistrationFields struct {
	Description *string
	Metadata    *string
	Retained    *bool
	Version     *VersionID // nil in a new registration is the newest
}

// RegistrationQuery says which registrations to list.
type RegistrationQuery struct {
	Instance InstanceID
	Key      KeyID       // empty means all keys that Scope and Ring allow
	Scope    iam.Scope   // what keys the caller may see
	Ring     RingID      // only of keys in this ring; empty means all
	Retained *bool       // only those that prevent a deletion, or only others; nil means both
	Pattern  *CRNPattern // nil matches all
	Limit    int
	Offset   int
	Total    bool // whether all matches are to be counted
}

// RegistrationStore keeps registrations. What it promises is said at [KeyStore].
type RegistrationStore interface {
	// Registration returns one registration.
	Registration(ctx context.Context, in InstanceID, key KeyID, resource string) (Registration, error)
	// InsertRegistration adds one. It fails with ErrRegistered when there is one, and with kind
	// Stale when the key is not at the given revision.
	InsertRegistration(ctx context.Context, r Registration, keyRevision int64, ev *audit.Event) error
	// UpdateRegistration writes one, whose Revision is the one that was read and is increased. It
	// fails with kind Stale when the stored one has another.
	UpdateRegistration(ctx context.Context, r Registration, ev *audit.Event) error
	// DeleteRegistration removes one at the revision, or fails with kind Stale.
	DeleteRegistration(ctx context.Context, r Registration, ev *audit.Event) error
	// ListRegistrations returns those that q asks for, by key and resource, and if asked how many
	// match whatever limit and offset.
	ListRegistrations(ctx context.Context, q RegistrationQuery) (list []Registration, total int, err error)
	// DestroyKey is UpdateKey for a key that is deleted. It fails with ErrRetained when one of the
	// key's registrations prevents it, and with ErrProtecting when there are any; but with force
	// those that do not prevent it are removed.
	DestroyKey(ctx context.Context, k Key, force bool, ev *audit.Event) error
}

const (
	maxRegistrationText     = 240  // characters
	maxRegistrationMetadata = 8192 // bytes
)

func (f RegistrationFields) check() error {
	if f.Description != nil {
		if utf8.RuneCountInString(*f.Description) > maxRegistrationText {
			return ErrField.On("description", "a text of at most 240 characters")
		}
		if err := checkDescription(*f.Description); err != nil {
			return err
		}
	}
	if f.Metadata != nil && len(*f.Metadata) > maxRegistrationMetadata {
		return ErrField.On("registrationMetadata", "a text of at most 8192 bytes")
	}
	return nil
}

// checkOwner holds who may register a resource: the service instance that it belongs to.
func checkOwner(who iam.Caller, resource string) error {
	if who.Kind != iam.KindInstance {
		return ErrServiceOnly
	}
	of, err := crn.Parse(resource)
	if err != nil || of.Instance == "" {
		return ErrField.On("resourceCrn", "the CRN of a resource in a service instance")
	}
	if of.Service != who.Instance.Service || of.Instance != who.Instance.Instance || of.Scope != who.Instance.Scope {
		return ErrNotOwner
	}
	return nil
}

// Register records that a key protects a resource of the calling service.
func (s *Service) Register(ctx context.Context, who iam.Caller, ref Ref, resource string, f RegistrationFields) (Registration, error) {
	var r Registration
	op := registering(who, resource, ActionRegistrationCreate, f)
	op.act = func(v *visit) error {
		return s.retry(func() error {
			k, err := s.fresh(ctx, v)
			if err != nil {
				return err
			}
			r = Registration{
				Instance: k.Instance, Key: k.ID, Resource: resource, Version: k.Newest, KeyName: k.Name,
				Created: v.now, CreatedBy: who.Identity, Revision: 1,
			}
			if err := r.apply(v, &k, who, f); err != nil {
				return err
			}
			v.tell(&k, nil)
			return s.store.InsertRegistration(ctx, r, k.Revision, v.event)
		})
	}
	return r, s.visit(ctx, who, ref, op)
}

// UpdateRegistration changes what is said of a resource. A version that is given must be newer than
// the recorded one.
func (s *Service) UpdateRegistration(ctx context.Context, who iam.Caller, ref Ref, resource string, f RegistrationFields) (Registration, error) {
	return s.changeRegistration(ctx, who, ref, resource, ActionRegistrationWrite, f)
}

// ReplaceRegistration is UpdateRegistration for a caller that gives all fields.
func (s *Service) ReplaceRegistration(ctx context.Context, who iam.Caller, ref Ref, resource string, f RegistrationFields) (Registration, error) {
	return s.changeRegistration(ctx, who, ref, resource, ActionRegistrationReplace, f)
}

func (s *Service) changeRegistration(ctx context.Context, who iam.Caller, ref Ref, resource string, action iam.Action,
	f RegistrationFields,
) (Registration, error) {
	var r Registration
	op := registering(who, resource, action, f)
	op.act = func(v *visit) error {
		return s.retry(func() error {
			k, err := s.fresh(ctx, v)
			if err != nil {
				return err
			}
			if r, err = s.registration(ctx, &k, resource); err != nil {
				return err
			}
			if err := r.apply(v, &k, who, f); err != nil {
				return err
			}
			if f.Version != nil {
				if r.Version, err = s.newerVersion(ctx, &k, *f.Version, r.Version); err != nil {
					return err
				}
			}
			v.tell(&k, nil)
			return s.store.UpdateRegistration(ctx, r, v.event)
		})
	}
	return r, s.visit(ctx, who, ref, op)
}

// Unregister removes the record that a key protects a resource of the calling service.
func (s *Service) Unregister(ctx context.Context, who iam.Caller, ref Ref, resource string) (Registration, error) {
	var r Registration
	op := registering(who, resource, ActionRegistrationDelete, RegistrationFields{})
	op.act = func(v *visit) error {
		v.tell(&v.record.Key, nil)
		return s.retry(func() (err error) {
			if r, err = s.registration(ctx, &v.record.Key, resource); err != nil {
				return err
			}
			return s.store.DeleteRegistration(ctx, r, v.event)
		})
	}
	return r, s.visit(ctx, who, ref, op)
}

// registering is the operation of a service on the registration of one of its resources.
func registering(who iam.Caller, resource string, action iam.Action, f RegistrationFields) operation {
	return operation{action: action, change: true, check: func() error {
		if err := checkOwner(who, resource); err != nil {
			return err
		}
		return f.check()
	}}
}

// apply changes a registration with a key as the fields say, but for the version.
func (r *Registration) apply(v *visit, k *Key, who iam.Caller, f RegistrationFields) error {
	if k.Extractable {
		return ErrRegisterNotRoot
	}
	if err := k.needState(v.now, Active); err != nil {
		if err == ErrDeleted {
			return err
		}
		return ErrRegisterState
	}
	if f.Description != nil {
		r.Description = *f.Description
	}
	if f.Metadata != nil {
		r.Metadata = *f.Metadata
	}
	if f.Retained != nil {
		r.Retained = *f.Retained
	}
	r.Updated, r.UpdatedBy = v.now, who.Identity
	return nil
}

// newerVersion returns a version of a key that is newer than another.
func (s *Service) newerVersion(ctx context.Context, k *Key, id VersionID, than Stamp) (Stamp, error) {
	record, err := s.store.Record(ctx, k.Instance, k.ID)
	if err != nil {
		return Stamp{}, fmt.Errorf("reading the versions of key %s: %w", k.ID, err)
	}
	version := record.version(id)
	if version == nil || version.Number <= than.Number {
		return Stamp{}, ErrOldVersion
	}
	return version.Stamp, nil
}

// registration reads one registration of a key.
func (s *Service) registration(ctx context.Context, k *Key, resource string) (Registration, error) {
	r, err := s.store.Registration(ctx, k.Instance, k.ID, resource)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return Registration{}, ErrRegistrationNotFound
	case err != nil:
		return Registration{}, fmt.Errorf("reading a registration of key %s: %w", k.ID, err)
	}
	r.KeyName = k.Name
	return r, nil
}

// retry calls change again while somebody else was first.
func (s *Service) retry(change func() error) error {
	for range tries {
		if err := change(); fault.KindOf(err) != fault.Stale {
			return err
		}
	}
	return ErrUnavailable
}

// Registrations lists the registrations of one key, in any state, or of all keys that the caller
// may see if ref names none. Of the query, Retained, Pattern, Limit, Offset and Total count.
func (s *Service) Registrations(ctx context.Context, who iam.Caller, ref Ref, q RegistrationQuery) (list []Registration, total int, err error) {
	q.Instance, q.Ring = ref.Instance, ref.Ring
	read := func(v *visit, ring RingID) error {
		if q.Key == "" && q.Pattern != nil && q.Pattern.leading(8) {
			return errOpenPattern
		}
		if list, total, err = s.store.ListRegistrations(ctx, q); err != nil {
			return fmt.Errorf("listing registrations of instance %s: %w", q.Instance, err)
		}
		v.tellTotal(ring, len(list))
		return nil
	}
	if ref.Key == "" {
		err = s.viewScope(ctx, who, ref, ActionRegistrationList, func(v *visit, scope iam.Scope) error {
			q.Scope = scope
			return read(v, ref.Ring)
		})
	} else {
		err = s.visit(ctx, who, ref, operation{action: ActionRegistrationList, act: func(v *visit) error {
			q.Key, q.Scope = v.record.ID, iam.Scope{All: true}
			return read(v, v.record.Ring)
		}})
	}
	if err != nil {
		return nil, 0, err
	}
	return list, total, nil
}

var errOpenPattern = ErrParameter.On("urlEncodedResourceCRNQuery", "a CRN whose first eight segments are given")
