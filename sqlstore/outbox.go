package sqlstore

import (
	"context"
	"fmt"
	"strings"

	"strongroom/audit"
)

// Committed is signalled after transactions that have put events into the
// outbox. One signal may stand for many.
func (db *DB) Committed() <-chan struct{} { return db.committed }

// Outbox returns up to limit events of committed changes that wait to be
// written to this server's audit log, oldest first. A row that was not written
// by us is an error: the log signs what it is given.
func (db *DB) Outbox(ctx context.Context, limit int) ([]*audit.Event, error) {
	// The planner sees no arguments: see Objects.newest.
	rows, err := keptReads{db}.query(ctx, `SELECT event_id, body, mac FROM outbox WHERE server = +$1
		ORDER BY at, event_id LIMIT +$2`, db.server, limit)
	return collect(rows, err, func(s scanner) (*audit.Event, error) {
		var id string
		var body, mac []byte
		if err := s.Scan(&id, &body, &mac); err != nil {
			return nil, err
		}
		if err := db.check(mac, "outbox", id, id, db.server, body); err != nil {
			return nil, err
		}
		ev := new(audit.Event)
		if err := ev.UnmarshalJSON(body); err != nil {
			return nil, fmt.Errorf("reading an event of the outbox: %w", err)
		}
		return ev, nil
	})
}

// Record commits an event that comes with no other change.
func (db *DB) Record(ctx context.Context, ev *audit.Event) error {
	return db.update(ctx, func(ctx context.Context, t *tx) error { return t.record(ctx, ev) })
}

// Delivered removes events that are durable in the log.
func (db *DB) Delivered(ctx context.Context, events []*audit.Event) error {
	if len(events) == 0 {
		return nil
	}
	return db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		for _, ev := range events {
			if _, err := t.exec(ctx, `DELETE FROM outbox WHERE event_id = $1`, ev.ID); err != nil {
				return err
			}
		}
		return nil
	})
}

// placeholders returns "$first, …" for n parameters.
func placeholders(first, n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "$%d", first+i)
	}
	return b.String()
}
