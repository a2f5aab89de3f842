package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/objects"
)

// uploadColumns are the columns of an upload in the order in which scanUpload reads them.
const uploadColumns = `u.seq, u.id, u.bucket, u.key, u.initiator, u.started_at, u.algorithm, u.composite, u.customer_md5,
	u.write, u.sealed_by, u.data_key, u.record, u.attributes, u.customer, u.completed, u.completed_at, u.revision, u.mac,
	(SELECT name FROM buckets WHERE id = u.bucket)`

// storedUpload is an upload with what only the store knows of it.
type storedUpload struct {
	objects.UploadRow
	seq       int64
	completed time.Time
}

// Upload implements objects.Store.
func (s *Objects) Upload(ctx context.Context, bucket objects.BucketID, key string, id objects.UploadID) (objects.UploadRow, error) {
	u, err := s.upload(ctx, s.read, bucket, key, id)
	return u.UploadRow, err
}

func (s *Objects) upload(ctx context.Context, from querier, bucket objects.BucketID, key string, id objects.UploadID) (storedUpload, error) {
	u, err := s.scanUpload(from.queryRow(ctx, `SELECT `+uploadColumns+` FROM uploads u
		WHERE u.bucket = $1 AND u.id = $2 AND u.key = $3`, string(bucket), string(id), []byte(key)))
	return u, absent(err)
}

// open returns an upload that is open, or objects.ErrNoUpload.
func (s *Objects) open(ctx context.Context, t *tx, bucket objects.BucketID, key string, id objects.UploadID) (storedUpload, error) {
	u, err := s.upload(ctx, t, bucket, key, id)
	if errors.Is(err, ErrNotFound) || err == nil && u.Completed != "" {
		err = objects.ErrNoUpload
	}
	return u, err
}

// openAt is open for an upload that is to have a revision.
func (s *Objects) openAt(ctx context.Context, t *tx, u objects.UploadRow) (storedUpload, error) {
	was, err := s.open(ctx, t, u.BucketID, u.Key, u.ID)
	if err == nil && was.Revision != u.Revision {
		err = ErrStale
	}
	return was, err
}

// CreateUpload implements objects.Store.
func (s *Objects) CreateUpload(ctx context.Context, u objects.UploadRow, ev *audit.Event) error {
	u.Revision, u.Completed = 1, ""
	values, err := s.uploadValues(storedUpload{UploadRow: u})
	if err != nil {
		return err
	}
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `
			INSERT INTO uploads (id, bucket, key, initiator, started_at, algorithm, composite, customer_md5, write,
				sealed_by, data_key, record, attributes, customer, completed, completed_at, revision, mac)
			VALUES (`+placeholders(1, len(values))+`) ON CONFLICT (bucket, id) DO NOTHING`, values...)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
		var counts counts
		counts.of(u.SealedBy).uploads++
		if err := t.countIn(ctx, u.BucketID, anyRevision, u.SealedBy, counts, 0); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// PutPart implements objects.Store.
func (s *Objects) PutPart(ctx context.Context, u objects.UploadRow, p objects.PartRow, quota int64, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		was, err := s.open(ctx, t, u.BucketID, u.Key, u.ID)
		if err != nil {
			return err
		}
		rows, err := t.query(ctx, `DELETE FROM upload_parts WHERE upload = $1 AND number = $2 RETURNING blob, size`, was.seq, p.Number)
		var freed int64
		old, err := collect(rows, err, func(row scanner) (objects.BlobID, error) {
			id, size, err := scanBlobID(row)
			freed += size
			return id, err
		})
		if err != nil {
			return err
		}
		var counts counts
		counts.of(was.SealedBy).uploadBytes = p.Size - freed
		if err := t.countIn(ctx, u.BucketID, anyRevision, was.SealedBy, counts, quota); err != nil {
			return err
		}
		if err := t.putParts(ctx, uploadParts, was.seq, []objects.PartRow{p}); err != nil {
			return err
		}
		if err := t.exchangeBlobs(ctx, old, []objects.PartRow{p}); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// UploadParts implements objects.Store.
func (s *Objects) UploadParts(ctx context.Context, u objects.UploadRow, after, limit int) ([]objects.PartRow, error) {
	was, err := s.upload(ctx, s.read, u.BucketID, u.Key, u.ID)
	if err != nil {
		return nil, err
	}
	return parts(ctx, s.read, uploadParts, false, was.seq, after, limit)
}

// RemoveUpload implements objects.Store.
func (s *Objects) RemoveUpload(ctx context.Context, u objects.UploadRow, ev *audit.Event) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		was, err := s.openAt(ctx, t, u)
		if err != nil {
			return err
		}
		var counts counts
		if err := s.dropUpload(ctx, t, was, &counts); err != nil {
			return err
		}
		if err := t.addCounts(ctx, u.BucketID, counts); err != nil {
			return err
		}
		return t.record(ctx, ev)
	})
}

