package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"strongroom/audit"
)

// keptCheckpoints is how many of the newest signed heads of a server stay. One
// a second at most makes these more than a day.
const keptCheckpoints = 100_000

// Anchors returns the keeper of the audit log's signed heads.
func (db *DB) Anchors() audit.Anchors { return anchors{db} }

type anchors struct{ db *DB }

// SaveCheckpoint keeps a checkpoint; saving one again changes nothing.
func (a anchors) SaveCheckpoint(ctx context.Context, c audit.Checkpoint) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	return a.db.update(ctx, func(ctx context.Context, t *tx) error {
		_, err := t.exec(ctx, `INSERT INTO checkpoints (server, sequence, epoch, body) VALUES ($1, $2, $3, $4)
			ON CONFLICT (server, sequence) DO NOTHING`, c.Server, int64(c.Sequence), int64(c.Epoch), body)
		if err != nil {
			return err
		}
		_, err = t.exec(ctx, `DELETE FROM checkpoints WHERE server = $1 AND sequence <= (
			SELECT sequence FROM checkpoints WHERE server = $1 ORDER BY sequence DESC LIMIT 1 OFFSET $2)`,
			c.Server, keptCheckpoints)
		return err
	})
}

// LastCheckpoint returns the newest checkpoint of a server.
func (a anchors) LastCheckpoint(ctx context.Context, server string) (audit.Checkpoint, bool, error) {
	c, err := scanCheckpoint(a.db.queryRow(ctx,
		`SELECT body FROM checkpoints WHERE server = $1 ORDER BY sequence DESC LIMIT 1`, server))
	if errors.Is(absent(err), ErrNotFound) {
		return audit.Checkpoint{}, false, nil
	}
	return c, err == nil, err
}

// Checkpoints returns those of a server with a sequence above after, rising.
func (a anchors) Checkpoints(ctx context.Context, server string, after uint64) ([]audit.Checkpoint, error) {
	rows, err := a.db.query(ctx,
		`SELECT body FROM checkpoints WHERE server = $1 AND sequence > $2 ORDER BY sequence`, server, int64(after))
	return collect(rows, err, scanCheckpoint)
}

func scanCheckpoint(s scanner) (audit.Checkpoint, error) {
	var body []byte
	var c audit.Checkpoint
	if err := s.Scan(&body); err != nil {
		return c, err
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return c, fmt.Errorf("reading a checkpoint: %w", err)
	}
	return c, nil
}
