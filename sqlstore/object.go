package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strongroom/audit"
	"strongroom/objects"
)

// rowColumns are the columns of a version in the order in which scanRow reads them.
const rowColumns = `seq, bucket, key, version, latest, marker, size, modified_at, opaque, write, sealed_by, data_key,
	record, parts, attributes, customer, revision, mac`

// Latest implements objects.Store.
func (s *Objects) Latest(ctx context.Context, bucket objects.BucketID, key string) (objects.Row, error) {
	r, err := s.newest(ctx, s.read, bucket, key)
	return r, absent(err)
}

// newest hides its arguments from SQLite's planner by a plus sign: where it can see them, it plans a kept
// statement anew each time that they change.
func (s *Objects) newest(ctx context.Context, from querier, bucket objects.BucketID, key string) (objects.Row, error) {
	return s.scanRow(from.queryRow(ctx, `SELECT `+rowColumns+` FROM objects
		WHERE bucket = +$1 AND key = +$2 ORDER BY seq DESC LIMIT 1`, string(bucket), []byte(key)))
}

// Version implements objects.Store.
func (s *Objects) Version(ctx context.Context, bucket objects.BucketID, key string, id objects.VersionID) (objects.Row, error) {
	r, err := s.version(ctx, s.read, bucket, key, id)
	return r, absent(err)
}

func (s *Objects) version(ctx context.Context, from querier, bucket objects.BucketID, key string, id objects.VersionID) (objects.Row, error) {
	return s.scanRow(from.queryRow(ctx, `SELECT `+rowColumns+` FROM objects
		WHERE bucket = $1 AND key = $2 AND version = $3`, string(bucket), []byte(key), string(id)))
}

// PutVersion implements objects.Store.
func (s *Objects) PutVersion(ctx context.Context, p objects.PutVersion) (objects.Row, error) {
	r := p.Row
	r.Latest, r.Revision, r.Modified = true, 1, fromMicros(micros(r.Modified))
	text, err := encodeAttributes(r)
	if err != nil {
		return objects.Row{}, err
	}
	err = s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		var counts counts
		old, err := s.giveWay(ctx, t, p, &counts)
		if err != nil {
			return err
		}
		if p.Upload != "" {
			was, err := s.completeUpload(ctx, t, p, &counts)
			if err != nil {
				return err
			}
			old = append(old, was...)
		}
		counts.row(r, 1)
		if err := t.countIn(ctx, r.Bucket, p.BucketRevision, r.SealedBy, counts, p.Quota); err != nil {
			return err
		}
		err = t.queryRow(ctx, `
			INSERT INTO objects (bucket, key, version, latest, marker, size, modified_at, opaque, write, sealed_by,
				data_key, record, parts, attributes, customer, revision, mac)
			VALUES (`+placeholders(1, 17)+`) RETURNING seq`, s.rowValues(r, text)...).Scan(&r.Seq)
		if err != nil {
			return err
		}
		if err := t.putParts(ctx, objectParts, r.Seq, p.Parts); err != nil {
			return err
		}
		if err := t.exchangeBlobs(ctx, old, p.Parts); err != nil {
			return err
		}
		return t.record(ctx, p.Event)
	})
	return r, err
}

