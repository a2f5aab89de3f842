package objects

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
)

// Get finds an object to be read. The caller of Get closes the content. What fits one segment is opened
// before Get returns; of more the first segment is, and how the reading went is recorded when the content
// is closed.
//
// With some failures comes a Content that cannot be read, for what answers have to say all the same: with
// ErrNoObject where the newest version is a delete marker, and with ErrDeleteMarker, its Marker, Version
// and Modified; with ErrNotModified the Object; with ErrRange its Size.
func (s *Service) Get(ctx context.Context, who iam.Caller, r Read) (*Content, error) {
	return s.get(ctx, who, r, getting{newest: ActionObjectGet, version: ActionObjectGetVersion, content: true})
}

// Head is Get without the content. It succeeds while the key of the bucket cannot be used, with an opaque ETag.
func (s *Service) Head(ctx context.Context, who iam.Caller, r Read) (*Content, error) {
	return s.get(ctx, who, r, getting{newest: ActionObjectHead, version: ActionObjectHeadVersion})
}

// getting says for what an object is wanted.
type getting struct {
	newest, version iam.Action // on the newest version, and on one that is named
	content         bool
}

// get takes a reading through the door. Which way it is recorded depends on how much is to be read, so
// the object is looked up before; nothing of it is told before the decision.
func (s *Service) get(ctx context.Context, who iam.Caller, r Read, g getting) (found *Content, err error) {
	op := operation{action: g.newest, key: r.Key}
	if r.Version != "" {
		op.action = g.version
	}
	v := s.approach(ctx, who, r.Bucket, op)
	look := &looked{Read: r}
	if v.cause == nil {
		look.row, look.err = s.findContent(ctx, v.bucket.ID, r.Key, r.Version)
	}
	op.public = func(v *visit) bool { return look.err == nil && v.bucket.openToAll(look.row.ACL) }
	op.stream = g.content && look.long()
	op.act = func(v *visit) (err error) {
		found, err = s.getLooked(ctx, v, op, look, g)
		return err
	}
	if err = s.pass(ctx, v, op); err != nil && found != nil && found.ReadCloser != nil {
		_ = found.Close() // it cannot be recorded, so nobody gets it
		found.ReadCloser = nil
	}
	return found, err
}

// looked is what was found of an object that is to be read.
type looked struct {
	Read
	row Row
	err error
}

// long reports whether the reading may touch more than one segment.
func (l *looked) long() bool {
	if l.err != nil || l.row.Parts == 1 && l.row.Size <= segmentSize {
		return false
	}
	if l.Range == nil || l.RangeIf != nil || l.Part != 0 || l.row.Parts != 1 {
		return true
	}
	offset, length, err := l.Range.within(l.row.Size)
	return err == nil && offset/segmentSize != (offset+length-1)/segmentSize
}

// getLooked is get behind the decision. It looks again if the object was replaced since, and what it
// finds then is decided anew: an ACL opens one version, and not what takes its place.
func (s *Service) getLooked(ctx context.Context, v *visit, op operation, look *looked, g getting) (found *Content, err error) {
	again := false
	err = decidedAnew(func() error {
		if again {
			look.row, look.err = s.findContent(ctx, v.bucket.ID, look.Key, look.Version)
			if err := s.decider(v, op).Allow(ctx, v.who, op.action, v.object); err != nil {
				return err
			}
		}
		again = true
		if look.err != nil {
			found = v.absent(look)
			return look.err
		}
		if found, err = s.getRow(ctx, v, op, look, g); err != nil {
			return s.overtaken(ctx, &look.row, err)
		}
		return nil
	})
	return found, err
}

// absent tells of the delete marker that is in the way of a reading, or nil.
func (v *visit) absent(l *looked) *Content {
	if !l.row.Marker {
		return nil
	}
	v.named(l.row)
	return &Content{Object: v.bucket.object(&l.row, nil)}
}

// overtaken tells damage from a version that was replaced, removed or sealed anew while it was looked at.
func (s *Service) overtaken(ctx context.Context, r *Row, err error) error {
	if !errors.Is(err, ErrDamaged) && fault.KindOf(err) != fault.NotFound {
		return err
	}
	row, rerr := s.Store.Version(ctx, r.Bucket, r.Key, r.Version)
	if fault.KindOf(rerr) == fault.NotFound || rerr == nil && (row.Write != r.Write || row.Revision != r.Revision) {
		return fmt.Errorf("%w: %w", errRaced, err)
	}
	return err
}

