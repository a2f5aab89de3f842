package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// prepared keeps statements parsed: for small ones that takes longer than to run them. It is for those
// whose texts are few, as it keeps them all. Safe for concurrent use.
type prepared struct {
	pool *sql.DB

	mu     sync.RWMutex // guards byText
	byText map[string]*sql.Stmt
}

func newPrepared(pool *sql.DB) *prepared {
	return &prepared{pool: pool, byText: map[string]*sql.Stmt{}}
}

// find returns a statement that was kept, or nil.
func (p *prepared) find(q string) *sql.Stmt {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.byText[q]
}

// get returns a statement and keeps it, or nil if it cannot be parsed: running it will then tell why.
// It needs a connection of the pool.
func (p *prepared) get(ctx context.Context, q string) *sql.Stmt {
	if s := p.find(q); s != nil {
		return s
	}
	s, err := p.pool.PrepareContext(ctx, q)
	if err != nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.byText[q]; other != nil {
		_ = s.Close()
		return other
	}
	p.byText[q] = s
	return s
}

// close gives all statements back.
func (p *prepared) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, s := range p.byText {
		errs = append(errs, s.Close())
	}
	clear(p.byText)
	return errors.Join(errs...)
}

// keptReads reads outside of transactions by statements that are kept.
type keptReads struct{ db *DB }

func (r keptReads) query(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	s := r.db.reads.get(ctx, q)
	if s == nil {
		return r.db.query(ctx, q, args...)
	}
	r.db.statements.Add(1)
	return s.QueryContext(ctx, args...)
}

func (r keptReads) queryRow(ctx context.Context, q string, args ...any) *sql.Row {
	s := r.db.reads.get(ctx, q)
	if s == nil {
		return r.db.queryRow(ctx, q, args...)
	}
	r.db.statements.Add(1)
	return s.QueryRowContext(ctx, args...)
}

// updateKept is update for transactions whose statements are kept.
func (db *DB) updateKept(ctx context.Context, do func(ctx context.Context, t *tx) error) error {
	var parse []string
	err := db.update(ctx, func(ctx context.Context, t *tx) error {
		t.kept = db.writes
		defer func() { parse = t.parse }()
		return do(ctx, t)
	})
	// A statement is parsed for next time only now, as the transaction had the only connection.
	for _, q := range parse {
		db.writes.get(context.WithoutCancel(ctx), q)
	}
	return err
}

// keep returns a statement of this transaction that was kept, or nil.
func (t *tx) keep(ctx context.Context, q string) *sql.Stmt {
	if t.kept == nil {
		return nil
	}
	s := t.kept.find(q)
	if s == nil {
		t.parse = append(t.parse, q)
		return nil
	}
	return t.StmtContext(ctx, s)
}
