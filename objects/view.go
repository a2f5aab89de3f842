package objects

import (
	"context"
	"errors"

	"strongroom/custody"
)

// openRecord opens the record of a version, which is no delete marker. It fails with the failures of a
// root key while that may not be used.
func (s *Service) openRecord(ctx context.Context, v *visit, r *Row) (rec *record, err error) {
	err = s.withKey(ctx, v, r.SealedBy, func(k *custody.Opened) (err error) {
		rec, err = openRecord(k, r)
		return err
	})
	return rec, err
}

// sealRecord seals another record for a version, under the key that it is sealed by.
func (s *Service) sealRecord(ctx context.Context, v *visit, r *Row, rec *record) error {
	return s.withKey(ctx, v, r.SealedBy, func(k *custody.Opened) (err error) {
		r.Record, err = sealRecord(k, r, rec)
		return err
	})
}

// keyUnavailable reports whether a failure is that of a root key that may not be used now, or cannot be
// asked. Names, sizes and dates can then still be seen.
func keyUnavailable(err error) bool {
	for _, f := range []error{
		ErrRootUnknown, ErrRootUnusable, ErrUnauthorized, ErrRootDisabled, ErrRootDeleted, ErrRootUnreadable, ErrRootService,
	} {
		if errors.Is(err, f) {
			return true
		}
	}
	return false
}

// view is a version as its readers see it: with an opaque ETag, and without what is sealed, if its key
// cannot be used now or it is a delete marker.
func (s *Service) view(ctx context.Context, v *visit, r *Row) (Object, error) {
	if r.Marker {
		return v.bucket.object(r, nil), nil
	}
	rec, err := s.openRecord(ctx, v, r)
	switch {
	case keyUnavailable(err):
		return v.bucket.object(r, nil), nil
	case err != nil:
		return Object{}, err
	}
	return s.seen(ctx, v, r, rec)
}

// seen is a version with what its record says and, if that is not the bucket's, the root key that it was
// given.
func (s *Service) seen(ctx context.Context, v *visit, r *Row, rec *record) (Object, error) {
	o := v.bucket.object(r, rec)
	if r.SealedBy == v.bucket.Key {
		return o, nil
	}
	k, err := s.openKey(ctx, v, r.SealedBy)
	if err != nil {
		return Object{}, err
	}
	defer k.done()
	o.Root = k.Root
	return o, nil
}

// object is a version with what its record says, nil for one that cannot be opened now.
func (b *Bucket) object(r *Row, rec *record) Object {
	o := Object{
		Bucket: b.Name, Key: r.Key, Version: r.Version, Versioned: b.Versioning != "", Latest: r.Latest, Marker: r.Marker,
		Size: r.Size, Modified: r.Modified, ETag: r.Opaque, Sealed: rec == nil && !r.Marker,
		ACL: r.ACL, Lock: r.Lock, Retention: r.Retain, Archive: r.Archive,
	}
	if rec != nil {
		o.tell(rec, b.OpaqueETags)
	}
	if r.Latest && !r.Marker {
		o.Expiry, o.ExpiryRule = expiryOf(b.Lifecycle, r.Key, r.Size, r.Modified, o.Tags)
	}
	return o
}

// tell adds what the record of an object says.
func (o *Object) tell(rec *record, opaque bool) {
	if !opaque {
		o.ETag = rec.ETag
	}
	o.Checksums, o.Headers, o.Tags, o.Redirect = rec.Checksums, rec.Headers, rec.Tags, rec.Redirect
	o.PartCount, o.CustomerKeyMD5 = rec.PartCount, rec.CustomerKeyMD5
}
