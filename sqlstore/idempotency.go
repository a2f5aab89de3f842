package sqlstore

import (
	"context"
	"crypto/hmac"
	"time"

	"strongroom/audit"
	"strongroom/kms"
)

// requestSum is the form in which a request is kept. As a MAC it lets nobody who has the database
// try out what the request may have said.
func (s *Keys) requestSum(f kms.First) []byte { return s.db.sum("request", f.Request[:]) }

// firstColumns are the columns that the MAC of a first request covers: all.
func firstColumns(f kms.First, request []byte) []any {
	return []any{string(f.Instance), string(f.Caller), f.Key, request, f.Made, string(f.Of), f.At}
}

// FirstRequest implements kms.Store.
func (s *Keys) FirstRequest(ctx context.Context, f kms.First, after time.Time) (kms.First, bool, error) {
	var (
		first        = kms.First{Instance: f.Instance, Caller: f.Caller, Key: f.Key}
		at           int64
		request, mac []byte
	)
	err := s.db.queryRow(ctx, `
		SELECT request, made, of_key, at, mac FROM first_requests
		WHERE instance = $1 AND caller = $2 AND key = $3 AND at > $4`,
		string(f.Instance), string(f.Caller), f.Key, micros(after)).
		Scan(&request, &first.Made, &first.Of, &at, &mac)
	if err != nil {
		return kms.First{}, false, absent(err)
	}
	first.At = fromMicros(at)
	if err := s.db.check(mac, "first_requests", f.Key, firstColumns(first, request)...); err != nil {
		return kms.First{}, false, err
	}
	return first, hmac.Equal(request, s.requestSum(f)), nil
}

// insertFirst adds the request that made a version, or returns kms.ErrRepeated.
func (s *Keys) insertFirst(ctx context.Context, t *tx, f kms.First) error {
	request := s.requestSum(f)
	n, err := t.exec(ctx, `
		INSERT INTO first_requests (instance, caller, key, request, made, of_key, at, mac)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (instance, caller, key) DO UPDATE SET request = excluded.request, made = excluded.made,
			of_key = excluded.of_key, at = excluded.at, mac = excluded.mac
		WHERE first_requests.at <= $9`,
		string(f.Instance), string(f.Caller), f.Key, request, f.Made, string(f.Of), micros(f.At),
		s.db.sum("first_requests", firstColumns(f, request)...), micros(f.At.Add(-kms.RepeatWindow)))
	if err == nil && n == 0 {
		err = kms.ErrRepeated
	}
	return err
}

// RecordEvent implements kms.Store.
func (s *Keys) RecordEvent(ctx context.Context, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error { return t.record(ctx, ev) })
}

// ForgetRequests implements kms.Store.
func (s *Keys) ForgetRequests(ctx context.Context, before time.Time) (more bool, err error) {
	err = s.db.update(ctx, func(ctx context.Context, t *tx) error {
		n, err := t.exec(ctx, `
			DELETE FROM first_requests WHERE (instance, caller, key) IN (
				SELECT instance, caller, key FROM first_requests WHERE at <= $1 ORDER BY at LIMIT $2)`,
			micros(before), forgetBatch)
		more = n == forgetBatch
		return err
	})
	return more, err
}