// getRow reads one version.
func (s *Service) getRow(ctx context.Context, v *visit, op operation, l *looked, g getting) (*Content, error) {
	v.named(l.row)
	rec, err := s.openRecord(ctx, v, &l.row)
	if err != nil && (g.content || !keyUnavailable(err)) {
		return nil, err
	}
	c := &Content{Object: v.bucket.object(&l.row, rec), Length: l.row.Size}
	if rec != nil {
		if c.Object, err = s.seen(ctx, v, &l.row, rec); err != nil {
			return nil, err
		}
		if err := checkCustomer(rec, l.Customer); err != nil {
			return nil, err
		}
	}
	if err := l.Conditions.read(c.ETag, c.Modified); err != nil {
		return c, err
	}
	if g.content && !l.row.Archive.Readable(v.now) {
		return nil, ErrArchived
	}
	var parts []PartRow
	if g.content || l.Part != 0 {
		if parts, err = s.partsOf(ctx, &l.row, rec); err != nil {
			return nil, err
		}
	}
	if err := c.choose(l, parts); err != nil {
		return c, err
	}
	if !g.content {
		c.ReadCloser = io.NopCloser(bytes.NewReader(nil))
		return c, nil
	}
	return c, s.begin(ctx, v, op, l, c, parts)
}

// partsOf reads the parts of a version and checks that they are those of its record, which is nil while
// that cannot be opened.
func (s *Service) partsOf(ctx context.Context, r *Row, rec *record) ([]PartRow, error) {
	parts, err := s.Store.PartsOf(ctx, *r)
	if err != nil || rec == nil {
		return parts, err
	}
	return parts, rec.checkParts(parts)
}

// checkCustomer compares the customer's own key with the one that an object was written with.
func checkCustomer(rec *record, c *CustomerKey) error {
	switch {
	case rec.CustomerKeyMD5 == "" && c == nil:
		return nil
	case rec.CustomerKeyMD5 == "":
		return ErrRequest.On("customer key", "the object was not written with one")
	case c == nil:
		return ErrCustomerKey
	case c.MD5 != rec.CustomerKeyMD5:
		return ErrWrongKey
	}
	return nil
}

// choose finds the bytes that are wanted: all, those of a part, or a range.
func (c *Content) choose(l *looked, parts []PartRow) (err error) {
	switch {
	case l.Part != 0 && l.Range != nil:
		return ErrRequest.On("", "a range and a part number exclude each other")
	case l.Part != 0:
		return c.choosePart(l.Part, parts)
	case l.Range == nil || !l.RangeIf.holds(&c.Object):
		return nil
	}
	c.Partial = true
	c.Offset, c.Length, err = l.Range.within(l.row.Size)
	return err
}

func (c *Content) choosePart(number int, parts []PartRow) error {
	c.Offset = 0
	for i := range parts {
		if parts[i].Number == number {
			c.Length, c.PartSize = parts[i].Size, parts[i].Size
			c.Partial = c.Length > 0 // no range of bytes can be said to be empty
			return nil
		}
		c.Offset += parts[i].Size
	}
	return ErrRange.On("partNumber", "the object has no such part")
}

// begin opens the content of a version: all of one segment, or the first of more.
func (s *Service) begin(ctx context.Context, v *visit, op operation, l *looked, c *Content, parts []PartRow) error {
	list := spans(parts, c.Offset, c.Length)
	dataKey, root, err := s.openDataKey(ctx, v, &l.row, l.Customer)
	if err != nil {
		return err
	}
	if segmentsOf(list) <= 1 && !op.stream {
		defer dataKey.Wipe()
		c.ReadCloser = io.NopCloser(bytes.NewReader(nil))
		if len(list) == 0 {
			return nil // of a part without content
		}
		return s.fetchAll(ctx, v.bucket.ID, list[:1], dataKey, func() []byte { return nil }, func(plain []byte) error {
			c.ReadCloser = io.NopCloser(bytes.NewReader(plain))
			return s.standing(ctx, &v.bucket, root)
		})
	}
	r := s.read(ctx, v, root, list, dataKey)
	err = r.first()
	if err == nil && !op.stream {
		err = s.pending(ctx, v, op) // it was smaller when it was looked up
	}
	if err != nil {
		r.stop()
		return err
	}
	c.ReadCloser = r
	return nil
}

// pending records a reading that turned out to be long as one that is under way, beside the event that
// it has begun with.
func (s *Service) pending(ctx context.Context, v *visit, op operation) error {
	ev := *v.event
	long := *v
	long.event = &ev
	op.stream, op.act = true, func(*visit) error { return nil }
	err := s.pass(ctx, &long, op)
	v.end = long.end
	return err
}

// openDataKey opens the data key of a version, and returns it with the root key that protects it, zero
// for the provider's. The caller wipes it.
func (s *Service) openDataKey(ctx context.Context, v *visit, r *Row, c *CustomerKey) (key custody.Secret, root crn.CRN, err error) {
	err = s.withOpenKey(ctx, v, r.SealedBy, func(k *openKey) (err error) {
		root = k.Root
		key, err = openDataKey(k.Opened, r.Bucket, r.Key, string(r.Version), r.Write, r.DataKey, c)
		return err
	})
	if err != nil {
		return custody.Secret{}, crn.CRN{}, err
	}
	return key, root, nil
}
