package backup

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"strongroom/custody"
)

// maxLine bounds a row, in bytes: the largest there are hold a standard key or a wrapped private key.
const maxLine = 4 << 20

// Reader reads a backup.
type Reader struct {
	header Header
	r      *bufio.Reader
}

// NewReader reads the header of a backup. Nothing of it is authenticated before Copy has opened the
// file's key.
func NewReader(r io.Reader) (*Reader, error) {
	b := bufio.NewReaderSize(r, 64<<10)
	h, err := readHeader(b)
	if err != nil {
		return nil, err
	}
	return &Reader{header: h, r: b}, nil
}

// Header returns what the backup says of itself.
func (b *Reader) Header() Header { return b.header }

// Copy hands all tables and rows to rows, once. Only when it returns without an error was the backup
// whole: what rows was given before is then to be thrown away.
func (b *Reader) Copy(ctx context.Context, open Sealer, rows Rows) error {
	bound, err := b.header.bound()
	if err != nil {
		return err
	}
	key, err := open.OpenKey(ctx, bound, b.header.Key)
	if err != nil {
		if errors.Is(err, custody.ErrUnreadable) {
			return fmt.Errorf("%w: its header was changed, or it belongs to other keys", ErrDamaged)
		}
		return fmt.Errorf("opening the key of the backup: %w", err)
	}
	defer key.Wipe()
	if key.Len() != keySize {
		return ErrDamaged
	}
	gcm, err := newGCM(key.Reveal())
	if err != nil {
		return err
	}
	chunks := &chunkReader{r: b.r, gcm: gcm}
	zip, err := gzip.NewReader(chunks)
	if err != nil {
		return damaged(err)
	}
	zip.Multistream(false)
	if err := copyLines(ctx, zip, rows); err != nil {
		return err
	}
	// The last chunk may hold the end of the gzip stream, and nothing more.
	if n, err := io.Copy(io.Discard, chunks); err != nil || n != 0 {
		return damaged(err)
	}
	return nil
}

// damaged makes failures of the layers above the chunks, which were sealed as they should be, into
// ErrDamaged, and leaves others as they are.
func damaged(err error) error {
	if err == nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, gzip.ErrHeader) || errors.Is(err, gzip.ErrChecksum) {
		return ErrDamaged
	}
	return err
}

func copyLines(ctx context.Context, r io.Reader, rows Rows) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), maxLine)
	var (
		table Table
		count int64
		done  bool
	)
	for lines.Scan() {
		line := lines.Bytes()
		switch {
		case done:
			return ErrDamaged
		case len(line) > 0 && line[0] == '[':
			values, err := table.parse(line)
			if err != nil {
				return err
			}
			if err := rows.Row(values); err != nil {
				return err
			}
			count++
		case bytes.HasPrefix(line, []byte(`{"table"`)):
			table = Table{}
			if err := json.Unmarshal(line, &table); err != nil {
				return fmt.Errorf("%w: %w", ErrDamaged, err)
			}
			if err := errors.Join(table.check(), ctx.Err()); err != nil {
				return err
			}
			if err := rows.Table(table); err != nil {
				return err
			}
		default:
			var e end
			if err := json.Unmarshal(line, &e); err != nil || e.Rows != count {
				return ErrDamaged
			}
			done = true
		}
	}
	if err := lines.Err(); err != nil {
		if errors.Is(err, bufio.ErrTooLong) {
			return ErrDamaged
		}
		return damaged(err)
	}
	if !done {
		return ErrDamaged
	}
	return nil
}

// parse reads a row of the table.
func (t Table) parse(line []byte) ([]any, error) {
	var raw []json.RawMessage
	if err := json.Unmarshal(line, &raw); err != nil || t.Name == "" || len(raw) != len(t.Columns) {
		return nil, fmt.Errorf("%w: a row of table %q", ErrDamaged, t.Name)
	}
	values := make([]any, len(raw))
	for i, c := range t.Columns {
		v, err := c.Type.parse(raw[i])
		if err != nil {
			return nil, fmt.Errorf("%w: column %s.%s: %w", ErrDamaged, t.Name, c.Name, err)
		}
		values[i] = v
	}
	return values, nil
}

func (t Type) parse(raw json.RawMessage) (any, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	switch t {
	case Integer:
		return decode[int64](raw)
	case Boolean:
		return decode[bool](raw)
	case Bytes:
		text, err := decode[string](raw)
		if err != nil {
			return nil, err
		}
		return base64.StdEncoding.Strict().DecodeString(text)
	default:
		return decode[string](raw)
	}
}

func decode[T any](raw json.RawMessage) (T, error) {
	var v T
	err := json.Unmarshal(raw, &v)
	return v, err
}
