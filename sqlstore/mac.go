package sqlstore

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// errForged is what a row that was changed behind our back reads as. It is
// internal on purpose: neither an absence nor a refusal.
var errForged = errors.New("row authentication failed: the row was changed outside of Strongroom")

// rowKey authenticates rows: HMAC-SHA-256 under a key of 32 bytes.
type rowKey struct{ key []byte }

// SetRowKey gives the key for row MACs, 32 bytes, and must be called once,
// before any row that carries one is read or written.
func (db *DB) SetRowKey(key []byte) { db.rowKey.Store(&rowKey{key: key}) }

// sum computes the MAC of a row: the table and each column, length-prefixed, so
// that no two rows have the same input.
func (db *DB) sum(table string, columns ...any) []byte {
	k := db.rowKey.Load()
	if k == nil {
		panic("sqlstore: row used before SetRowKey")
	}
	m := hmac.New(sha256.New, k.key)
	var buf []byte
	put := func(b []byte) {
		buf = binary.BigEndian.AppendUint64(buf[:0], uint64(len(b)))
		m.Write(buf)
		m.Write(b)
	}
	put([]byte(table))
	for _, c := range columns {
		switch v := c.(type) {
		case string:
			put([]byte(v))
		case []byte:
			put(v)
		case int64:
			put(binary.BigEndian.AppendUint64(nil, uint64(v)))
		case int:
			put(binary.BigEndian.AppendUint64(nil, uint64(v)))
		case bool:
			if v {
				put([]byte{1})
			} else {
				put([]byte{0})
			}
		case time.Time:
			put(binary.BigEndian.AppendUint64(nil, uint64(micros(v))))
		default:
			panic(fmt.Sprintf("sqlstore: no MAC encoding for %T", c))
		}
	}
	return m.Sum(nil)
}

// check compares a row's MAC in constant time.
func (db *DB) check(mac []byte, table, id string, columns ...any) error {
	if !hmac.Equal(mac, db.sum(table, columns...)) {
		return fmt.Errorf("%s %q: %w", table, id, errForged)
	}
	return nil
}
