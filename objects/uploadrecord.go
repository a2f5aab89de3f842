package objects

import (
	"context"
	"fmt"
	"strconv"

	"strongroom/custody"
	"strongroom/fault"
)

// uploadRecord is what a bucket remembers of an upload, sealed.
type uploadRecord struct {
	Object record // what the object will have
	// PartsKey seals what is remembered of each part. It is not the bucket's key, so that an upload of
	// thousands of parts is moved to another key by sealing one record anew; and not the data key, which
	// may be the customer's, who does not bring it to the completion.
	PartsKey []byte
}

// partRecord is what a bucket remembers of a part of an upload, sealed. The ETag is the MD5 of the part
// in hexadecimal, or random with a customer's key.
type partRecord struct {
	ETag      string
	Checksums Checksums
}

// boundUpload is what the record of an upload is bound to.
func boundUpload(u *UploadRow) []byte {
	return custody.Context("upload", string(u.BucketID), u.Key, string(u.ID), u.Write)
}

// boundPart is what the record of a part is bound to.
func boundPart(u *UploadRow, p *PartRow) []byte {
	return custody.Context("part", string(u.BucketID), u.Key, string(u.ID), strconv.Itoa(p.Number),
		strconv.FormatInt(p.Size, 10), p.Write, p.Blob.ID.String())
}

// sealUpload seals data key and record of a new upload.
func sealUpload(k *custody.Opened, u *UploadRow, object record, customer *CustomerKey) error {
	dataKey := custody.RandomSecret(dataKeySize)
	defer dataKey.Wipe()
	partsKey := custody.RandomSecret(dataKeySize)
	defer partsKey.Wipe()
	var err error
	if u.DataKey, err = sealDataKey(k, u.BucketID, u.Key, string(u.ID), u.Write, dataKey, customer); err != nil {
		return err
	}
	u.Record, err = sealJSON(k, boundUpload(u), uploadRecord{Object: object, PartsKey: partsKey.Reveal()})
	return err
}

// resealUpload seals data key and record of an upload under another key of its bucket. Neither needs
// what the caller of the upload alone has, and the parts stay as they are.
func resealUpload(from, to *custody.Opened, u *UploadRow, id BucketKeyID) error {
	bound := boundKey(u.BucketID, u.Key, string(u.ID), u.Write)
	dataKey, err := openBox(from, custody.PurposeObjectKey, bound, u.DataKey)
	if err != nil {
		return fmt.Errorf("opening the data key: %w", err)
	}
	defer dataKey.Wipe()
	rec, err := openBox(from, custody.PurposeObjectRecord, boundUpload(u), u.Record)
	if err != nil {
		return fmt.Errorf("opening the record: %w", err)
	}
	defer rec.Wipe()
	if u.DataKey, err = sealBox(to, custody.PurposeObjectKey, bound, dataKey.Reveal()); err != nil {
		return err
	}
	if u.Record, err = sealBox(to, custody.PurposeObjectRecord, boundUpload(u), rec.Reveal()); err != nil {
		return err
	}
	u.SealedBy = id
	return nil
}

// openUpload is an upload with its record.
type openUpload struct {
	UploadRow
	object record
	parts  *custody.Opened // seals the records of its parts; wiped by close
}

func (u *openUpload) close() { u.parts.Wipe() }

// sealPart seals the record of a part, whose other fields are as they will be stored.
func (u *openUpload) sealPart(p *PartRow, rec partRecord) (err error) {
	p.Record, err = sealJSON(u.parts, boundPart(&u.UploadRow, p), rec)
	return err
}

// openPart is the reverse of sealPart.
func (u *openUpload) openPart(p *PartRow) (rec partRecord, err error) {
	if err := openJSON(u.parts, boundPart(&u.UploadRow, p), p.Record, &rec); err != nil {
		return rec, fmt.Errorf("opening the record of part %d: %w", p.Number, err)
	}
	return rec, nil
}

// upload returns an upload that may have been completed, or ErrNoUpload.
func (s *Service) upload(ctx context.Context, v *visit, key string, id UploadID) (UploadRow, error) {
	u, err := s.Store.Upload(ctx, v.bucket.ID, key, id)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return UploadRow{}, ErrNoUpload
	case err != nil:
		return UploadRow{}, fmt.Errorf("reading an upload: %w", err)
	}
	v.respond("uploadId", string(u.ID))
	return u, nil
}

// uncompleted is upload for one that is still open, or ErrNoUpload.
func (s *Service) uncompleted(ctx context.Context, v *visit, key string, id UploadID) (UploadRow, error) {
	u, err := s.upload(ctx, v, key, id)
	if err == nil && u.Completed != "" {
		return UploadRow{}, ErrNoUpload
	}
	return u, err
}

// unseal opens the record of an upload; the caller closes it.
func (s *Service) unseal(ctx context.Context, v *visit, row UploadRow) (*openUpload, error) {
	var rec uploadRecord
	err := s.withKey(ctx, v, row.SealedBy, func(k *custody.Opened) error {
		return openJSON(k, boundUpload(&row), row.Record, &rec)
	})
	if err != nil {
		return nil, fmt.Errorf("opening upload %s: %w", row.ID, err)
	}
	defer clear(rec.PartsKey)
	partsKey := custody.NewSecret(rec.PartsKey)
	defer partsKey.Wipe()
	parts, err := custody.NewOpened(partsKey)
	if err != nil {
		return nil, fmt.Errorf("%w: opening upload %s: %w", ErrDamaged, row.ID, err)
	}
	return &openUpload{UploadRow: row, object: rec.Object, parts: parts}, nil
}

// checkCustomer compares the customer's key of a request with the one of the upload.
func (u *UploadRow) checkCustomer(c *CustomerKey) error {
	switch {
	case !u.Customer && c != nil:
		return ErrRequest.On("", "the upload has no customer's key")
	case u.Customer && c == nil:
		return ErrCustomerKey
	case u.Customer && c.MD5 != u.CustomerKeyMD5:
		return ErrWrongKey
	}
	return nil
}
