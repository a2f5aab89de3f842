package objects

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// CompleteUpload makes the object. Completing twice with the same list succeeds for a day.
//
// No bytes are moved: the parts become those of the object, whose data key is that of the upload.
func (s *Service) CompleteUpload(ctx context.Context, who iam.Caller, c Complete) (Object, error) {
	var made Object
	err := s.visit(ctx, who, c.Bucket, operation{
		action: ActionObjectPostCompleteUpload, key: c.Key, change: true,
		act: func(v *visit) error {
			if err := c.check(); err != nil {
				return err
			}
			return decidedAnew(func() error {
				if err := s.renew(ctx, v); err != nil {
					return err
				}
				row, err := s.upload(ctx, v, c.Key, c.Upload)
				if err != nil {
					return err
				}
				if row.Completed != "" {
					made, err = s.completedBefore(ctx, v, row, c)
					return err
				}
				made, err = s.complete(ctx, v, row, c)
				if err != nil && s.ended(ctx, v, c) {
					// What it was refused for is what another completion has left behind.
					return fmt.Errorf("%w: %w", errRaced, err)
				}
				return err
			})
		},
	})
	return made, err
}

// ended says that an upload which was open a moment ago has been completed or given up since.
func (s *Service) ended(ctx context.Context, v *visit, c Complete) bool {
	row, err := s.upload(ctx, v, c.Key, c.Upload)
	return errors.Is(err, ErrNoUpload) || err == nil && row.Completed != ""
}

// check checks the list of parts by itself.
func (c *Complete) check() error {
	if len(c.Parts) == 0 || len(c.Parts) > MaxParts {
		return ErrRequest.On("Part", "an object has 1 to 10000 parts")
	}
	ascends := func(a, b Part) int { return cmp.Compare(a.Number, b.Number) }
	if !slices.IsSortedFunc(c.Parts, ascends) {
		return ErrPartOrder
	}
	for i := range c.Parts {
		if i > 0 && c.Parts[i].Number == c.Parts[i-1].Number {
			return ErrPartOrder
		}
	}
	return nil
}

// complete makes an object of the parts of an open upload.
func (s *Service) complete(ctx context.Context, v *visit, row UploadRow, c Complete) (Object, error) {
	if c.Customer != nil {
		if err := row.checkCustomer(c.Customer); err != nil {
			return Object{}, err
		}
	}
	if c.Composite != nil && *c.Composite != row.Composite {
		return Object{}, ErrRequest.On("x-amz-checksum-type", "the upload was begun with another one")
	}
	u, err := s.unseal(ctx, v, row)
	if err != nil {
		return Object{}, err
	}
	defer u.close()
	parts, records, err := s.chosen(ctx, u, c)
	if err != nil {
		return Object{}, err
	}
	rec, err := u.assemble(parts, records, c)
	if err != nil {
		return Object{}, err
	}
	made := Row{
		Bucket: v.bucket.ID, Key: u.Key, Version: v.bucket.nextVersion(v.now), Modified: v.now,
		Opaque: newHex32(), Write: u.Write, SealedBy: u.SealedBy, Parts: len(parts), ACL: u.ACL, Customer: u.Customer,
		Archive: archiveFor(v.bucket.Lifecycle, v.now),
	}
	for i := range parts {
		made.Size += parts[i].Size
	}
	if c.Size >= 0 && c.Size != made.Size {
		return Object{}, ErrRequest.On("x-amz-mp-object-size", "the parts have another size")
	}
	if made.Lock, made.Retain, err = u.protection(v, c); err != nil {
		return Object{}, err
	}
	put := PutVersion{
		Row: made, Parts: parts, BucketRevision: v.bucket.Revision, Quota: v.bucket.Quota, Upload: u.ID, Event: v.event,
	}
	newest, err := s.judge(ctx, v, &Write{Key: u.Key, Conditions: c.Conditions})
	if err != nil {
		return Object{}, err
	}
	put.over(newest)
	if err := s.sealCompleted(ctx, v, u, &put.Row, rec); err != nil {
		return Object{}, err
	}
	v.named(put.Row)
	stored, err := s.Store.PutVersion(ctx, put)
	if err != nil {
		if errors.Is(err, ErrBusy) {
			err = fmt.Errorf("%w: %w", errRaced, err) // the upload was moved to another key of the bucket
		}
		return Object{}, raced(fmt.Errorf("completing upload %s: %w", u.ID, err))
	}
	s.Blobs.Wake()
	return v.bucket.object(&stored, rec), nil
}

// sealCompleted seals data key and record of the object that an upload becomes.
func (s *Service) sealCompleted(ctx context.Context, v *visit, u *openUpload, made *Row, rec *record) error {
	return s.withKey(ctx, v, u.SealedBy, func(k *custody.Opened) error {
		dataKey, err := openBox(k, custody.PurposeObjectKey, boundKey(u.BucketID, u.Key, string(u.ID), u.Write), u.DataKey)
		if err != nil {
			return fmt.Errorf("opening the data key: %w", err)
		}
		defer dataKey.Wipe()
		made.DataKey, err = sealBox(k, custody.PurposeObjectKey, boundKey(made.Bucket, made.Key, string(made.Version), made.Write), dataKey.Reveal())
		if err != nil {
			return err
		}
		made.Record, err = sealRecord(k, made, rec)
		return err
	})
}

