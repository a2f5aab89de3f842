package objects

import (
	"crypto/fips140"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"strconv"
)

// Polynomials of the checksums that S3 knows, in reversed bit order (cos-api.md, section 12). CRC64NVME is
// that of the NVM Express command set.
const polynomialNVME = 0x9a6c9329ac4bc9b5

// The tables are computed once and only read.
var (
	tableNVME       = crc64.MakeTable(polynomialNVME)
	tableCastagnoli = crc32.MakeTable(crc32.Castagnoli)
)

// Size returns how many bytes a checksum has before it is written in base64, or 0 for an algorithm
// that is not known.
func (a Algorithm) Size() int {
	switch a {
	case CRC32, CRC32C:
		return crc32.Size
	case CRC64NVME:
		return crc64.Size
	case SHA1:
		return sha1.Size
	case SHA256:
		return sha256.Size
	}
	return 0
}

// Combines reports whether the checksum of a whole follows from those of its parts. Those that do can
// be asked for of an object made in parts; of the others there is only the composite one.
func (a Algorithm) Combines() bool { return a == CRC32 || a == CRC32C || a == CRC64NVME }

// New returns a computation of the checksum, or nil for an algorithm that is not known.
func (a Algorithm) New() hash.Hash {
	switch a {
	case CRC32:
		return crc32.NewIEEE()
	case CRC32C:
		return crc32.New(tableCastagnoli)
	case CRC64NVME:
		return crc64.New(tableNVME)
	case SHA1:
		return newUnapproved(sha1.New)
	case SHA256:
		return sha256.New()
	}
	return nil
}

// unapproved is a hash that protects nothing: MD5 and SHA-1 are what S3 calls the content of an object
// by. Go's FIPS 140-3 mode may be told to refuse them, which is lifted here and nowhere else.
type unapproved struct{ hash.Hash }

func newUnapproved(create func() hash.Hash) (h unapproved) {
	fips140.WithoutEnforcement(func() { h.Hash = create() })
	return h
}

// Write implements io.Writer.
func (u unapproved) Write(p []byte) (n int, err error) {
	fips140.WithoutEnforcement(func() { n, err = u.Hash.Write(p) })
	return n, err
}

// Sum implements hash.Hash.
func (u unapproved) Sum(b []byte) (sum []byte) {
	fips140.WithoutEnforcement(func() { sum = u.Hash.Sum(b) })
	return sum
}

// NewMD5 returns a computation of the MD5 by which S3 knows a content: its ETag, and Content-MD5.
func NewMD5() hash.Hash { return newUnapproved(md5.New) }

// encode writes a checksum as S3 does.
func encode(sum []byte) string { return base64.StdEncoding.EncodeToString(sum) }

// whole is the checksum of a whole of which the parts, in order, have these checksums and sizes in
// bytes. The algorithm is one that combines.
func (a Algorithm) whole(sums [][]byte, sizes []int64) []byte {
	f := field{polynomial: polynomialNVME, bits: 64}
	switch a {
	case CRC32:
		f = field{polynomial: crc32.IEEE, bits: 32}
	case CRC32C:
		f = field{polynomial: crc32.Castagnoli, bits: 32}
	}
	var all uint64
	for i, sum := range sums {
		all = f.times(f.shift(sizes[i]), all) ^ number(sum)
	}
	return binary.BigEndian.AppendUint64(nil, all)[8-a.Size():]
}

// composite is the checksum of the checksums of the parts of an object, and how many there are.
func (a Algorithm) composite(sums [][]byte) string {
	h := a.New()
	for _, sum := range sums {
		_, _ = h.Write(sum) // never fails
	}
	return encode(h.Sum(nil)) + "-" + strconv.Itoa(len(sums))
}

// compositeETag is the ETag of an object made in parts of which these are the MD5s.
func compositeETag(sums [][]byte) string {
	h := NewMD5()
	for _, sum := range sums {
		_, _ = h.Write(sum) // never fails
	}
	return hex.EncodeToString(h.Sum(nil)) + "-" + strconv.Itoa(len(sums))
}

// number reads a CRC of 4 or 8 bytes.
func number(sum []byte) uint64 {
	var b [8]byte
	copy(b[8-len(sum):], sum)
	return binary.BigEndian.Uint64(b[:])
}

// field is the arithmetic of a CRC: polynomials over GF(2) modulo the one of the CRC, with the bits in
// reversed order, so that the highest bit is the coefficient of 1.
type field struct {
	polynomial uint64
	bits       int
}

// times multiplies two elements.
func (f field) times(a, b uint64) (product uint64) {
	for m := uint64(1) << (f.bits - 1); m != 0; m >>= 1 {
		if a&m != 0 {
			product ^= b
		}
		if b = b>>1 ^ -(b&1)&f.polynomial; a&(m-1) == 0 {
			break
		}
	}
	return product
}

// shift is what a CRC is multiplied by when this many bytes follow: x to the power of 8 × size.
func (f field) shift(size int64) uint64 {
	result := uint64(1) << (f.bits - 1) // 1
	power := result >> 8                // x to the power of 8
	for ; size > 0; size >>= 1 {
		if size&1 != 0 {
			result = f.times(power, result)
		}
		power = f.times(power, power)
	}
	return result
}