// dropUpload removes an upload with its parts, whose blobs die.
func (s *Objects) dropUpload(ctx context.Context, t *tx, u storedUpload, counts *counts) error {
	if _, err := t.exec(ctx, `DELETE FROM uploads WHERE seq = $1`, u.seq); err != nil {
		return err
	}
	if u.Completed != "" {
		return nil
	}
	blobs, bytes, err := t.takeParts(ctx, uploadParts, u.seq)
	if err != nil {
		return err
	}
	n := counts.of(u.SealedBy)
	n.uploads--
	n.uploadBytes -= bytes
	return t.exchangeBlobs(ctx, blobs, nil)
}

// UpdateUpload implements objects.Store.
func (s *Objects) UpdateUpload(ctx context.Context, u objects.UploadRow) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		was, err := s.openAt(ctx, t, u)
		if err != nil {
			return err
		}
		u.Revision++
		u.Completed = ""
		if err := s.writeUpload(ctx, t, storedUpload{UploadRow: u, seq: was.seq}); err != nil || was.SealedBy == u.SealedBy {
			return err
		}
		var bytes int64
		err = t.queryRow(ctx, `SELECT CAST(COALESCE(sum(size), 0) AS BIGINT) FROM upload_parts WHERE upload = $1`, was.seq).Scan(&bytes)
		if err != nil {
			return err
		}
		var counts counts
		*counts.of(was.SealedBy) = count{uploads: -1, uploadBytes: -bytes}
		*counts.of(u.SealedBy) = count{uploads: 1, uploadBytes: bytes}
		return t.countIn(ctx, u.BucketID, anyRevision, u.SealedBy, counts, 0)
	})
}

// completeUpload ends the upload that a new version comes from, and returns the blobs of its parts.
func (s *Objects) completeUpload(ctx context.Context, t *tx, p objects.PutVersion, counts *counts) ([]objects.BlobID, error) {
	u, err := s.open(ctx, t, p.Row.Bucket, p.Row.Key, p.Upload)
	if err != nil {
		return nil, err
	}
	blobs, bytes, err := t.takeParts(ctx, uploadParts, u.seq)
	if err != nil {
		return nil, err
	}
	held := make(map[objects.BlobID]bool, len(blobs))
	for _, id := range blobs {
		held[id] = true
	}
	for i := range p.Parts {
		if !held[p.Parts[i].Blob.ID] {
			return nil, ErrStale // the part was replaced since the caller has read it
		}
	}
	n := counts.of(u.SealedBy)
	n.uploads--
	n.uploadBytes -= bytes
	u.Revision++
	u.Completed, u.completed = p.Row.Version, t.now
	return blobs, s.writeUpload(ctx, t, u)
}

