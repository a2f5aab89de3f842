package sqlstore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"sync"
	"time"
)

// errForged is what a row that was changed behind our back reads as. It is
// internal on purpose: neither an absence nor a refusal.
var errForged = errors.New("row authentication failed: the row was changed outside of Strongroom")

// rowKey authenticates rows: HMAC-SHA-256 under a key of 32 bytes. Lists compute as many as they have
// rows, so that what one needs is used again.
type rowKey struct{ macs sync.Pool }

// rowMAC is what computes a MAC, and the input that it collects.
type rowMAC struct {
	mac   hash.Hash
	input []byte
}

// SetRowKey gives the key for row MACs, 32 bytes, and must be called once,
// before any row that carries one is read or written.
func (db *DB) SetRowKey(key []byte) {
	db.rowKey.Store(&rowKey{macs: sync.Pool{New: func() any { return &rowMAC{mac: hmac.New(sha256.New, key)} }}})
}

// sum computes the MAC of a row: the table and each column, length-prefixed, so
// that no two rows have the same input.
func (db *DB) sum(table string, columns ...any) []byte {
	k := db.rowKey.Load()
	if k == nil {
		panic("sqlstore: row used before SetRowKey")
	}
	m := k.macs.Get().(*rowMAC)
	defer k.macs.Put(m)
	in := appendField(m.input[:0], table)
	for _, c := range columns {
		switch v := c.(type) {
		case string:
			in = appendField(in, v)
		case []byte:
			in = appendField(in, v)
		case int64:
			in = appendFixed(in, v)
		case int:
			in = appendFixed(in, int64(v))
		case bool:
			if v {
				in = appendField(in, "\x01")
			} else {
				in = appendField(in, "\x00")
			}
		case time.Time:
			in = appendFixed(in, micros(v))
		default:
			panic(fmt.Sprintf("sqlstore: no MAC encoding for %T", c))
		}
	}
	m.input = in
	m.mac.Reset()
	m.mac.Write(in)
	return m.mac.Sum(nil)
}

func appendField[T string | []byte](to []byte, text T) []byte {
	return append(binary.BigEndian.AppendUint64(to, uint64(len(text))), text...)
}

func appendFixed(to []byte, n int64) []byte {
	return binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(to, 8), uint64(n))
}

// check compares a row's MAC in constant time.
func (db *DB) check(mac []byte, table, id string, columns ...any) error {
	if !hmac.Equal(mac, db.sum(table, columns...)) {
		return fmt.Errorf("%s %q: %w", table, id, errForged)
	}
	return nil
}