// giveWay makes room for a new version: what was the newest is not any more, and the null version
// is removed if the new one is another. It returns the blobs of what it has removed.
func (s *Objects) giveWay(ctx context.Context, t *tx, p objects.PutVersion, counts *counts) ([]objects.BlobID, error) {
	was, err := s.newest(ctx, t, p.Row.Bucket, p.Row.Key)
	if err = absent(err); errors.Is(err, ErrNotFound) {
		if p.Expected != nil {
			return nil, ErrStale
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if p.Absent || p.Expected != nil && (p.Expected.Seq != was.Seq || p.Expected.Revision != was.Revision) {
		return nil, ErrStale
	}
	if p.Row.Version == objects.NullVersion && was.Version == objects.NullVersion {
		return s.dropRow(ctx, t, was, counts)
	}
	if _, err := t.exec(ctx, `UPDATE objects SET latest = FALSE WHERE seq = $1`, was.Seq); err != nil {
		return nil, err
	}
	counts.row(was, -1)
	was.Latest = false
	counts.row(was, 1)
	if p.Row.Version != objects.NullVersion {
		return nil, nil
	}
	null, err := s.version(ctx, t, p.Row.Bucket, p.Row.Key, objects.NullVersion)
	if err = absent(err); errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return s.dropRow(ctx, t, null, counts)
}

// dropRow removes a version and returns its blobs.
func (s *Objects) dropRow(ctx context.Context, t *tx, r objects.Row, counts *counts) ([]objects.BlobID, error) {
	err := t.swap(ctx, `DELETE FROM objects WHERE seq = $1 AND revision = $2`, r.Seq, r.Revision)
	if err != nil {
		return nil, t.rowGone(ctx, r, err)
	}
	counts.row(r, -1)
	if r.Parts == 0 {
		return nil, nil
	}
	blobs, _, err := t.takeParts(ctx, objectParts, r.Seq)
	return blobs, err
}

func (t *tx) rowGone(ctx context.Context, r objects.Row, err error) error {
	return t.gone(ctx, err, `SELECT 1 FROM objects WHERE seq = $1`, r.Seq)
}

// RemoveVersion implements objects.Store.
func (s *Objects) RemoveVersion(ctx context.Context, r objects.Row, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		var counts counts
		// Whether it is the newest is for what is stored to say: that changes without a new revision.
		newest, err := s.newest(ctx, t, r.Bucket, r.Key)
		if err != nil {
			return absent(err)
		}
		r.Latest = newest.Seq == r.Seq
		blobs, err := s.dropRow(ctx, t, r, &counts)
		if err != nil {
			return err
		}
		if r.Latest {
			if err := s.promote(ctx, t, r, &counts); err != nil {
				return err
			}
		}
		if err := t.addCounts(ctx, r.Bucket, counts); err != nil {
			return err
		}
		if err := t.exchangeBlobs(ctx, blobs, nil); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// promote makes the newest of the versions that are left the newest, after one was removed.
func (s *Objects) promote(ctx context.Context, t *tx, removed objects.Row, counts *counts) error {
	next, err := s.newest(ctx, t, removed.Bucket, removed.Key)
	if err = absent(err); errors.Is(err, ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, err := t.exec(ctx, `UPDATE objects SET latest = TRUE WHERE seq = $1`, next.Seq); err != nil {
		return err
	}
	counts.row(next, -1)
	next.Latest = true
	counts.row(next, 1)
	return nil
}

// UpdateVersion implements objects.Store.
func (s *Objects) UpdateVersion(ctx context.Context, r objects.Row, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		if err := s.updateRow(ctx, t, r); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// ReplaceContent implements objects.Store.
func (s *Objects) ReplaceContent(ctx context.Context, r objects.Row, parts []objects.PartRow) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		if err := s.updateRow(ctx, t, r); err != nil {
			return err
		}
		old, _, err := t.takeParts(ctx, objectParts, r.Seq)
		if err != nil {
			return err
		}
		if err := t.putParts(ctx, objectParts, r.Seq, parts); err != nil {
			return err
		}
		return t.exchangeBlobs(ctx, old, parts)
	})
}

// updateRow writes a version at the revision after the one that it has, if that is the stored one.
// What it is called and whether it is the newest stays.
func (s *Objects) updateRow(ctx context.Context, t *tx, r objects.Row) error {
	was, err := s.version(ctx, t, r.Bucket, r.Key, r.Version)
	switch {
	case err != nil:
		return absent(err)
	case was.Seq != r.Seq:
		return ErrNotFound // another one that was given the same ID
	case was.Revision != r.Revision:
		return ErrStale
	}
	r.Revision++
	r.Latest = was.Latest
	text, err := encodeAttributes(r)
	if err != nil {
		return err
	}
	values := s.rowValues(r, text)
	const unchanged = 4 // bucket, key, version and latest
	_, err = t.exec(ctx, `
		UPDATE objects SET marker = $2, size = $3, modified_at = $4, opaque = $5, write = $6, sealed_by = $7,
			data_key = $8, record = $9, parts = $10, attributes = $11, customer = $12, revision = $13, mac = $14
		WHERE seq = $1`, append([]any{r.Seq}, values[unchanged:]...)...)
	if err != nil {
		return err
	}
	var counts counts
	counts.row(was, -1)
	counts.row(r, 1)
	if was.SealedBy != r.SealedBy {
		return t.countIn(ctx, r.Bucket, anyRevision, r.SealedBy, counts, 0)
	}
	return t.addCounts(ctx, r.Bucket, counts)
}

// attributes are what a version or upload may have beside the columns.
type attributes struct {
	ACL     objects.ACL        `json:",omitempty"`
	Lock    objects.Lock       `json:",omitzero"`
	Retain  *objects.Retention `json:",omitempty"`
	Archive objects.Archive    `json:",omitzero"`
}

// encodeAttributes returns the stored form of the attributes of a version: most have none.
func encodeAttributes(r objects.Row) (string, error) {
	a := attributes{ACL: r.ACL, Lock: r.Lock, Retain: r.Retain, Archive: r.Archive}
	if a == (attributes{}) {
		return "", nil
	}
	text, err := json.Marshal(a)
	if err != nil {
		return "", fmt.Errorf("encoding attributes of object %q: %w", r.Key, err)
	}
	return string(text), nil
}

// rowValues returns the values of all columns of a version but seq.
func (s *Objects) rowValues(r objects.Row, attributes string) []any {
	return []any{
		string(r.Bucket), []byte(r.Key), string(r.Version), r.Latest, r.Marker, r.Size, micros(r.Modified), r.Opaque,
		r.Write, string(r.SealedBy), nonNil(r.DataKey), nonNil(r.Record), r.Parts, attributes, r.Customer, r.Revision,
		s.db.sum("objects", rowMACed(&r, attributes)...),
	}
}

// rowMACed are the columns that the MAC of a version covers: all but the order of the versions,
// which who writes the database can also change by removing the newer ones.
func rowMACed(r *objects.Row, attributes string) []any {
	return []any{
		string(r.Bucket), r.Key, string(r.Version), r.Marker, r.Size, r.Modified, r.Opaque,
		r.Write, string(r.SealedBy), r.DataKey, r.Record, r.Parts, attributes, r.Customer, r.Revision,
	}
}

func (s *Objects) scanRow(row scanner) (objects.Row, error) {
	var (
		r        objects.Row
		modified int64
		text     string
		mac      []byte
	)
	err := row.Scan(&r.Seq, &r.Bucket, &r.Key, &r.Version, &r.Latest, &r.Marker, &r.Size, &modified, &r.Opaque, &r.Write,
		&r.SealedBy, &r.DataKey, &r.Record, &r.Parts, &text, &r.Customer, &r.Revision, &mac)
	if err != nil {
		return objects.Row{}, err
	}
	r.Modified = fromMicros(modified)
	if err := s.db.check(mac, "objects", r.Key, rowMACed(&r, text)...); err != nil {
		return objects.Row{}, err
	}
	if text == "" {
		return r, nil
	}
	var a attributes
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return objects.Row{}, fmt.Errorf("reading attributes of object %q: %w", r.Key, err)
	}
	r.ACL, r.Lock, r.Retain, r.Archive = a.ACL, a.Lock, a.Retain, a.Archive
	return r, nil
}

// PartsOf implements objects.Store.
func (s *Objects) PartsOf(ctx context.Context, r objects.Row) ([]objects.PartRow, error) {
	return parts(ctx, s.read, objectParts, true, r.Seq, 0, 0)
}

// emptyBatch removes versions of a bucket, at most limit of them, and returns how many.
func (s *Objects) emptyBatch(ctx context.Context, t *tx, bucket objects.BucketID, limit int) (int, error) {
	rows, err := t.query(ctx, `SELECT `+rowColumns+` FROM objects WHERE bucket = $1 ORDER BY key, seq DESC LIMIT $2`,
		string(bucket), limit)
	all, err := collect(rows, err, s.scanRow)
	if err != nil {
		return 0, err
	}
	var counts counts
	var blobs []objects.BlobID
	for _, r := range all {
		of, err := s.dropRow(ctx, t, r, &counts)
		if err != nil {
			return 0, err
		}
		blobs = append(blobs, of...)
	}
	if err := t.addCounts(ctx, bucket, counts); err != nil {
		return 0, err
	}
	return len(all), t.exchangeBlobs(ctx, blobs, nil)
}
