package objects_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"math/rand/v2"
	"os"
	"testing"
)

const (
	segment  = 1 << 20 // bytes that are sealed together
	partSize = 5 << 20 // bytes of the parts of uploads here
)

func soak() bool { return os.Getenv("STRONGROOM_SOAK") != "" }

// seeded returns a source of choices, whose seed is in the log.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// content is bytes that look random and can be computed anywhere without the rest.
type content struct {
	seed byte
	size int64
}

// ReadAt implements io.ReaderAt.
func (c content) ReadAt(p []byte, off int64) (int, error) {
	n := int(max(min(int64(len(p)), c.size-off), 0))
	block, err := aes.NewCipher(bytes.Repeat([]byte{c.seed}, 16))
	if err != nil {
		return 0, err
	}
	var counter, skipped [aes.BlockSize]byte
	binary.BigEndian.PutUint64(counter[8:], uint64(off)/aes.BlockSize)
	stream := cipher.NewCTR(block, counter[:])
	stream.XORKeyStream(skipped[:off%aes.BlockSize], skipped[:off%aes.BlockSize])
	clear(p[:n])
	stream.XORKeyStream(p[:n], p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// from returns the bytes from first on, up to and without end.
func (c content) from(first, end int64) io.Reader { return io.NewSectionReader(c, first, end-first) }

// wrongBytes says that what was read is not what was written.
type wrongBytes string

// Error implements error.
func (e wrongBytes) Error() string { return string(e) }

// same fails unless r has the bytes from first on, up to and without end, and no others.
func (c content) same(r io.Reader, first, end int64) error {
	got, want := make([]byte, 64<<10), make([]byte, 64<<10)
	for at := first; ; {
		n, err := io.ReadFull(r, got)
		if int64(n) > end-at {
			return wrongBytes(fmt.Sprintf("more than the %d bytes from %d on", end-first, first))
		}
		if _, err := c.ReadAt(want[:n], at); err != nil {
			return err
		}
		if !bytes.Equal(got[:n], want[:n]) {
			return wrongBytes(fmt.Sprintf("another byte between %d and %d", at, at+int64(n)))
		}
		at += int64(n)
		switch {
		case err == io.EOF || err == io.ErrUnexpectedEOF:
			if at < end {
				return wrongBytes(fmt.Sprintf("the end at byte %d, and not at %d", at, end))
			}
			return nil
		case err != nil:
			return err
		}
	}
}

// algorithms are the checksums that S3 knows, with their names in headers.
func algorithms() map[string]func() hash.Hash {
	return map[string]func() hash.Hash{
		"Crc32":     func() hash.Hash { return crc32.NewIEEE() },
		"Crc32c":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
		"Crc64nvme": func() hash.Hash { return crc64.New(crc64.MakeTable(0x9a6c9329ac4bc9b5)) },
		"Sha1":      sha1.New,
		"Sha256":    sha256.New,
	}
}

// digest computes a hash of the bytes from first on, up to and without end.
func (c content) digest(t *testing.T, h hash.Hash, first, end int64) []byte {
	t.Helper()
	if _, err := io.Copy(h, c.from(first, end)); err != nil {
		t.Fatal(err)
	}
	return h.Sum(nil)
}

// sum is a checksum of all bytes, as headers have it.
func (c content) sum(t *testing.T, algorithm string) string {
	t.Helper()
	return base64.StdEncoding.EncodeToString(c.digest(t, algorithms()[algorithm](), 0, c.size))
}

// pieces are where the parts of an upload begin, and where the last ends.
func (c content) pieces() []int64 {
	ends := []int64{0}
	for at := int64(partSize); at < c.size; at += partSize {
		ends = append(ends, at)
	}
	return append(ends, c.size)
}

// composite is a hash of the hashes of the parts.
func (c content) composite(t *testing.T, h func() hash.Hash) []byte {
	t.Helper()
	all := h()
	pieces := c.pieces()
	for i := range len(pieces) - 1 {
		all.Write(c.digest(t, h(), pieces[i], pieces[i+1]))
	}
	return all.Sum(nil)
}

// etag is what S3 calls the content by if it came in one request, and partsETag if it came in parts.
func (c content) etag(t *testing.T) string {
	t.Helper()
	return hex.EncodeToString(c.digest(t, md5.New(), 0, c.size))
}

func (c content) partsETag(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf("%x-%d", c.composite(t, md5.New), len(c.pieces())-1)
}
