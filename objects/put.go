package objects

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"

	"strongroom/custody"
	"strongroom/iam"
)

// Put stores an object from body, which is read to its end, and makes it the newest version. Nothing is
// visible before all of it was received, verified and is durable.
func (s *Service) Put(ctx context.Context, who iam.Caller, w Write, body io.Reader) (Object, error) {
	var made Object
	err := s.visit(ctx, who, w.Bucket, operation{
		action: ActionObjectPut, key: w.Key, change: true,
		act: func(v *visit) (err error) {
			made, err = s.put(ctx, v, &w, body)
			return err
		},
	})
	return made, err
}

// put writes an object. It commits the event of the visit.
func (s *Service) put(ctx context.Context, v *visit, w *Write, body io.Reader) (Object, error) {
	if err := s.checkWrite(ctx, v, w); err != nil {
		return Object{}, err
	}
	// What a look at the object can refuse is refused before the content is read.
	if _, err := s.judge(ctx, v, w); err != nil {
		return Object{}, err
	}
	key, err := s.sealer(ctx, v, w.Encryption)
	if err != nil {
		return Object{}, err
	}
	dataKey := custody.RandomSecret(dataKeySize)
	defer dataKey.Wipe()
	part, found, err := s.storePart(ctx, v, partWrite{number: 1, dataKey: dataKey, root: key.Root, expect: w.Expect}, body)
	if err != nil {
		return Object{}, err
	}
	c := commit{
		Write: w, name: part.Write, dataKey: dataKey, parts: []PartRow{part},
		record: record{ETag: hex.EncodeToString(found.MD5), Checksums: found.checksums()},
	}
	made, err := s.commit(ctx, v, &c)
	if err != nil {
		s.giveUp(ctx, &part)
		return Object{}, err
	}
	return made, nil
}

// checkWrite checks what can be known of a write before its content is read, and what needs a decision
// of its own.
func (s *Service) checkWrite(ctx context.Context, v *visit, w *Write) error {
	if err := w.check(&v.bucket, v.now); err != nil {
		return err
	}
	if v.bucket.Quota > 0 && w.Expect.Size > v.bucket.Quota {
		return ErrQuota
	}
	if w.ACL == ACLPrivate {
		return nil
	}
	return s.decide(ctx, v, ActionObjectPutACL)
}

// commit is a content that is stored and is to become the newest version of an object.
type commit struct {
	*Write
	name    string // of the write, which names that of a single part
	dataKey custody.Secret
	// record is what is known of the content; the rest is taken from Write.
	record record
	parts  []PartRow
	upload UploadID // that the object is made of, if it was made in parts
}

// commit makes a content visible, with the configuration that the bucket has by now, and again from a
// new reading when somebody else was first. It commits the event of the visit.
func (s *Service) commit(ctx context.Context, v *visit, c *commit) (made Object, err error) {
	err = decidedAnew(func() error {
		if err := s.renew(ctx, v); err != nil {
			return err
		}
		made, err = s.commitOnce(ctx, v, c)
		return err
	})
	return made, err
}

// renew brings a visit that took its time up to date with its bucket.
func (s *Service) renew(ctx context.Context, v *visit) error {
	held, err := s.hold(ctx, v.bucket.Name)
	if err != nil {
		return err
	}
	if held.bucket.ID != v.bucket.ID {
		return ErrNoBucket // another one of the same name
	}
	v.held, v.bucket, v.now = held, held.bucket, s.Now()
	return nil
}

