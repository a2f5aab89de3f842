package objects

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"strongroom/custody"
)

// record is what a bucket remembers of an object, sealed. What is empty was not given.
type record struct {
	ETag      string            // MD5 of the content, or that of the parts with "-N"; random with a customer's key
	Checksums Checksums         `json:",omitzero"`
	Headers   Headers           `json:",omitzero"`
	Tags      map[string]string `json:",omitempty"`
	Redirect  string            `json:",omitempty"`
	// PartCount is that of an object made in parts; else 0.
	PartCount      int    `json:",omitempty"`
	CustomerKeyMD5 string `json:",omitempty"`
	// Parts is the digest of the ordered parts, without which a part could be replaced by another one of
	// the same object.
	Parts []byte
}

// digestOf is the digest of the parts of an object in their order.
func digestOf(parts []PartRow) []byte {
	h := sha256.New()
	for i := range parts {
		p := &parts[i]
		_, _ = h.Write(custody.Context(
			strconv.Itoa(p.Number), strconv.FormatInt(p.Size, 10), p.Write, p.Blob.ID.String(),
			strconv.Itoa(p.Blob.Data), strconv.Itoa(p.Blob.Total), strconv.FormatBool(p.Blob.AllOrNothing),
		)) // never fails
	}
	return h.Sum(nil)
}

// checkParts returns an error unless parts are those that the record was sealed with, and their blobs
// have the form that their sizes demand.
func (r *record) checkParts(parts []PartRow) error {
	if subtle.ConstantTimeCompare(r.Parts, digestOf(parts)) != 1 {
		return fmt.Errorf("%w: the parts are not those of the record", ErrDamaged)
	}
	for i := range parts {
		p := &parts[i]
		if p.Blob.Size != sealedSize(p.Size, p.Blob.AllOrNothing) || p.Blob.Segment != sealedSegment(p.Blob.AllOrNothing) {
			return fmt.Errorf("%w: blob %s of part %d has %d bytes in segments of %d", ErrDamaged, p.Blob.ID, p.Number, p.Blob.Size, p.Blob.Segment)
		}
	}
	return nil
}

// boundKey is what the data key of an object is bound to. The ID is that of the version, or of the
// upload that it may become.
func boundKey(bucket BucketID, key, id, write string) []byte {
	return custody.Context(string(bucket), key, id, write)
}

// boundCustomer is what a data key is bound to under a customer's own key. It stays the same when an
// upload becomes a version, for which the customer's key is not at hand.
func boundCustomer(bucket BucketID, key, write string) []byte {
	return custody.Context(string(bucket), key, write)
}

// boundRecord is what the record of a row is bound to.
func boundRecord(r *Row) []byte {
	return custody.Context(string(r.Bucket), r.Key, string(r.Version), r.Write,
		strconv.FormatInt(r.Size, 10), strconv.FormatInt(r.Modified.UnixMicro(), 10), strconv.Itoa(r.Parts))
}

// sealDataKey seals a data key under the key of a bucket. With a customer's own key it is sealed under that first.
func sealDataKey(k *custody.Opened, bucket BucketID, key, id, write string, dataKey custody.Secret, customer *CustomerKey) ([]byte, error) {
	content := dataKey.Reveal()
	if customer != nil {
		own, err := custody.NewOpened(customer.Key)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrCustomerKey, err)
		}
		defer own.Wipe()
		box, err := own.Seal(custody.PurposeCustomerKey, boundCustomer(bucket, key, write), content)
		if err != nil {
			return nil, err
		}
		content, _ = box.MarshalBinary() // never fails
	}
	return sealBox(k, custody.PurposeObjectKey, boundKey(bucket, key, id, write), content)
}

