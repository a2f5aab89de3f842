package backup

import (
	"bufio"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	chunkSize     = 1 << 20 // bytes of plaintext in every chunk but the last
	chunkOverhead = 12 + 16 // nonce and tag
	keySize       = 32
)

// newGCM returns the cipher of the chunks: AES-256-GCM that draws its own nonces. A key seals one
// file, of far fewer chunks than random nonces allow (NIST SP 800-38D, 8.3: 2³²).
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// place is the additional data of a chunk: which one it is, and whether it is the last.
func place(index uint64, last bool) []byte {
	b := binary.BigEndian.AppendUint64(nil, index)
	if last {
		return append(b, 1)
	}
	return append(b, 0)
}

// chunkWriter seals what is written to it. Close writes the last chunk, which may be empty.
type chunkWriter struct {
	w     io.Writer
	gcm   cipher.AEAD
	index uint64
	buf   []byte
}

func (c *chunkWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		if len(c.buf) == chunkSize { // more follows, so it is not the last
			if err := c.seal(false); err != nil {
				return 0, err
			}
		}
		take := min(len(p), chunkSize-len(c.buf))
		c.buf = append(c.buf, p[:take]...)
		p = p[take:]
	}
	return n, nil
}

func (c *chunkWriter) Close() error { return c.seal(true) }

// seal writes the chunk behind its length.
func (c *chunkWriter) seal(last bool) error {
	out := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(c.buf)+chunkOverhead), uint32(len(c.buf)+chunkOverhead))
	out = c.gcm.Seal(out, nil, c.buf, place(c.index, last))
	clear(c.buf)
	c.buf = c.buf[:0]
	c.index++
	if _, err := c.w.Write(out); err != nil {
		return fmt.Errorf("writing the backup: %w", err)
	}
	return nil
}

// chunkReader opens what chunkWriter sealed. It ends with io.EOF behind the last chunk alone;
// anything else is ErrDamaged or a failure to read.
type chunkReader struct {
	r     *bufio.Reader
	gcm   cipher.AEAD
	index uint64
	plain []byte
	done  bool
}

func (c *chunkReader) Read(p []byte) (int, error) {
	for len(c.plain) == 0 {
		if c.done {
			return 0, io.EOF
		}
		if err := c.next(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.plain)
	c.plain = c.plain[n:]
	return n, nil
}

func (c *chunkReader) next() error {
	var length [4]byte
	if _, err := io.ReadFull(c.r, length[:]); err != nil {
		return cut(err)
	}
	n := binary.BigEndian.Uint32(length[:])
	if n < chunkOverhead || n > chunkSize+chunkOverhead {
		return ErrDamaged
	}
	sealed := make([]byte, n)
	if _, err := io.ReadFull(c.r, sealed); err != nil {
		return cut(err)
	}
	// A full chunk may be the last one, so both places are tried; the tag says which it is.
	for _, last := range []bool{n < chunkSize+chunkOverhead, n == chunkSize+chunkOverhead} {
		plain, err := c.gcm.Open(nil, nil, sealed, place(c.index, last))
		if err != nil {
			continue
		}
		c.plain, c.done = plain, last
		c.index++
		return c.checkEnd()
	}
	return ErrDamaged
}

// checkEnd refuses bytes behind the last chunk.
func (c *chunkReader) checkEnd() error {
	if !c.done {
		return nil
	}
	if _, err := c.r.ReadByte(); !errors.Is(err, io.EOF) {
		return ErrDamaged
	}
	return nil
}

// cut tells a file that ends too early from one that cannot be read.
func cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return ErrDamaged
	}
	return fmt.Errorf("reading the backup: %w", err)
}
