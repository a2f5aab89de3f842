package sqlstore

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"strongroom/objects"
)

// walk is a way along an index whose entries begin with bucket and key.
type walk struct {
	table string
	where string // what the index is limited to, if it is
	order string // of the entries of a key, if there can be several
}

var (
	walkObjects  = walk{table: "objects", where: " AND latest AND NOT marker"}
	walkVersions = walk{table: "objects", order: ", seq DESC"}
	walkUploads  = walk{table: "uploads u", where: " AND completed = ''", order: ", started_at, id"}
)

// stretch of keys that a list is about.
type keyStretch struct {
	bucket            objects.BucketID
	prefix, delimiter string
	limit             int
	from              string // the first key
	to                string // the first key that is not in it; empty for none
	// beyond limits the entries of the key from to those after a place within it, by a condition
	// on columns whose values begin with parameter 3.
	beyond string
	place  []any
}

// newStretch begins after a key, or after a common prefix and all that it hides. It is false if no key
// is in it.
func newStretch(bucket objects.BucketID, prefix, delimiter, after string, limit int) (keyStretch, bool) {
	w := keyStretch{bucket: bucket, prefix: prefix, delimiter: delimiter, limit: limit, from: prefix}
	w.to, _ = successor(prefix)
	if after >= prefix && after != "" {
		w.from = after + "\x00"
		if common, ok := w.common(after); ok {
			next, more := successor(common)
			if !more {
				return w, false
			}
			w.from = next
		}
	}
	return w, w.to == "" || w.from < w.to
}

// common returns the common prefix that hides a key, if one does.
func (w *keyStretch) common(key string) (string, bool) {
	if w.delimiter == "" || !strings.HasPrefix(key, w.prefix) {
		return "", false
	}
	i := strings.Index(key[len(w.prefix):], w.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(w.prefix)+i+len(w.delimiter)], true
}

// successor returns the first text, in binary order, that is behind all that begin with a prefix; it
// is false if there is none.
func successor(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 && b[len(b)-1] == 0xff {
		b = b[:len(b)-1]
	}
	if len(b) == 0 {
		return "", false
	}
	b[len(b)-1]++
	return string(b), true
}

// statement selects columns of the entries from w.from on, at most limit of them.
func (w *keyStretch) statement(along walk, columns string, limit int) (string, []any) {
	args := []any{string(w.bucket), []byte(w.from)}
	where := along.where
	if w.beyond != "" {
		where += ` AND (key > $2 OR ` + w.beyond + `)`
		args = append(args, w.place...)
	}
	if w.to != "" {
		args = append(args, []byte(w.to))
		where += ` AND key < $` + strconv.Itoa(len(args))
	}
	args = append(args, limit)
	return `SELECT ` + columns + ` FROM ` + along.table + ` WHERE bucket = $1 AND key >= $2` + where +
		` ORDER BY key` + along.order + ` LIMIT $` + strconv.Itoa(len(args)), args
}

// page walks along an index to the end of a page, over each common prefix in one step, and returns
// the numbers of the rows on it and the prefixes: one more of them than limit if there are more.
func (s *Objects) page(ctx context.Context, w keyStretch, along walk) (seqs []int64, prefixes []string, err error) {
	for most := w.limit + 1; ; {
		common, err := s.step(ctx, &w, along, most-len(seqs)-len(prefixes), &seqs)
		if err != nil || common == "" {
			return seqs, prefixes, err
		}
		prefixes = append(prefixes, common)
		next, more := successor(common)
		if !more || w.to != "" && next >= w.to || len(seqs)+len(prefixes) == most {
			return seqs, prefixes, nil
		}
		w.from, w.beyond, w.place = next, "", nil
	}
}

// step appends the numbers of rows until the page is full, which is an empty common prefix, or until
// it meets a common prefix.
func (s *Objects) step(ctx context.Context, w *keyStretch, along walk, limit int, seqs *[]int64) (common string, err error) {
	statement, args := w.statement(along, "key, seq", limit)
	rows, err := s.read.query(ctx, statement, args...)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	for rows.Next() {
		var key string
		var seq int64
		if err := rows.Scan(&key, &seq); err != nil {
			return "", err
		}
		if common, ok := w.common(key); ok {
			return common, nil
		}
		*seqs = append(*seqs, seq)
	}
	return "", rows.Err()
}

