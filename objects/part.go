package objects

import (
	"context"
	"errors"
	"fmt"
	"io"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// PutPart stores a part from body, or from another object.
func (s *Service) PutPart(ctx context.Context, who iam.Caller, p PartWrite, body io.Reader) (Part, error) {
	action := ActionObjectPutPart
	if p.From != nil {
		action = ActionObjectCopyPart
	}
	var part Part
	err := s.visit(ctx, who, p.Bucket, operation{
		action: action, key: p.Key, change: true,
		act: func(v *visit) (err error) {
			v.request("partNumber", p.Number)
			if p.Number < 1 || p.Number > MaxParts {
				return ErrArgument.On("partNumber", "it is not from 1 to 10000")
			}
			u, err := s.uncompleted(ctx, v, p.Key, p.Upload)
			if err != nil {
				return err
			}
			if p.From == nil {
				part, err = s.putPart(ctx, v, u, p, body)
				return err
			}
			part, err = s.copyPart(ctx, v, u, p)
			return err
		},
	})
	return part, err
}

// copyPart stores a part of an open upload from an object, the reading of which is decided and recorded
// by itself.
func (s *Service) copyPart(ctx context.Context, v *visit, u UploadRow, p PartWrite) (part Part, err error) {
	v.request("copySource", clip(p.From.Bucket+"/"+p.From.Key))
	if r := p.From.Range; r != nil && (r.First < 0 || r.Last < r.First) {
		return Part{}, ErrArgument.On("x-amz-copy-source-range", "it has not both a first and a last byte")
	}
	from, err := s.openSource(ctx, v.who, *p.From, getting{
		newest: ActionObjectCopyPartGet, version: ActionObjectCopyPartGetVersion, content: true,
	})
	if err != nil {
		return Part{}, err
	}
	defer func() {
		// A part that is committed is a success, whatever the end of its reading met.
		if cerr := from.Close(); err != nil {
			err = errors.Join(err, cerr)
		}
	}()
	if r := p.From.Range; r != nil && from.Length != r.Last-r.First+1 {
		return Part{}, ErrRange
	}
	p.Expect = Expect{Size: from.Length}
	if part, err = s.putPart(ctx, v, u, p, from); err != nil {
		return Part{}, err
	}
	part.Source = from.named()
	return part, nil
}

// putPart stores a part of an open upload.
func (s *Service) putPart(ctx context.Context, v *visit, row UploadRow, p PartWrite, body io.Reader) (Part, error) {
	if err := row.checkCustomer(p.Customer); err != nil {
		return Part{}, err
	}
	expect, err := row.expect(p.Expect)
	if err != nil {
		return Part{}, err
	}
	u, err := s.unseal(ctx, v, row)
	if err != nil {
		return Part{}, err
	}
	defer u.close()
	w := partWrite{number: p.Number, expect: expect}
	err = s.withKey(ctx, v, u.SealedBy, func(k *custody.Opened) (err error) {
		w.dataKey, err = openDataKey(k, u.BucketID, u.Key, string(u.ID), u.Write, u.DataKey, p.Customer)
		return err
	})
	if err != nil {
		return Part{}, err
	}
	defer w.dataKey.Wipe()
	key, err := s.openKey(ctx, v, u.SealedBy)
	if err != nil {
		return Part{}, err
	}
	defer key.done()
	w.root = key.Root
	part, found, err := s.storePart(ctx, v, w, body)
	if err != nil {
		return Part{}, err
	}
	rec := u.describe(found)
	if err = u.sealPart(&part, rec); err == nil {
		err = s.Store.PutPart(ctx, u.UploadRow, part, v.bucket.Quota, v.event)
	}
	if err != nil {
		s.giveUp(ctx, &part)
		if fault.KindOf(err) == fault.NotFound {
			return Part{}, ErrNoUpload // completed or aborted meanwhile
		}
		return Part{}, fmt.Errorf("storing part %d: %w", p.Number, err)
	}
	s.Blobs.Wake() // for the part that it has replaced
	return part.shown(rec), nil
}

// expect is what the content of a part must have: a checksum that the whole is to have is computed
// in any case, and no other one can come with the part.
func (u *UploadRow) expect(e Expect) (Expect, error) {
	if u.Algorithm == "" || e.Want == u.Algorithm {
		return e, nil
	}
	if e.Want != "" {
		return e, ErrRequest.On("checksum", "the upload was begun with another algorithm")
	}
	e.Want = u.Algorithm
	return e, nil
}

// describe returns what is remembered of the content of a part.
func (u *UploadRow) describe(found *digests) partRecord {
	rec := partRecord{ETag: fmt.Sprintf("%x", found.MD5), Checksums: found.checksums()}
	if u.Customer {
		rec.ETag = newHex32()
	}
	if u.Algorithm == "" {
		// Without an algorithm the whole gets the one that follows from its parts.
		rec.Checksums = Checksums{Algorithm: CRC64NVME, Value: encode(found.CRC64)}
	}
	return rec
}

// shown is a part with what its record says.
func (p *PartRow) shown(rec partRecord) Part {
	return Part{Number: p.Number, Size: p.Size, ETag: rec.ETag, Checksums: rec.Checksums, Modified: p.Modified}
}

// Parts lists the parts of an open upload. While the key of the bucket cannot be used their ETags are
// opaque.
func (s *Service) Parts(ctx context.Context, who iam.Caller, l ListParts) (PartListing, error) {
	var page PartListing
	err := s.visit(ctx, who, l.Bucket, operation{
		action: ActionObjectGetUploads, key: l.Key,
		act: func(v *visit) error {
			if l.Limit < 0 || l.After < 0 {
				return ErrArgument.On("max-parts", "less than 0")
			}
			l.Limit = min(l.Limit, MaxPage)
			u, err := s.uncompleted(ctx, v, l.Key, l.Upload)
			if err != nil {
				return err
			}
			page = PartListing{Upload: u.Upload, Owner: v.bucket.Instance}
			if l.Limit == 0 {
				return nil
			}
			return s.listParts(ctx, v, u, l, &page)
		},
	})
	return page, err
}

func (s *Service) listParts(ctx context.Context, v *visit, row UploadRow, l ListParts, page *PartListing) error {
	rows, err := s.Store.UploadParts(ctx, row, l.After, l.Limit+1)
	if err != nil {
		return fmt.Errorf("listing the parts of upload %s: %w", row.ID, err)
	}
	if page.Truncated = len(rows) > l.Limit; page.Truncated {
		rows = rows[:l.Limit]
		page.Next = rows[l.Limit-1].Number
	}
	u, err := s.unseal(ctx, v, row)
	sealed := keyUnavailable(err)
	if err != nil && !sealed {
		return err
	}
	if !sealed {
		defer u.close()
	}
	for i := range rows {
		rec := partRecord{ETag: rows[i].Write}
		if !sealed {
			if rec, err = u.openPart(&rows[i]); err != nil {
				return err
			}
		}
		page.Parts = append(page.Parts, rows[i].shown(rec))
	}
	return nil
}