// ForgetUploads implements objects.Store.
func (s *Objects) ForgetUploads(ctx context.Context, before time.Time) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM uploads WHERE completed <> '' AND completed_at < $1`, micros(before))
		return err
	})
}

// writeUpload writes all columns of an upload.
func (s *Objects) writeUpload(ctx context.Context, t *tx, u storedUpload) error {
	values, err := s.uploadValues(u)
	if err != nil {
		return err
	}
	return t.swap(ctx, `
		UPDATE uploads SET id = $2, bucket = $3, key = $4, initiator = $5, started_at = $6, algorithm = $7,
			composite = $8, customer_md5 = $9, write = $10, sealed_by = $11, data_key = $12, record = $13,
			attributes = $14, customer = $15, completed = $16, completed_at = $17, revision = $18, mac = $19
		WHERE seq = $1`, append([]any{u.seq}, values...)...)
}

// uploadAttributes are what an upload may have beside the columns.
type uploadAttributes struct {
	ACL    objects.ACL              `json:",omitempty"`
	Lock   objects.Lock             `json:",omitzero"`
	Retain objects.RetentionRequest `json:",omitzero"`
}

// uploadValues returns the values of all columns of an upload but seq.
func (s *Objects) uploadValues(u storedUpload) ([]any, error) {
	text, err := json.Marshal(uploadAttributes{ACL: u.ACL, Lock: u.Lock, Retain: u.Retain})
	if err != nil {
		return nil, fmt.Errorf("encoding attributes of upload %s: %w", u.ID, err)
	}
	return []any{
		string(u.ID), string(u.BucketID), []byte(u.Key), u.Initiator, micros(u.Started), string(u.Algorithm), u.Composite,
		u.CustomerKeyMD5, u.Write, string(u.SealedBy), nonNil(u.DataKey), nonNil(u.Record), string(text), u.Customer,
		string(u.Completed), micros(u.completed), u.Revision, s.db.sum("uploads", uploadMACed(u, string(text))...),
	}, nil
}

// uploadMACed are the columns that the MAC of an upload covers: all.
func uploadMACed(u storedUpload, attributes string) []any {
	return []any{
		string(u.ID), string(u.BucketID), u.Key, u.Initiator, u.Started, string(u.Algorithm), u.Composite,
		u.CustomerKeyMD5, u.Write, string(u.SealedBy), u.DataKey, u.Record, attributes, u.Customer,
		string(u.Completed), u.completed, u.Revision,
	}
}

func (s *Objects) scanUpload(row scanner) (storedUpload, error) {
	var (
		u                  storedUpload
		started, completed int64
		text               string
		mac                []byte
		name               *string
	)
	err := row.Scan(&u.seq, &u.ID, &u.BucketID, &u.Key, &u.Initiator, &started, &u.Algorithm, &u.Composite,
		&u.CustomerKeyMD5, &u.Write, &u.SealedBy, &u.DataKey, &u.Record, &text, &u.Customer, &u.Completed,
		&completed, &u.Revision, &mac, &name)
	if err != nil {
		return storedUpload{}, err
	}
	u.Started, u.completed = fromMicros(started), fromMicros(completed)
	if err := s.db.check(mac, "uploads", string(u.ID), uploadMACed(u, text)...); err != nil {
		return storedUpload{}, err
	}
	if name != nil {
		u.Bucket = *name
	}
	var a uploadAttributes
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		return storedUpload{}, fmt.Errorf("reading attributes of upload %s: %w", u.ID, err)
	}
	u.ACL, u.Lock, u.Retain = a.ACL, a.Lock, a.Retain
	return u, nil
}

// emptyUploads removes uploads of a bucket, at most limit of them, and returns how many.
func (s *Objects) emptyUploads(ctx context.Context, t *tx, bucket objects.BucketID, limit int) (int, error) {
	rows, err := t.query(ctx, `SELECT `+uploadColumns+` FROM uploads u WHERE u.bucket = $1 LIMIT $2`, string(bucket), limit)
	all, err := collect(rows, err, s.scanUpload)
	if err != nil {
		return 0, err
	}
	var counts counts
	for _, u := range all {
		if err := s.dropUpload(ctx, t, u, &counts); err != nil {
			return 0, err
		}
	}
	return len(all), t.addCounts(ctx, bucket, counts)
}