// list reads a page of a list. Without a delimiter that is one statement.
func list[T any](ctx context.Context, s *Objects, w keyStretch, along walk, columns string, scan func(scanner) (T, error), seq func(T) int64) ([]T, []string, error) {
	if w.delimiter == "" {
		statement, args := w.statement(along, columns, w.limit+1)
		rows, err := s.read.query(ctx, statement, args...)
		all, err := collect(rows, err, scan)
		return all, nil, err
	}
	seqs, prefixes, err := s.page(ctx, w, along)
	if err != nil || len(seqs) == 0 {
		return nil, prefixes, err
	}
	place := make(map[int64]int, len(seqs))
	args := make([]any, len(seqs))
	for i, seq := range seqs {
		place[seq], args[i] = i, seq
	}
	rows, err := s.db.query(ctx, `SELECT `+columns+` FROM `+along.table+` WHERE seq IN (`+placeholders(1, len(args))+`)`, args...)
	all, err := collect(rows, err, scan)
	slices.SortFunc(all, func(a, b T) int { return cmp.Compare(place[seq(a)], place[seq(b)]) })
	return all, prefixes, err
}

// List implements objects.Store.
func (s *Objects) List(ctx context.Context, bucket objects.BucketID, l objects.List) ([]objects.Row, []string, error) {
	w, ok := newStretch(bucket, l.Prefix, l.Delimiter, l.After, l.Limit)
	along := walkObjects
	if l.Versions {
		along = walkVersions
		if _, hidden := w.common(l.After); l.Version != "" && !hidden && strings.HasPrefix(l.After, l.Prefix) {
			if err := s.within(ctx, &w, l); err != nil {
				return nil, nil, err
			}
			ok = true
		}
	}
	if !ok {
		return nil, nil, nil
	}
	return list(ctx, s, w, along, rowColumns, s.scanRow, func(r objects.Row) int64 { return r.Seq })
}

// within begins a list of versions after one of a key. If that is gone, so are those before it as a
// rule, and the list goes on with the newest of the key.
func (s *Objects) within(ctx context.Context, w *keyStretch, l objects.List) error {
	w.from = l.After
	r, err := s.Version(ctx, w.bucket, l.After, l.Version)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	w.beyond, w.place = `seq < $3`, []any{r.Seq}
	return err
}

// ListUploads implements objects.Store.
func (s *Objects) ListUploads(ctx context.Context, bucket objects.BucketID, l objects.ListUploads) ([]objects.UploadRow, []string, error) {
	w, ok := newStretch(bucket, l.Prefix, l.Delimiter, l.After, l.Limit)
	if _, hidden := w.common(l.After); l.AfterUpload != "" && !hidden && strings.HasPrefix(l.After, l.Prefix) {
		u, err := s.Upload(ctx, bucket, l.After, l.AfterUpload)
		switch {
		case err == nil:
			w.beyond, w.place = `(started_at, id) > ($3, $4)`, []any{micros(u.Started), string(u.ID)}
		case !errors.Is(err, ErrNotFound):
			return nil, nil, err
		}
		w.from, ok = l.After, true
	}
	if !ok {
		return nil, nil, nil
	}
	all, prefixes, err := list(ctx, s, w, walkUploads, uploadColumns, s.scanUpload, func(u storedUpload) int64 { return u.seq })
	rows := make([]objects.UploadRow, len(all))
	for i, u := range all {
		rows[i] = u.UploadRow
	}
	return rows, prefixes, err
}

// VersionsAfter implements objects.Store.
func (s *Objects) VersionsAfter(ctx context.Context, bucket objects.BucketID, by objects.BucketKeyID, cursor string, limit int) ([]objects.Row, string, error) {
	key, seq, err := parseCursor(cursor)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.read.query(ctx, `SELECT `+rowColumns+` FROM objects
		WHERE bucket = $1 AND key >= $2 AND (key > $2 OR seq > $3) AND ($4 = '' OR sealed_by = $4)
		ORDER BY key, seq LIMIT $5`, string(bucket), key, seq, string(by), limit)
	all, err := collect(rows, err, s.scanRow)
	if err != nil || len(all) < limit {
		return all, "", err
	}
	last := all[len(all)-1]
	return all, hex.EncodeToString([]byte(last.Key)) + "." + strconv.FormatInt(last.Seq, 10), nil
}

// parseCursor reads a cursor of VersionsAfter: a key and a number.
func parseCursor(cursor string) (key []byte, seq int64, err error) {
	if cursor == "" {
		return []byte{}, 0, nil
	}
	name, number, _ := strings.Cut(cursor, ".")
	key, kerr := hex.DecodeString(name)
	seq, serr := strconv.ParseInt(number, 10, 64)
	if kerr != nil || serr != nil {
		return nil, 0, fmt.Errorf("%q is no cursor", cursor)
	}
	return key, seq, nil
}

// EmptyBucket implements objects.Store.
func (s *Objects) EmptyBucket(ctx context.Context, id objects.BucketID, limit int) (more bool, err error) {
	err = s.db.updateKept(ctx, func(ctx context.Context, t *tx) error {
		n, err := s.emptyBatch(ctx, t, id, limit)
		if err != nil {
			return err
		}
		if more = n == limit; more {
			return nil
		}
		m, err := s.emptyUploads(ctx, t, id, limit-n)
		more = m == limit-n
		return err
	})
	return more, err
}
