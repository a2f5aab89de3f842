package objects_test

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/server"
)

// small starts a store with three nodes that has one small object, which is dispersed.
func small(t *testing.T, change ...func(*server.Config)) (*store, thing) {
	t.Helper()
	all := append([]func(*server.Config){func(c *server.Config) { c.Objects.EmbedKiB = -1 }}, change...)
	s := open(t, 3, all...)
	s.newBucket(t, "small", "")
	return s, s.put(t, "thing", content{9, 50}, "Sha256")
}

// TestEveryByteOfASliceFileCounts changes each byte of the stored slices: the object is read as if
// nothing were, and the slice is made anew.
func TestEveryByteOfASliceFileCounts(t *testing.T) {
	s, o := small(t, func(c *server.Config) {
		was := c.Disperse
		c.Disperse = func(d *dispersal.Config) {
			was(d)
			d.Upkeep.ScrubEvery = 5 * time.Millisecond
		}
	})
	files := s.files(t, "slices/*/*")
	if len(files) != 3 {
		t.Fatalf("there are %d slices", len(files))
	}
	size := len(read(t, files[0]))
	for at := range size {
		for i, file := range files {
			if !soak() && at%len(files) != i {
				continue
			}
			damaged := read(t, file)
			damaged[at] ^= 0x10
			write(t, file, damaged)
			if err := s.getWhole(t.Context(), o); err != nil {
				t.Fatalf("byte %d of slice %d: %v", at, i, err)
			}
			until(t, fmt.Sprintf("slice %d, of which byte %d was changed, is made anew", i, at), func() bool {
				return !bytes.Equal(read(t, file), damaged)
			})
		}
	}
	s.awaitHealed(t, []thing{o})
}

// TestEveryByteOfANodesMarkCounts changes each byte by which a node is known: it is not used, as nobody
// can tell whose it is, and is used again when the mark is mended.
func TestEveryByteOfANodesMarkCounts(t *testing.T) {
	s, o := small(t)
	reachable := func(name string) bool {
		for _, n := range s.health(t).Nodes {
			if n.Name == name {
				return n.Status.Reachable
			}
		}
		t.Fatalf("node %s is not shown", name)
		return false
	}
	mark := filepath.Join(s.folder, "node-1", "strongroom-node")
	sound := read(t, mark)
	for at := range sound {
		changed := bytes.Clone(sound)
		changed[at] ^= 0x40
		write(t, mark, changed)
		until(t, fmt.Sprintf("byte %d of the mark is noticed", at), func() bool { return !reachable("node-1") })
		if err := s.getWhole(t.Context(), o); err != nil {
			t.Errorf("byte %d of a mark: %v", at, err)
		}
		write(t, mark, sound)
		until(t, "the node is used again", func() bool { return reachable("node-1") })
	}
	s.awaitHealed(t, []thing{o})
}

// TestEveryColumnOfARowCounts changes each value that the database has of an object, and where values
// are bytes, each of them: what is read is what was written, or a refusal. Where slices are is left out:
// upkeep acts on it, as by removing those of what is said to be dead, and slices prove what they are.
func TestEveryColumnOfARowCounts(t *testing.T) {
	s, o := small(t)
	embedded, embeds := smallEmbedded(t)
	for _, c := range []struct {
		s     *store
		o     thing
		table string
		must  bool // be refused, whatever is changed
	}{
		{s, o, "objects", true},
		{s, o, "object_parts", true},
		{s, o, "bucket_keys", false},
		{s, o, "buckets", false},
		{embedded, embeds, "blob_content", false},
	} {
		t.Run(c.table, func(t *testing.T) { c.s.changeRow(t, c.o, c.table, c.must) })
	}
}

func smallEmbedded(t *testing.T) (*store, thing) {
	t.Helper()
	s := open(t, 3)
	s.newBucket(t, "embedded", "")
	return s, s.put(t, "thing", content{8, 50}, "Sha256")
}

// unguarded are columns whose change does no harm that the loss of the row would not do as well.
var unguarded = map[string]bool{
	"objects.latest":           true, // what lists walk along; reads ask for the newest of the rows
	"object_parts.modified_at": true, // shown of parts of uploads only
	"object_parts.record":      true, // of parts of uploads only
}

// changeRow changes the values of the one row of a table, each by itself.
func (s *store) changeRow(t *testing.T, o thing, table string, must bool) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+s.database(t)+"?_pragma=busy_timeout(30000)")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	names, row := onlyRow(t, db, table)
	for i, name := range names {
		for j, value := range changed(row[i]) {
			if _, err := db.ExecContext(t.Context(), "UPDATE "+table+" SET "+name+" = ?", value); err != nil {
				continue // the table itself refuses it
			}
			err := s.getWhole(t.Context(), o)
			var wrong wrongBytes
			if errors.As(err, &wrong) {
				t.Errorf("%s, change %d: %v", name, j, err)
			}
			if must && err == nil && !unguarded[table+"."+name] {
				t.Errorf("%s, change %d: nobody noticed", name, j)
			}
			if _, err := db.ExecContext(t.Context(), "UPDATE "+table+" SET "+name+" = ?", row[i]); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.getWhole(t.Context(), o); err != nil {
		t.Errorf("as it was: %v", err)
	}
}

// onlyRow returns the columns of a table, and the values of its one row.
func onlyRow(t *testing.T, db *sql.DB, table string) (names []string, row []any) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if names, err = rows.Columns(); err != nil {
		t.Fatal(err)
	}
	row = make([]any, len(names))
	into := make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	if !rows.Next() {
		t.Fatalf("%s has no row", table)
	}
	if err := rows.Scan(into...); err != nil {
		t.Fatal(err)
	}
	for i, v := range row {
		if b, ok := v.([]byte); ok && b == nil {
			row[i] = []byte{} // and not NULL
		}
	}
	if rows.Next() {
		t.Fatalf("%s has more than one row", table)
	}
	return names, row
}

// changed returns values that are not v.
func changed(v any) (all []any) {
	switch v := v.(type) {
	case []byte:
		step := 1
		if !soak() {
			step = max(len(v)/8, 1)
		}
		for at := 0; at < len(v); at += step {
			b := bytes.Clone(v)
			b[at] ^= 0x10
			all = append(all, b)
		}
		return append(all, append(bytes.Clone(v), 0))
	case int64:
		return []any{v + 1, v - 1}
	case bool:
		return []any{!v}
	case string:
		return []any{v + "x", strconv.Quote(v)}
	default:
		return []any{v}
	}
}

// database is the file of the database.
func (s *store) database(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.data, "*.db"))
	if err != nil || len(found) != 1 {
		t.Fatalf("the data folder has %v: %v", found, err)
	}
	return found[0]
}

// files returns the files of all nodes that match a pattern.
func (s *store) files(t *testing.T, pattern string) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.folder, "*", pattern))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func read(t *testing.T, file string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// write replaces a file, so that nobody reads half of it.
func write(t *testing.T, file string, data []byte) {
	t.Helper()
	beside := file + ".new"
	err := os.WriteFile(beside, data, 0o600)
	if err == nil {
		err = os.Rename(beside, file)
	}
	if err != nil {
		t.Fatal(err)
	}
}