// openDataKey is the reverse of sealDataKey. Whether the customer's key is the right one is for the
// caller to compare before, by its MD5.
func openDataKey(k *custody.Opened, bucket BucketID, key, id, write string, sealed []byte, customer *CustomerKey) (custody.Secret, error) {
	dataKey, err := openBox(k, custody.PurposeObjectKey, boundKey(bucket, key, id, write), sealed)
	if err == nil && customer != nil {
		inner := dataKey
		defer inner.Wipe()
		own, nerr := custody.NewOpened(customer.Key)
		if nerr != nil {
			return custody.Secret{}, fmt.Errorf("%w: %w", ErrCustomerKey, nerr)
		}
		defer own.Wipe()
		dataKey, err = openBox(own, custody.PurposeCustomerKey, boundCustomer(bucket, key, write), inner.Reveal())
	}
	if err == nil && dataKey.Len() != dataKeySize {
		dataKey.Wipe()
		err = custody.ErrUnreadable
	}
	if err != nil {
		return custody.Secret{}, fmt.Errorf("opening the data key: %w", err)
	}
	return dataKey, nil
}

// sealRecord seals what a bucket remembers of the object of a row, whose other fields are as they will
// be stored.
func sealRecord(k *custody.Opened, r *Row, rec *record) ([]byte, error) {
	return sealJSON(k, boundRecord(r), rec)
}

// openRecord is the reverse of sealRecord.
func openRecord(k *custody.Opened, r *Row) (*record, error) {
	rec := new(record)
	if err := openJSON(k, boundRecord(r), r.Record, rec); err != nil {
		return nil, fmt.Errorf("opening the record: %w", err)
	}
	return rec, nil
}

// sealJSON seals a record under the key of a bucket.
func sealJSON(k *custody.Opened, bound []byte, v any) ([]byte, error) {
	content, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a record: %w", err)
	}
	defer clear(content) // that of an upload holds a key
	if len(content) > custody.MaxPlaintext {
		return nil, ErrMetadataSize
	}
	return sealBox(k, custody.PurposeObjectRecord, bound, content)
}

// openJSON is the reverse of sealJSON.
func openJSON(k *custody.Opened, bound, sealed []byte, v any) error {
	content, err := openBox(k, custody.PurposeObjectRecord, bound, sealed)
	if err != nil {
		return err
	}
	defer content.Wipe()
	if err := json.Unmarshal(content.Reveal(), v); err != nil {
		return fmt.Errorf("%w: decoding a record: %w", ErrDamaged, err)
	}
	return nil
}

func sealBox(k *custody.Opened, p custody.Purpose, bound, content []byte) ([]byte, error) {
	box, err := k.Seal(p, bound, content)
	if err != nil {
		return nil, err
	}
	return box.MarshalBinary()
}

// openBox opens what sealBox made. That it does not open is ErrDamaged, whatever is wrong with it; a key
// that was wiped meanwhile is custody.ErrUnloaded.
func openBox(k *custody.Opened, p custody.Purpose, bound, sealed []byte) (custody.Secret, error) {
	box, err := custody.ParseBox(sealed)
	if err != nil {
		return custody.Secret{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	content, err := k.Open(p, bound, box)
	if errors.Is(err, custody.ErrUnreadable) {
		return custody.Secret{}, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return content, err
}

// reseal seals data key and record of a row under another key of its bucket. Neither needs what the
// caller of the object alone has.
func reseal(from, to *custody.Opened, r *Row, id BucketKeyID) error {
	bound := boundKey(r.Bucket, r.Key, string(r.Version), r.Write)
	dataKey, err := openBox(from, custody.PurposeObjectKey, bound, r.DataKey)
	if err != nil {
		return fmt.Errorf("opening the data key: %w", err)
	}
	defer dataKey.Wipe()
	rec, err := openRecord(from, r)
	if err != nil {
		return err
	}
	if r.DataKey, err = sealBox(to, custody.PurposeObjectKey, bound, dataKey.Reveal()); err != nil {
		return err
	}
	if r.Record, err = sealRecord(to, r, rec); err != nil {
		return err
	}
	r.SealedBy = id
	return nil
}
