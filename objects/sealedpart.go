package objects

import (
	"context"
	"fmt"
	"io"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
)

// sealedPart gives the sealed segments of a part as they are stored, one after the other.
type sealedPart struct {
	part  *PartRow
	blobs BlobReader // nil for an embedded one
	next  int64
	buf   []byte
}

// openPart begins to read a part as it is stored. The caller closes it.
func (s *Service) openPart(ctx context.Context, p *PartRow) (*sealedPart, error) {
	if want := sealedSize(p.Size, p.Blob.AllOrNothing); p.Blob.Size != want {
		return nil, fmt.Errorf("%w: blob %s has %d bytes, not %d", ErrDamaged, p.Blob.ID, p.Blob.Size, want)
	}
	sp := &sealedPart{part: p}
	if p.Blob.Inline != nil {
		return sp, nil
	}
	r, err := s.Blobs.Read(ctx, p.Blob)
	if err != nil {
		return nil, fmt.Errorf("opening blob %s: %w", p.Blob.ID, err)
	}
	sp.blobs = r
	return sp, nil
}

// segment returns the next sealed segment, which is valid until the next call, and its index. It is
// io.EOF after the last.
func (sp *sealedPart) segment(ctx context.Context) (sealed []byte, index int64, err error) {
	index = sp.next
	if index >= segmentCount(sp.part.Size) {
		return nil, 0, io.EOF
	}
	sp.next++
	if sp.blobs == nil {
		return sp.part.Blob.Inline, index, nil
	}
	sp.buf, err = sp.blobs.Segment(ctx, index, sp.buf[:0])
	if err != nil {
		return nil, 0, fmt.Errorf("reading segment %d of blob %s: %w", index, sp.part.Blob.ID, err)
	}
	return sp.buf, index, nil
}

// final reports whether a segment is the last.
func (sp *sealedPart) final(index int64) bool { return index == segmentCount(sp.part.Size)-1 }

// Close ends the reading.
func (sp *sealedPart) Close() error {
	if sp.blobs == nil {
		return nil
	}
	return sp.blobs.Close()
}

// plain reads the content of the part, each segment of it checked.
func (sp *sealedPart) plain(ctx context.Context, seals *segments) io.Reader {
	return &plainPart{ctx: ctx, sealed: sp, seals: seals}
}

type plainPart struct {
	ctx    context.Context
	sealed *sealedPart
	seals  *segments
	buf    []byte
	rest   []byte
}

// Read implements io.Reader.
func (p *plainPart) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		sealed, index, err := p.sealed.segment(p.ctx)
		if err != nil {
			return 0, err
		}
		if p.buf, err = p.seals.open(p.buf[:0], sealed, index, p.sealed.final(index)); err != nil {
			return 0, fmt.Errorf("%w: segment %d of blob %s: %w", ErrDamaged, index, p.sealed.part.Blob.ID, err)
		}
		p.rest = p.buf
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// unsealed returns the parts of a version, whose digest agrees, with its data key, which the caller
// wipes, and its record. A version that a customer's own key seals as well has no data key here.
func (s *Service) unsealed(ctx context.Context, v *visit, by BucketKeyID, r *Row) (parts []PartRow, dataKey custody.Secret, rec *record, err error) {
	if parts, err = s.Store.PartsOf(ctx, *r); err != nil {
		return nil, custody.Secret{}, nil, fmt.Errorf("reading the parts of object %q: %w", clip(r.Key), err)
	}
	err = s.withKey(ctx, v, by, func(k *custody.Opened) (err error) {
		if rec, err = openRecord(k, r); err != nil {
			return err
		}
		dataKey.Wipe()
		dataKey, err = openBox(k, custody.PurposeObjectKey, boundKey(r.Bucket, r.Key, string(r.Version), r.Write), r.DataKey)
		return err
	})
	if err == nil && r.Customer {
		dataKey.Wipe()
		dataKey = custody.Secret{}
	}
	if err == nil {
		if bad := rec.checkParts(parts); bad != nil {
			err = fmt.Errorf("%w: %w", ErrDamaged, bad)
		}
	}
	if err != nil {
		dataKey.Wipe()
		return nil, custody.Secret{}, nil, err
	}
	return parts, dataKey, rec, nil
}

// rootUnder returns the root key above a key of the bucket of a visit; zero for the provider's.
func (s *Service) rootUnder(ctx context.Context, v *visit, id BucketKeyID) (crn.CRN, error) {
	k, err := s.openKey(ctx, v, id)
	if err != nil {
		return crn.CRN{}, err
	}
	defer k.done()
	return k.Root, nil
}

// gone reports whether a version is there no more, or not as it was read: what is wrong with what was
// read of it then says nothing.
func (s *Service) gone(ctx context.Context, r *Row) (bool, error) {
	now, err := s.Store.Version(ctx, r.Bucket, r.Key, r.Version)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return true, nil
	case err != nil:
		return false, fmt.Errorf("reading object %q: %w", clip(r.Key), err)
	}
	return now.Revision != r.Revision || now.Seq != r.Seq, nil
}
