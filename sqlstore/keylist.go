package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"strongroom/iam"
	"strongroom/kms"
)

// ListKeys implements kms.KeyStore. The page is found in the roster of the instance, or in an index
// that covers what is asked for while there is no roster, and only the rows on it are read.
func (s *Keys) ListKeys(ctx context.Context, q kms.Query) ([]kms.Key, error) {
	if q.Search != nil {
		return s.searchKeys(ctx, q)
	}
	r, err := s.db.rosters.get(ctx, q.Instance)
	switch {
	case err != nil:
		return nil, err
	case r != nil:
		return s.pickRoster(ctx, r, q, nil)
	case !q.Scope.Exact():
		return s.pick(ctx, q, func(id, ring string) bool { return q.Scope.Allows(ring, id) })
	}
	narrow, err := s.narrow(ctx, q)
	if err != nil {
		return nil, err
	}
	var page []kms.Key
	offset := q.Offset
	for _, part := range stretches(q) {
		keys, err := s.listStretch(ctx, part, narrow, q.Limit-len(page), offset)
		if err != nil {
			return nil, err
		}
		page = append(page, keys...)
		switch {
		case len(page) == q.Limit:
			return page, nil
		case len(keys) > 0:
			offset = 0
		case offset > 0: // which is not less than what the stretch has
			n, err := s.countStretch(ctx, part, narrow)
			if err != nil {
				return nil, err
			}
			offset -= n
		}
	}
	return page, nil
}

// listStretch reads a page of a stretch. CROSS JOIN keeps SQLite from beginning with all rows.
func (s *Keys) listStretch(ctx context.Context, part stretch, narrow kms.Property, limit, offset int) ([]kms.Key, error) {
	begin, skipped, end, err := s.skip(ctx, part, offset)
	if err != nil || end {
		return nil, err
	}
	var c conditions
	where, order := c.stretch(part, narrow), orderOf(part.Query)
	inner := order
	if narrow != "" {
		inner = unindexed(part.Query)
	}
	if begin != "" {
		where += " AND k.id >= " + c.arg(begin)
	}
	most, from := c.arg(limit), c.arg(skipped)
	rows, err := s.db.query(ctx, `
		SELECT `+keyColumns+`
		FROM (SELECT k.id FROM keys k WHERE `+where+` ORDER BY `+inner+` LIMIT `+most+` OFFSET `+from+`) page
		CROSS JOIN keys k WHERE k.instance = $1 AND k.id = page.id
		ORDER BY `+order, c.args...)
	return collect(rows, err, s.scanKey)
}

// CountKeys implements kms.KeyStore.
func (s *Keys) CountKeys(ctx context.Context, q kms.Query) (n int, err error) {
	if q.Search != nil {
		return s.countFound(ctx, q)
	}
	if countable(stretch{Query: q}) {
		return s.countStretch(ctx, stretch{Query: q}, "")
	}
	r, err := s.db.rosters.get(ctx, q.Instance)
	switch {
	case err != nil:
		return 0, err
	case r != nil:
		return s.countRoster(ctx, r, q, nil)
	case !q.Scope.Exact():
		return n, s.walk(ctx, q, func(id, ring string) bool {
			if q.Scope.Allows(ring, id) {
				n++
			}
			return true
		})
	}
	narrow, err := s.narrow(ctx, q)
	if err != nil {
		return 0, err
	}
	return s.countStretch(ctx, stretch{Query: q}, narrow)
}

func (s *Keys) countStretch(ctx context.Context, part stretch, narrow kms.Property) (n int, err error) {
	if countable(part) {
		buckets, err := s.buckets(ctx, part.Query)
		for _, b := range buckets {
			n += b.n
		}
		return n, err
	}
	var c conditions
	where := c.stretch(part, narrow)
	return n, s.db.queryRow(ctx, `SELECT count(*) FROM keys k WHERE `+where, c.args...).Scan(&n)
}

// pick is ListKeys for what SQL cannot express: wanted says which of the keys that q asks for are
// meant.
func (s *Keys) pick(ctx context.Context, q kms.Query, wanted func(id, ring string) bool) ([]kms.Key, error) {
	ids := []string{}
	skip := q.Offset
	if q.Limit == 0 {
		return nil, nil
	}
	err := s.walk(ctx, q, func(id, ring string) bool {
		switch {
		case !wanted(id, ring):
		case skip > 0:
			skip--
		default:
			ids = append(ids, id)
		}
		return len(ids) < q.Limit
	})
	if err != nil {
		return nil, err
	}
	return s.keysAt(ctx, q, ids)
}

