package backup_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/backup"
	"strongroom/custody"
)

// plainSealer stands for the system instance key: it keeps the key of a file beside what it is bound
// to, and opens it for the same alone.
type plainSealer struct{}

func (plainSealer) SealKey(_ context.Context, bound []byte, key custody.Secret) ([]byte, error) {
	return slices.Concat(key.Reveal(), bound), nil
}

func (plainSealer) OpenKey(_ context.Context, bound, sealed []byte) (custody.Secret, error) {
	const size = 32
	if len(sealed) < size || !bytes.Equal(sealed[size:], bound) {
		return custody.Secret{}, custody.ErrUnreadable
	}
	return custody.NewSecret(bytes.Clone(sealed[:size])), nil
}

// content is a database in memory.
type content struct {
	Tables []backup.Table
	Values [][][]any // of each table
}

func (c *content) Table(t backup.Table) error {
	c.Tables, c.Values = append(c.Tables, t), append(c.Values, nil)
	return nil
}

func (c *content) Row(values []any) error {
	last := len(c.Values) - 1
	c.Values[last] = append(c.Values[last], values)
	return nil
}

// sample has every type of value at its edges, and rows for more than one chunk.
func sample() *content {
	c := &content{}
	_ = c.Table(backup.Table{Name: "edges", Columns: []backup.Column{
		{Name: "t", Type: backup.Text}, {Name: "i", Type: backup.Integer}, {Name: "b", Type: backup.Boolean}, {Name: "x", Type: backup.Bytes},
	}})
	_ = c.Row([]any{"", int64(math.MinInt64), false, []byte{}})
	_ = c.Row([]any{"<ü>\n\u2028 \"", int64(math.MaxInt64), true, []byte{0, 255}})
	_ = c.Row([]any{nil, nil, nil, nil})
	_ = c.Table(backup.Table{Name: "empty", Columns: []backup.Column{{Name: "t", Type: backup.Text}}})
	_ = c.Table(backup.Table{Name: "long", Columns: []backup.Column{{Name: "x", Type: backup.Bytes}}})
	for range 40 {
		_ = c.Row([]any{custody.RandomSecret(64 << 10).Reveal()}) // random, as gzip would make little of others
	}
	return c
}

func header() backup.Header {
	return backup.Header{
		Created: time.Date(2026, 7, 1, 2, 3, 4, 0, time.UTC), Program: "v1.2.3", Schema: 7, Region: "us-south",
		Modules: []backup.Module{{Name: "software", Kind: "software", File: []byte("sealed masters")}},
		Generations: []backup.Generation{{
			Number: 1, Module: "software", SystemKey: custody.Sealed("sealed"),
			Recovery: &backup.Recovery{Set: "set", Threshold: 2, Shares: 3, Escrow: custody.Escrow("escrow")},
		}},
	}
}