// judge says whether an object may be written over the newest version, which it returns with whether
// there is one that counts: nil if it does not matter.
func (s *Service) judge(ctx context.Context, v *visit, w *Write) (newest *Row, err error) {
	if !w.Conditions.onWrite() && v.bucket.Protection == nil {
		return nil, nil
	}
	row, err := s.find(ctx, v.bucket.ID, w.Key, "")
	switch {
	case errors.Is(err, ErrNoObject), err == nil && row.Marker:
		if cerr := w.Conditions.write("", false); cerr != nil {
			return nil, cerr
		}
		return &row, nil
	case err != nil:
		return nil, err
	case row.Retain.Protects(v.now):
		return nil, ErrProtected
	}
	if w.Conditions.onWrite() {
		seen, err := s.view(ctx, v, &row)
		if err != nil {
			return nil, err
		}
		if err := w.Conditions.write(seen.ETag, true); err != nil {
			return nil, err
		}
	}
	return &row, nil
}

// commitOnce is commit from one reading of the bucket and of the version that is replaced.
func (s *Service) commitOnce(ctx context.Context, v *visit, c *commit) (Object, error) {
	newest, err := s.judge(ctx, v, c.Write)
	if err != nil {
		return Object{}, err
	}
	p := PutVersion{
		Parts: c.parts, BucketRevision: v.bucket.Revision, Quota: v.bucket.Quota, Upload: c.upload, Event: v.event,
	}
	if p.Row, err = s.rowOf(v, c); err != nil {
		return Object{}, err
	}
	key, err := s.sealer(ctx, v, c.Encryption)
	if err != nil {
		return Object{}, raced(err) // the key of the bucket may have been replaced and removed
	}
	rec := c.recordFor()
	p.Row.SealedBy = key.ID
	err = s.withKey(ctx, v, p.Row.SealedBy, func(k *custody.Opened) (err error) {
		if p.Row.DataKey, err = sealDataKey(k, v.bucket.ID, c.Key, string(p.Row.Version), c.name, c.dataKey, c.customer()); err != nil {
			return err
		}
		p.Row.Record, err = sealRecord(k, &p.Row, rec)
		return err
	})
	if err != nil {
		return Object{}, raced(err)
	}
	p.over(newest)
	v.named(p.Row)
	row, err := s.Store.PutVersion(ctx, p)
	if err != nil {
		return Object{}, raced(fmt.Errorf("storing object %q: %w", clip(c.Key), err))
	}
	s.Blobs.Wake() // what it replaces may have died
	made := v.bucket.object(&row, rec)
	if key.ID != v.bucket.Key {
		made.Root = key.Root
	}
	return made, nil
}

// over makes the store write over the newest version as judge has returned it, and over no other.
func (p *PutVersion) over(newest *Row) {
	switch {
	case newest == nil:
	case newest.Write == "":
		p.Absent = true
	default:
		p.Expected = newest
	}
}

// rowOf is the row of a commit, but for what is sealed.
func (s *Service) rowOf(v *visit, c *commit) (Row, error) {
	r := Row{
		Bucket: v.bucket.ID, Key: c.Key, Version: v.bucket.nextVersion(v.now), Modified: v.now,
		Opaque: newHex32(), Write: c.name, Parts: len(c.parts), ACL: c.ACL, Customer: c.Encryption.Customer != nil,
		Archive: archiveFor(v.bucket.Lifecycle, v.now),
	}
	for i := range c.parts {
		r.Size += c.parts[i].Size
	}
	err := c.ACL.allowedBy(v.bucket.PublicAccess) // which may have changed while the content came
	if err != nil {
		return Row{}, err
	}
	if r.Lock, err = v.bucket.Config.Lock.lockFor(c.Lock, v.now); err != nil {
		return Row{}, err
	}
	r.Retain, err = v.bucket.Protection.retentionFor(c.Retention, v.now)
	return r, err
}

// customer is the caller's own key, nil without one.
func (c *commit) customer() *CustomerKey { return c.Encryption.Customer }

// recordFor is the whole record of a commit.
func (c *commit) recordFor() *record {
	rec := c.record
	rec.Headers, rec.Tags, rec.Redirect, rec.Parts = c.Headers, c.Tags, c.Redirect, digestOf(c.parts)
	if own := c.customer(); own != nil {
		rec.CustomerKeyMD5, rec.ETag = own.MD5, newHex32()
	}
	return &rec
}
