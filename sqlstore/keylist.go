package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strongroom/kms"
)

// ListKeys implements kms.Store. The page is found in an index that covers what is asked for, and
// only the rows on it are read: CROSS JOIN keeps SQLite from beginning with all rows.
func (s *Keys) ListKeys(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	if !q.Scope.Exact() {
		return s.listAllowed(ctx, q)
	}
	begin, skipped, end, err := s.skip(ctx, q)
	if err != nil || end {
		return nil, err
	}
	var c conditions
	where, order := c.keys(q), orderOf(q.Sort)
	if begin != "" {
		where += " AND k.id >= " + c.arg(begin)
	}
	limit, offset := c.arg(q.Limit), c.arg(skipped)
	rows, err := s.db.query(ctx, `
		SELECT `+keyColumns+`
		FROM (SELECT k.id FROM keys k WHERE `+where+` ORDER BY `+order+` LIMIT `+limit+` OFFSET `+offset+`) page
		CROSS JOIN keys k WHERE k.instance = $1 AND k.id = page.id
		ORDER BY `+order, c.args...)
	return collect(rows, err, s.scanKey)
}

// CountKeys implements kms.Store.
func (s *Keys) CountKeys(ctx context.Context, q kms.Query) (n int, err error) {
	if !q.Scope.Exact() {
		return n, s.allowed(ctx, q, func(string) bool { n++; return true })
	}
	if countable(q) {
		buckets, err := s.buckets(ctx, q)
		for _, b := range buckets {
			n += b.n
		}
		return n, err
	}
	var c conditions
	where := c.keys(q)
	return n, s.db.queryRow(ctx, `SELECT count(*) FROM keys k WHERE `+where, c.args...).Scan(&n)
}

// listAllowed is ListKeys for a scope that SQL cannot express.
func (s *Keys) listAllowed(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	ids := []string{}
	skip := q.Offset
	err := s.allowed(ctx, q, func(id string) bool {
		if skip > 0 {
			skip--
		} else if len(ids) < q.Limit {
			ids = append(ids, id)
		}
		return len(ids) < q.Limit
	})
	if err != nil || len(ids) == 0 {
		return nil, err
	}
	c := conditions{args: []any{string(q.Instance)}}
	rows, err := s.db.query(ctx, `SELECT `+keyColumns+` FROM keys k
		WHERE k.instance = $1 AND `+c.among("k.id", ids)+` ORDER BY `+orderOf(q.Sort), c.args...)
	return collect(rows, err, s.scanKey)
}

// allowed calls found with the IDs of the keys that q asks for, in its order and whatever its
// limit and offset, until it returns false.
func (s *Keys) allowed(ctx context.Context, q kms.Query, found func(id string) bool) error {
	var c conditions
	where := c.keys(q)
	rows, err := s.db.query(ctx, `SELECT k.id, k.ring FROM keys k WHERE `+where+` ORDER BY `+orderOf(q.Sort), c.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var id, ring string
	for rows.Next() {
		if err := rows.Scan(&id, &ring); err != nil {
			return err
		}
		if q.Scope.Allows(ring, id) && !found(id) {
			return nil
		}
	}
	return rows.Err()
}

// CountLive implements kms.Store.
func (s *Keys) CountLive(ctx context.Context, in kms.InstanceID) (n int, err error) {
	return n, s.db.queryRow(ctx, `SELECT count(*) FROM keys WHERE instance = $1 AND state < $2`,
		string(in), int(kms.Destroyed)).Scan(&n)
}

// conditions collects the parts of a WHERE clause and their arguments.
type conditions struct{ args []any }

// arg adds an argument and returns its placeholder.
func (c *conditions) arg(v any) string {
	c.args = append(c.args, v)
	return fmt.Sprintf("$%d", len(c.args))
}

// among is the condition that a column has one of the values.
func (c *conditions) among(column string, values []string) string {
	if len(values) == 0 {
		return "FALSE"
	}
	first := len(c.args) + 1
	for _, v := range values {
		c.args = append(c.args, v)
	}
	return column + " IN (" + placeholders(first, len(values)) + ")"
}

// keys returns the condition for the keys that q asks for. The instance is argument 1.
func (c *conditions) keys(q kms.Query) string {
	all := []string{"k.instance = " + c.arg(string(q.Instance)), c.states(q)}
	if q.Extractable != nil {
		all = append(all, "k.extractable = "+c.arg(*q.Extractable))
	}
	if q.Ring != "" {
		all = append(all, "k.ring = "+c.arg(string(q.Ring)))
	}
	if !q.Scope.All && q.Scope.Exact() {
		all = append(all, "("+c.among("k.ring", q.Scope.Rings)+" OR "+c.among("k.id", q.Scope.Keys)+")")
	}
	return strings.Join(all, " AND ")
}

// states is the condition for the state of a key at q.Now: an active key whose time is over
// counts as deactivated.
func (c *conditions) states(q kms.Query) string {
	if len(q.States) == 0 {
		return "FALSE"
	}
	active, deactivated := slices.Contains(q.States, kms.Active), slices.Contains(q.States, kms.Deactivated)
	first := len(c.args) + 1
	for _, state := range q.States {
		c.args = append(c.args, int(state))
	}
	in := "k.state IN (" + placeholders(first, len(q.States)) + ")"
	if active { // most keys: the plus sign keeps SQLite from looking them up by their state
		in = "+" + in
	}
	if active == deactivated {
		return in
	}
	now, activeState := c.arg(micros(q.Now)), c.arg(int(kms.Active))
	if active {
		return "(" + in + " AND NOT (k.state = " + activeState + " AND k.expires_at IS NOT NULL AND k.expires_at <= " + now + "))"
	}
	return "(" + in + " OR (k.state = " + activeState + " AND k.expires_at <= " + now + "))"
}

// orderOf returns the ORDER BY of a sort, which the ID always completes.
func orderOf(sort []kms.Order) string {
	var by []string
	for _, o := range sort {
		if o.By == kms.ByID {
			return strings.Join(append(by, "k.id"+direction(o)), ", ")
		}
		column, missing := columnOf(o.By)
		last := ""
		if missing {
			last = " NULLS LAST"
		}
		by = append(by, column+direction(o)+last)
	}
	return strings.Join(append(by, "k.id"), ", ")
}

func direction(o kms.Order) string {
	if o.Descending {
		return " DESC"
	}
	return ""
}

// columnOf returns the column that holds a property, and whether keys may lack it.
func columnOf(p kms.Property) (column string, missing bool) {
	switch p {
	case kms.ByState:
		return "k.state", false
	case kms.ByExtractable:
		return "k.extractable", false
	case kms.ByImported:
		return "k.imported", false
	case kms.ByCreated:
		return "k.created_at", false
	case kms.ByUpdated:
		return "k.updated_at", false
	case kms.ByRotated:
		return "k.rotated_at", true
	case kms.ByDeleted:
		return "k.deleted_at", true
	case kms.ByExpires:
		return "k.expires_at", true
	}
	return "k.id", false
}
