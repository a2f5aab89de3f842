package objects

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"strconv"

	"strongroom/custody"
)

// Sizes of sealed segments in bytes (docs/formats.md, section Objects).
const (
	segmentSize    = 1 << 20 // of plaintext, in every segment but the last
	nonceSize      = 12
	tagSize        = 16
	saltSize       = 32 // of the all-or-nothing transform
	dataKeySize    = 32
	formatSegments = "strongroom/object/1"
)

// errSegment says that a sealed segment does not open. It is never returned without ErrDamaged.
var errSegment = errors.New("the sealed segment does not open")

// segments seals and opens the segments of one part of an object. It is safe for concurrent use.
type segments struct {
	bucket BucketID
	write  string // of the part
	blob   BlobID
	number int // of the part

	// With the all-or-nothing transform each segment has a key of its own, made from key; else gcm is
	// that of all.
	allOrNothing bool
	key          custody.Secret
	gcm          cipher.AEAD
}

// newSegments prepares the segments of a part under a data key, which must not be wiped before the last
// use.
func newSegments(bucket BucketID, part *PartRow, dataKey custody.Secret) *segments {
	s := &segments{
		bucket: bucket, write: part.Write, blob: part.Blob.ID, number: part.Number,
		allOrNothing: part.Blob.AllOrNothing, key: dataKey,
	}
	if !s.allOrNothing {
		s.gcm = newGCM(dataKey.Reveal())
	}
	return s
}

// newGCM returns the AES-256-GCM that draws its own nonces and puts them before the ciphertext.
func newGCM(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("objects: " + err.Error()) // data keys have a fixed size
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("objects: " + err.Error()) // fails for other ciphers than AES only
	}
	return gcm
}

// overhead is how many bytes longer a sealed segment is than its plaintext.
func overhead(allOrNothing bool) int64 {
	if allOrNothing {
		return nonceSize + tagSize + saltSize
	}
	return nonceSize + tagSize
}

// sealedSegment is the size of every sealed segment but the last.
func sealedSegment(allOrNothing bool) int64 { return segmentSize + overhead(allOrNothing) }

// segmentCount is how many segments a plaintext of this size has: at least one.
func segmentCount(size int64) int64 { return max(1, (size+segmentSize-1)/segmentSize) }

// sealedSize is the size of the sealed stream of a plaintext.
func sealedSize(size int64, allOrNothing bool) int64 {
	return size + segmentCount(size)*overhead(allOrNothing)
}

// bound is what a segment is bound to.
func (s *segments) bound(index int64, final bool) []byte {
	end := ""
	if final {
		end = "final"
	}
	return custody.Context(formatSegments, string(s.bucket), s.write, s.blob.String(),
		strconv.Itoa(s.number), strconv.FormatInt(index, 10), end)
}

// seal appends a sealed segment to dst, which must not overlap plain.
func (s *segments) seal(dst, plain []byte, index int64, final bool) []byte {
	bound := s.bound(index, final)
	if !s.allOrNothing {
		return s.gcm.Seal(dst, nil, plain, bound)
	}
	var salt [saltSize]byte
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	begin := len(dst)
	dst = s.segmentGCM(salt[:], bound).Seal(dst, nil, plain, bound)
	digest := sha256.Sum256(dst[begin:])
	subtle.XORBytes(salt[:], salt[:], digest[:])
	return append(dst, salt[:]...)
}

// open appends the plaintext of a sealed segment to dst, which must not overlap sealed.
func (s *segments) open(dst, sealed []byte, index int64, final bool) ([]byte, error) {
	if int64(len(sealed)) < overhead(s.allOrNothing) || int64(len(sealed)) > sealedSegment(s.allOrNothing) {
		return dst, fmt.Errorf("%w: it has %d bytes", errSegment, len(sealed))
	}
	gcm, bound := s.gcm, s.bound(index, final)
	if s.allOrNothing {
		body := sealed[:len(sealed)-saltSize]
		var salt [saltSize]byte
		digest := sha256.Sum256(body)
		subtle.XORBytes(salt[:], sealed[len(body):], digest[:])
		gcm, sealed = s.segmentGCM(salt[:], bound), body
	}
	plain, err := gcm.Open(dst, nil, sealed, bound)
	if err != nil {
		return dst, errSegment
	}
	return plain, nil
}

// segmentGCM is the AES-256-GCM of one segment, under a key made from the data key and a salt that
// only the whole of the sealed segment gives away.
func (s *segments) segmentGCM(salt, bound []byte) cipher.AEAD {
	key, err := hkdf.Key(sha256.New, s.key.Reveal(), salt, string(bound), dataKeySize)
	if err != nil {
		panic("objects: " + err.Error()) // fails for lengths beyond what SHA-256 can give only
	}
	defer clear(key)
	return newGCM(key)
}