// protection returns the lock and the retention that the object begins with. What the upload has asked
// for stands as it was allowed then, defaults begin now; what the completion asks for comes first.
func (u *UploadRow) protection(v *visit, c Complete) (Lock, *Retention, error) {
	lock := u.Lock
	if lock.Mode == "" {
		var err error
		if lock, err = v.bucket.Lock.lockFor(u.Lock, v.now); err != nil {
			return Lock{}, nil, err
		}
	}
	asked := c.Retention
	if asked == (RetentionRequest{}) {
		asked = u.Retain
	}
	retain, err := v.bucket.Protection.retentionFor(asked, v.now)
	return lock, retain, err
}

// chosen returns the parts of an upload that a completion lists, with their records. They have the ETags
// and checksums that it gives, and sizes that the parts of an object may have.
func (s *Service) chosen(ctx context.Context, u *openUpload, c Complete) ([]PartRow, []partRecord, error) {
	stored, err := s.Store.UploadParts(ctx, u.UploadRow, 0, MaxParts)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the parts of upload %s: %w", u.ID, err)
	}
	parts := make([]PartRow, 0, len(c.Parts))
	records := make([]partRecord, 0, len(c.Parts))
	var size int64
	small := false
	for i, want := range c.Parts {
		at, there := slices.BinarySearchFunc(stored, want.Number, func(p PartRow, n int) int { return cmp.Compare(p.Number, n) })
		if !there {
			return nil, nil, ErrPart.On(strconv.Itoa(want.Number), "it was not stored")
		}
		p := stored[at]
		rec, err := u.openPart(&p)
		if err != nil {
			return nil, nil, err
		}
		if !rec.is(want) {
			return nil, nil, ErrPart.On(strconv.Itoa(want.Number), "it has another ETag or checksum")
		}
		if size += p.Size; size > MaxObject {
			return nil, nil, ErrTooLarge
		}
		small = small || p.Size < MinPart && i < len(c.Parts)-1
		p.Record = nil
		parts, records = append(parts, p), append(records, rec)
	}
	if small {
		return nil, nil, ErrTooSmall
	}
	return parts, records, nil
}

// is reports whether the part is the one that a completion means.
func (r *partRecord) is(want Part) bool {
	if want.ETag != r.ETag {
		return false
	}
	sum := want.Checksums
	return sum.Value == "" || sum.Algorithm == r.Checksums.Algorithm && sum.Value == r.Checksums.Value
}

// assemble returns the record of the object that the parts make.
func (u *openUpload) assemble(parts []PartRow, records []partRecord, c Complete) (*record, error) {
	var (
		etags, sums [][]byte
		sizes       []int64
	)
	for i := range records {
		etag, err := hex.DecodeString(records[i].ETag)
		sum, serr := base64.StdEncoding.DecodeString(records[i].Checksums.Value)
		if err = errors.Join(err, serr); err != nil {
			return nil, fmt.Errorf("%w: record of part %d: %w", ErrDamaged, parts[i].Number, err)
		}
		etags, sums, sizes = append(etags, etag), append(sums, sum), append(sizes, parts[i].Size)
	}
	rec := u.object
	rec.ETag, rec.PartCount, rec.Parts = compositeETag(etags), len(parts), digestOf(parts)
	rec.Checksums = Checksums{Algorithm: cmp.Or(u.Algorithm, CRC64NVME), Composite: u.Composite}
	if u.Composite {
		rec.Checksums.Value = rec.Checksums.Algorithm.composite(sums)
	} else {
		rec.Checksums.Value = encode(rec.Checksums.Algorithm.whole(sums, sizes))
	}
	return &rec, rec.Checksums.verify(c.Checksums)
}

// verify compares the checksum with the one that a request gives, which may be without the number of parts.
func (c *Checksums) verify(given Checksums) error {
	if given.Value == "" {
		return nil
	}
	if given.Algorithm != c.Algorithm {
		return ErrRequest.On("checksum", "the upload was begun with another algorithm")
	}
	sum, _, _ := strings.Cut(c.Value, "-")
	if given.Value != c.Value && given.Value != sum {
		return ErrDigest
	}
	return nil
}

// completedBefore answers a completion of an upload that is completed already: with the object, if that
// is still there and has these parts.
func (s *Service) completedBefore(ctx context.Context, v *visit, u UploadRow, c Complete) (Object, error) {
	row, err := s.Store.Version(ctx, v.bucket.ID, c.Key, u.Completed)
	switch {
	case fault.KindOf(err) == fault.NotFound, err == nil && row.Write != u.Write:
		return Object{}, ErrNoUpload
	case err != nil:
		return Object{}, fmt.Errorf("reading a completed object: %w", err)
	}
	rec, err := s.openRecord(ctx, v, &row)
	if err != nil {
		return Object{}, err
	}
	parts, err := s.Store.PartsOf(ctx, row)
	if err != nil {
		return Object{}, fmt.Errorf("reading the parts of a completed object: %w", err)
	}
	if !c.lists(parts, rec.ETag) {
		return Object{}, ErrPart.On("", "the upload was completed with other parts")
	}
	v.named(row)
	return v.bucket.object(&row, rec), s.unchanged(ctx, v)
}

// lists reports whether a completion lists these parts, whose ETags make that of the object.
func (c *Complete) lists(parts []PartRow, etag string) bool {
	if len(parts) != len(c.Parts) {
		return false
	}
	var etags [][]byte
	for i := range parts {
		e, err := hex.DecodeString(c.Parts[i].ETag)
		if err != nil || c.Parts[i].Number != parts[i].Number {
			return false
		}
		etags = append(etags, e)
	}
	return compositeETag(etags) == etag
}
