package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"strongroom/audit"
	"strongroom/objects"
)

const jobColumns = `id, bucket, kind, state, created_at, updated_at, body, revision, mac`

// Job implements objects.Store.
func (s *Objects) Job(ctx context.Context, id string) (objects.Job, error) {
	j, err := s.scanJob(s.read.queryRow(ctx, `SELECT `+jobColumns+` FROM object_jobs WHERE id = $1`, id))
	return j, absent(err)
}

// Jobs implements objects.Store.
func (s *Objects) Jobs(ctx context.Context, bucket objects.BucketID, limit int) ([]objects.Job, error) {
	rows, err := s.read.query(ctx, `SELECT `+jobColumns+` FROM object_jobs WHERE bucket = $1
		ORDER BY created_at DESC, id DESC LIMIT $2`, string(bucket), limit)
	return collect(rows, err, s.scanJob)
}

// RunningJobs implements objects.Store.
func (s *Objects) RunningJobs(ctx context.Context) ([]objects.Job, error) {
	rows, err := s.read.query(ctx, `SELECT `+jobColumns+` FROM object_jobs WHERE state = 'running' ORDER BY id`)
	return collect(rows, err, s.scanJob)
}

// CreateJob implements objects.Store.
func (s *Objects) CreateJob(ctx context.Context, j objects.Job, ev *audit.Event) error {
	j.Revision = 1
	row, err := s.jobRow(j)
	if err != nil {
		return err
	}
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `INSERT INTO object_jobs (`+jobColumns+`) VALUES (`+placeholders(1, len(row))+`)
			ON CONFLICT DO NOTHING`, row...)
		if err != nil {
			return err
		}
		if n == 0 {
			return objects.ErrBusy
		}
		return t.record(ctx, ev)
	})
}

// UpdateJob implements objects.Store.
func (s *Objects) UpdateJob(ctx context.Context, j objects.Job) error {
	j.Revision++
	row, err := s.jobRow(j)
	if err != nil {
		return err
	}
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		err := t.swap(ctx, `
			UPDATE object_jobs SET bucket = $2, kind = $3, state = $4, created_at = $5, updated_at = $6, body = $7,
				revision = $8, mac = $9
			WHERE id = $1 AND revision = $8 - 1`, row...)
		return t.gone(ctx, err, `SELECT 1 FROM object_jobs WHERE id = $1`, j.ID)
	})
}

// ForgetJobs implements objects.Store.
func (s *Objects) ForgetJobs(ctx context.Context, before time.Time) error {
	return s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `DELETE FROM object_jobs WHERE state <> 'running' AND updated_at < $1`, micros(before))
		return err
	})
}

// jobRow returns the values of all columns of a job. The revision is not part of the body.
func (s *Objects) jobRow(j objects.Job) ([]any, error) {
	body, err := json.Marshal(j)
	if err != nil {
		return nil, fmt.Errorf("encoding job %s: %w", j.ID, err)
	}
	return []any{
		j.ID, string(j.Bucket), string(j.Kind), string(j.State), micros(j.Created), micros(j.Updated), string(body),
		j.Revision, s.db.sum("object_jobs", j.ID, string(body), j.Revision),
	}, nil
}

// scanJob reads a job, of which the body, which the MAC covers, says all.
func (s *Objects) scanJob(row scanner) (objects.Job, error) {
	var (
		id, bucket, kind, state, body string
		created, updated, revision    int64
		mac                           []byte
	)
	if err := row.Scan(&id, &bucket, &kind, &state, &created, &updated, &body, &revision, &mac); err != nil {
		return objects.Job{}, err
	}
	if err := s.db.check(mac, "object_jobs", id, id, body, revision); err != nil {
		return objects.Job{}, err
	}
	var j objects.Job
	if err := json.Unmarshal([]byte(body), &j); err != nil {
		return objects.Job{}, fmt.Errorf("reading job %s: %w", id, err)
	}
	return j, nil
}
