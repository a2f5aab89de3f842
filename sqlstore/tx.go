package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/internal/lease"
)

// Failures that every store shares. Domains turn them into their own.
var (
	// ErrNotFound says authoritatively that there is no such row.
	ErrNotFound = fault.New(fault.NotFound, "does not exist")
	// ErrStale says that the row has another revision than was expected.
	ErrStale = fault.New(fault.Stale, "was changed by somebody else in the meantime; read it again and retry")
	// ErrExists says that a unique name or ID is taken.
	ErrExists = fault.New(fault.Conflict, "already exists")
)

// writeTimeout bounds a transaction, waiting for the writer included.
const writeTimeout = 15 * time.Second

// tx is a writing transaction. What it changes, records and announces becomes
// visible together or not at all.
type tx struct {
	*sql.Tx
	db      *DB
	now     time.Time // one clock reading for the whole transaction
	changes []lease.Change
	events  bool

	kept  *prepared // statements that are kept, in a transaction of updateKept
	parse []string  // that were not among them
}

func (t *tx) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	t.db.statements.Add(1)
	if s := t.keep(ctx, q); s != nil {
		return s.QueryContext(ctx, args...)
	}
	return t.QueryContext(ctx, q, args...)
}

func (t *tx) queryRow(ctx context.Context, q string, args ...any) *sql.Row {
	t.db.statements.Add(1)
	if s := t.keep(ctx, q); s != nil {
		return s.QueryRowContext(ctx, args...)
	}
	return t.QueryRowContext(ctx, q, args...)
}

// exec runs a statement and returns how many rows it touched.
func (t *tx) exec(ctx context.Context, q string, args ...any) (int64, error) {
	t.db.statements.Add(1)
	var res sql.Result
	var err error
	if s := t.keep(ctx, q); s != nil {
		res, err = s.ExecContext(ctx, args...)
	} else {
		res, err = t.ExecContext(ctx, q, args...)
	}
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// swap runs an UPDATE or DELETE that names the expected revision, and returns
// ErrStale if it touched no row.
func (t *tx) swap(ctx context.Context, q string, args ...any) error {
	n, err := t.exec(ctx, q, args...)
	if err == nil && n == 0 {
		err = ErrStale
	}
	return err
}

// changed announces that the transaction wrote a record which caches may hold.
func (t *tx) changed(kind lease.Kind, scope, id string) {
	t.changes = append(t.changes, lease.Change{Kind: kind, Scope: scope, ID: id})
}

// record puts the event of the change into the outbox. A nil event is for
// writes that are part of a change recorded elsewhere.
func (t *tx) record(ctx context.Context, ev *audit.Event) error {
	if ev == nil {
		return nil
	}
	if ev.ID == "" {
		ev.ID = uuid.Must(uuid.NewV7()).String()
	}
	if ev.Time.IsZero() {
		ev.Time = t.now
	}
	body, err := json.Marshal(ev)
	if err != nil {
		return fmt.Errorf("encoding event: %w", err)
	}
	_, err = t.exec(ctx, `INSERT INTO outbox (event_id, server, body, at, mac) VALUES ($1, $2, $3, $4, $5)`,
		ev.ID, t.db.server, body, micros(t.now), t.db.sum("outbox", ev.ID, t.db.server, body))
	t.events = true
	return err
}

// announce writes the change rows under the next number of their shard. It is
// the last statement of a transaction: the head's row stays locked to the commit.
func (t *tx) announce(ctx context.Context) error {
	if len(t.changes) == 0 {
		return nil
	}
	shard := shardOf(t.changes[0].Scope)
	var seq int64
	err := t.queryRow(ctx, `UPDATE change_heads SET seq = seq + 1 WHERE shard = $1 RETURNING seq`, shard).Scan(&seq)
	if err != nil {
		return fmt.Errorf("taking a change number: %w", err)
	}
	for pos, c := range t.changes {
		_, err := t.exec(ctx, `INSERT INTO changes (shard, seq, pos, kind, scope, id) VALUES ($1, $2, $3, $4, $5, $6)`,
			shard, seq, pos, string(c.Kind), c.Scope, c.ID)
		if err != nil {
			return fmt.Errorf("writing the change feed: %w", err)
		}
	}
	return nil
}

func shardOf(scope string) int {
	h := fnv.New32a()
	h.Write([]byte(scope))
	return int(h.Sum32() % 16)
}

// update runs do in a writing transaction. It does not end early when the
// caller goes away: what began is either committed or rolled back. If the fate
// of the commit is unknown, every cache is dropped.
func (db *DB) update(ctx context.Context, do func(ctx context.Context, t *tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	sqlTx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("beginning a transaction: %w", err)
	}
	t := &tx{Tx: sqlTx, db: db, now: db.now().UTC()}
	defer sqlTx.Rollback() // does nothing after a commit
	if err := do(ctx, t); err != nil {
		return err
	}
	if err := t.announce(ctx); err != nil {
		return err
	}
	db.statements.Add(1)
	db.hub.Announce(t.changes)
	if err := sqlTx.Commit(); err != nil {
		db.hub.DropAll()
		db.hub.Apply(t.changes)
		return fmt.Errorf("committing: %w", err)
	}
	db.hub.Apply(t.changes)
	if t.events {
		select {
		case db.committed <- struct{}{}:
		default:
		}
	}
	return nil
}

// absent turns the driver's "no rows" into ErrNotFound.
func absent(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrNotFound
	}
	return err
}
