package backup

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"unicode/utf8"

	"strongroom/custody"
)

// Writer writes a backup. It is a Rows; Close ends it.
type Writer struct {
	chunks *chunkWriter
	zip    *gzip.Writer
	lines  *json.Encoder
	table  Table
	rows   int64
}

var _ Rows = (*Writer)(nil)

// NewWriter begins a backup: it draws a key for it, which seals the rest, and writes the header, whose
// Format and Key it fills in.
func NewWriter(ctx context.Context, w io.Writer, h Header, seal Sealer) (*Writer, error) {
	h.Format = Format
	bound, err := h.bound()
	if err != nil {
		return nil, err
	}
	key := custody.RandomSecret(keySize)
	defer key.Wipe()
	if h.Key, err = seal.SealKey(ctx, bound, key); err != nil {
		return nil, fmt.Errorf("sealing the key of the backup: %w", err)
	}
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encoding the header: %w", err)
	}
	if len(line) >= maxHeader {
		return nil, errors.New("the header of the backup is too long")
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return nil, fmt.Errorf("writing the backup: %w", err)
	}
	gcm, err := newGCM(key.Reveal())
	if err != nil {
		return nil, err
	}
	b := &Writer{chunks: &chunkWriter{w: w, gcm: gcm, buf: make([]byte, 0, chunkSize)}}
	b.zip, _ = gzip.NewWriterLevel(b.chunks, gzip.BestSpeed) // fails for unknown levels only
	b.lines = json.NewEncoder(b.zip)
	b.lines.SetEscapeHTML(false)
	return b, nil
}

// Table implements Rows.
func (b *Writer) Table(t Table) error {
	if err := t.check(); err != nil {
		return err
	}
	b.table = t
	return b.lines.Encode(t)
}

// Row implements Rows.
func (b *Writer) Row(values []any) error {
	if len(values) != len(b.table.Columns) {
		return fmt.Errorf("table %s: a row of %d values", b.table.Name, len(values))
	}
	for i, v := range values {
		if c := b.table.Columns[i]; !c.Type.holds(v) {
			return fmt.Errorf("column %s.%s: a value of type %T that is no %s", b.table.Name, c.Name, v, c.Type)
		}
	}
	b.rows++
	return b.lines.Encode(values) // []byte becomes base64
}

// Close ends the backup: without it the file does not read to its end.
func (b *Writer) Close() error {
	if err := b.lines.Encode(end{b.rows}); err != nil {
		return err
	}
	if err := b.zip.Close(); err != nil {
		return err
	}
	return b.chunks.Close()
}

// end is the last line: how many rows there are.
type end struct {
	Rows int64 `json:"rows"`
}

// holds reports whether v is a value of the type.
func (t Type) holds(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return t == Text && utf8.ValidString(v) // what JSON would not keep as it is
	case int64:
		return t == Integer
	case bool:
		return t == Boolean
	case []byte:
		return t == Bytes && v != nil // which JSON would make a null of
	}
	return false
}