// walk calls found with the IDs and rings of the keys that q asks for, but for its search, in its
// order and whatever its limit and offset, until it returns false.
func (s *Keys) walk(ctx context.Context, q kms.Query, found func(id, ring string) bool) error {
	narrow, err := s.narrow(ctx, q)
	if err != nil {
		return err
	}
	for _, part := range stretches(q) {
		more, err := s.walkStretch(ctx, part, narrow, found)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

func (s *Keys) walkStretch(ctx context.Context, part stretch, narrow kms.Property, found func(id, ring string) bool) (more bool, err error) {
	var c conditions
	where := c.stretch(part, narrow)
	order := orderOf(part.Query)
	if narrow != "" {
		order = unindexed(part.Query)
	}
	rows, err := s.db.query(ctx, `SELECT k.id, k.ring FROM keys k WHERE `+where+` ORDER BY `+order, c.args...)
	if err != nil {
		return false, err
	}
	defer rows.Close()
	var id, ring string
	for rows.Next() {
		if err := rows.Scan(&id, &ring); err != nil {
			return false, err
		}
		if !found(id, ring) {
			return false, nil
		}
	}
	return true, rows.Err()
}

// readAtOnce is how many keys are read by one statement that names them: SQLite takes a time for
// placeholders that grows with the square of their number.
const readAtOnce = 200

// keysIn returns those of a few keys that q asks for, in its order, but for its search.
func (s *Keys) keysIn(ctx context.Context, q kms.Query, ids []string) ([]kms.Key, error) {
	return s.readKeys(ctx, q, ids, " ORDER BY "+unindexed(q))
}

// keysAt returns those of the keys that q asks for, in the order of the IDs, but for its search.
func (s *Keys) keysAt(ctx context.Context, q kms.Query, ids []string) ([]kms.Key, error) {
	at := make(map[kms.KeyID]int, len(ids))
	for i, id := range ids {
		at[kms.KeyID(id)] = i
	}
	keys := make([]kms.Key, 0, len(ids))
	for some := range slices.Chunk(ids, readAtOnce) {
		part, err := s.readKeys(ctx, q, some, "")
		if err != nil {
			return nil, err
		}
		keys = append(keys, part...)
	}
	slices.SortFunc(keys, func(a, b kms.Key) int { return at[a.ID] - at[b.ID] })
	return keys, nil
}

// readKeys reads keys by their IDs, for which SQLite is left nothing else to find them by.
func (s *Keys) readKeys(ctx context.Context, q kms.Query, ids []string, order string) ([]kms.Key, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	plain := q
	plain.Sort, plain.Scope = nil, iam.Scope{All: true}
	var c conditions
	where := c.keys(plain, "") + " AND " + c.among("k.id", ids)
	rows, err := s.db.query(ctx, `SELECT `+keyColumns+` FROM keys k WHERE `+where+order, c.args...)
	keys, err := collect(rows, err, s.scanKey)
	return slices.DeleteFunc(keys, func(k kms.Key) bool { return !q.Scope.Allows(string(k.Ring), string(k.ID)) }), err
}

// CountLive implements kms.KeyStore.
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

// stretch returns the condition for a stretch of a list.
func (c *conditions) stretch(part stretch, narrow kms.Property) string {
	return c.keys(part.Query, narrow) + part.also
}

// keys returns the condition for the keys that q asks for, but for its search. The instance is
// argument 1. narrow is the date by which the keys are best found, or empty.
func (c *conditions) keys(q kms.Query, narrow kms.Property) string {
	all := []string{"k.instance = " + c.arg(string(q.Instance)), c.states(q)}
	if q.Extractable != nil {
		all = append(all, "k.extractable = "+c.arg(*q.Extractable))
	}
	if q.Ring != "" {
		all = append(all, "k.ring = "+c.arg(string(q.Ring)))
	}
	if !q.Scope.All && q.Scope.Exact() {
		all = append(all, c.scope(q))
	}
	return strings.Join(append(all, c.dates(q, narrow)...), " AND ")
}

func (c *conditions) scope(q kms.Query) string {
	switch {
	case len(q.Scope.Keys) == 0:
		return c.among("k.ring", q.Scope.Rings)
	case len(q.Scope.Rings) == 0:
		return c.among("k.id", q.Scope.Keys)
	}
	return "(" + c.among("k.ring", q.Scope.Rings) + " OR " + c.among("k.id", q.Scope.Keys) + ")"
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

// orderOf returns the ORDER BY of the sort of q, which the ID always completes. An active key whose
// time is over at q.Now stands with the deactivated ones.
func orderOf(q kms.Query) string {
	var by []string
	for _, o := range q.Sort {
		if o.By == kms.ByID {
			return strings.Join(append(by, "k.id"+direction(o)), ", ")
		}
		column, missing := columnOf(o.By)
		if o.By == kms.ByState {
			column = fmt.Sprintf("CASE WHEN k.state = %d AND k.expires_at <= %d THEN %d ELSE k.state END",
				kms.Active, micros(q.Now), kms.Deactivated)
		}
		last := ""
		if missing {
			last = " NULLS LAST"
		}
		by = append(by, column+direction(o)+last)
	}
	return strings.Join(append(by, "k.id"), ", ")
}

// unindexed is orderOf for keys that are found by something else and then sorted: the plus signs
// keep SQLite from walking along an index that has all keys in this order.
func unindexed(q kms.Query) string { return strings.ReplaceAll(orderOf(q), "k.", "+k.") }

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