func write(t testing.TB, c *content) []byte {
	t.Helper()
	var file bytes.Buffer
	w, err := backup.NewWriter(t.Context(), &file, header(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	for i, table := range c.Tables {
		if err := w.Table(table); err != nil {
			t.Fatal(err)
		}
		for _, row := range c.Values[i] {
			if err := w.Row(row); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return file.Bytes()
}

func read(ctx context.Context, file []byte) (*content, error) {
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	c := &content{}
	return c, r.Copy(ctx, plainSealer{}, c)
}

func TestWhatIsWrittenIsReadBack(t *testing.T) {
	want := sample()
	file := write(t, want)
	got, err := read(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) { // whose difference nobody could read
		t.Errorf("%d tables read are not the %d written", len(got.Tables), len(want.Tables))
	}
	r, err := backup.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	h := header()
	h.Format, h.Key = backup.Format, r.Header().Key
	if diff := cmp.Diff(h, r.Header()); diff != "" {
		t.Error(diff)
	}
}

func TestRowsAreNotInTheClear(t *testing.T) {
	c := &content{}
	_ = c.Table(backup.Table{Name: "secrets", Columns: []backup.Column{{Name: "t", Type: backup.Text}}})
	_ = c.Row([]any{"a-name-that-is-easy-to-find"})
	file := write(t, c)
	for _, word := range []string{"a-name-that-is-easy-to-find", "secrets"} {
		if bytes.Contains(file, []byte(word)) {
			t.Errorf("%q can be read in the file", word)
		}
	}
}

// TestADamagedBackupIsNotRead flips a bit and cuts the file, at every byte of a small one.
func TestADamagedBackupIsNotRead(t *testing.T) {
	c := &content{}
	_ = c.Table(backup.Table{Name: "t", Columns: []backup.Column{{Name: "i", Type: backup.Integer}}})
	_ = c.Row([]any{int64(1)})
	file := write(t, c)
	for i := range file {
		changed := bytes.Clone(file)
		changed[i] ^= 1
		if _, err := read(t.Context(), changed); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrFormat) {
			t.Errorf("byte %d of %d changed: %v", i, len(file), err)
		}
		if _, err := read(t.Context(), file[:i]); !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrFormat) {
			t.Errorf("cut after %d of %d bytes: %v", i, len(file), err)
		}
	}
	if _, err := read(t.Context(), append(bytes.Clone(file), 0)); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("with a byte too many: %v", err)
	}
}

func TestChunksCannotBeReordered(t *testing.T) {
	file := write(t, sample())
	first := bytes.IndexByte(file, '\n') + 1
	const whole = 4 + 12 + 1<<20 + 16
	if len(file) < first+2*whole {
		t.Fatalf("only %d bytes", len(file))
	}
	swapped := slices.Concat(file[:first], file[first+whole:first+2*whole], file[first:first+whole], file[first+2*whole:])
	if _, err := read(t.Context(), swapped); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("chunks swapped: %v", err)
	}
	left := slices.Concat(file[:first], file[first+whole:])
	if _, err := read(t.Context(), left); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("first chunk left out: %v", err)
	}
}

func TestABackupThatWasNotClosedIsNotRead(t *testing.T) {
	var file bytes.Buffer
	w, err := backup.NewWriter(t.Context(), &file, header(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Table(backup.Table{Name: "t", Columns: []backup.Column{{Name: "x", Type: backup.Bytes}}}); err != nil {
		t.Fatal(err)
	}
	for range 40 {
		if err := w.Row([]any{custody.RandomSecret(64 << 10).Reveal()}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := read(t.Context(), file.Bytes()); !errors.Is(err, backup.ErrDamaged) {
		t.Errorf("read: %v", err)
	}
}

func TestValuesOfAnotherTypeAreRefused(t *testing.T) {
	w, err := backup.NewWriter(t.Context(), io.Discard, header(), plainSealer{})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Table(backup.Table{Name: "t", Columns: []backup.Column{{Name: "c", Type: backup.Text}}}); err != nil {
		t.Fatal(err)
	}
	for name, row := range map[string][]any{
		"another type": {int64(1)}, "bytes that are none": {[]byte(nil)}, "an unknown type": {1.5}, "no UTF-8": {"\xff"}, "too few": {}, "too many": {"", ""},
	} {
		if err := w.Row(row); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func FuzzReader(f *testing.F) {
	c := &content{}
	_ = c.Table(backup.Table{Name: "t", Columns: []backup.Column{{Name: "i", Type: backup.Integer}}})
	_ = c.Row([]any{int64(1)})
	file := write(f, c)
	f.Add(file)
	f.Add(file[:len(file)/2])
	f.Add([]byte(`{"format":"strongroom-backup/1"}` + "\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := read(t.Context(), data); err != nil && !errors.Is(err, backup.ErrDamaged) && !errors.Is(err, backup.ErrFormat) {
			t.Error(err)
		}
	})
}

// FuzzRows fuzzes what stands in the chunks, which is authenticated, but may be from another release.
func FuzzRows(f *testing.F) {
	f.Add(`{"table":"t","columns":[{"name":"i","type":"integer"}]}` + "\n[1]\n" + `{"rows":1}` + "\n")
	f.Add(`{"table":"t","columns":[{"name":"x","type":"bytes"},{"name":"b","type":"boolean"}]}` + "\n[\"AA==\",null]\n" + `{"rows":1}` + "\n")
	f.Add("[1]\n")
	f.Add("[]")
	f.Fuzz(func(t *testing.T, lines string) {
		c := &content{}
		if err := backup.CopyLines(t.Context(), strings.NewReader(lines), c); err != nil && !errors.Is(err, backup.ErrDamaged) {
			t.Errorf("%q: %v", lines, err)
		}
	})
}
