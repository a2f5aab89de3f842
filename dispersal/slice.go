package dispersal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"strongroom/custody"
	"strongroom/objects"
)

// A slice file is a sequence of blocks, one for each segment of the blob, in order, without anything
// between them. All blocks but the last have the same size, so that each is at a computable offset.
//
//	 0  8  magic "SRMslice"
//	 8  1  format version, 1
//	 9  1  k, data shards
//	10  1  n, shards in all
//	11  1  slice index, from 0; below k it is a data shard
//	12 16  blob ID
//	28  8  segment index, from 0, big endian
//	36  4  length of the sealed segment in bytes, big endian
//	40  4  length of the payload in bytes, big endian: the segment's length divided by k, rounded up
//	44  …  payload; data shards are padded with zeros
//	 …  28 authenticator: nonce and tag of AES-256-GMAC over all that precedes it in the block
const (
	sliceMagic   = "SRMslice"
	sliceVersion = 1
	headerSize   = 44
	tagSize      = 12 + 16
	overhead     = headerSize + tagSize

	// maxSegment bounds a sealed segment, in bytes.
	maxSegment = 64 << 20
	// KeySize is the size in bytes of Config.Key.
	KeySize = 32
)

// header describes a block of a slice file.
type header struct {
	blob    objects.BlobID
	data    int // k
	total   int // n
	slice   int
	segment int64
	sealed  int // length of the sealed segment
}

// payload returns the length of the block's payload, in bytes.
func (h header) payload() int { return shardSize(h.sealed, h.data) }

// append appends the encoded header to dst.
func (h header) append(dst []byte) []byte {
	dst = append(dst, sliceMagic...)
	dst = append(dst, sliceVersion, byte(h.data), byte(h.total), byte(h.slice))
	dst = append(dst, h.blob[:]...)
	dst = binary.BigEndian.AppendUint64(dst, uint64(h.segment))
	dst = binary.BigEndian.AppendUint32(dst, uint32(h.sealed))
	return binary.BigEndian.AppendUint32(dst, uint32(h.payload()))
}

// errHeader says that bytes are no header of a block; what precedes it in an error says why.
var errHeader = errors.New("no slice header")

// parseHeader reads what append wrote, and nothing else: each header has one encoding.
func parseHeader(b []byte) (h header, err error) {
	switch {
	case len(b) < headerSize:
		return h, fmt.Errorf("%w: %d bytes", errHeader, len(b))
	case string(b[:8]) != sliceMagic:
		return h, fmt.Errorf("%w: another magic", errHeader)
	case b[8] != sliceVersion:
		return h, fmt.Errorf("%w: version %d", errHeader, b[8])
	}
	h = header{data: int(b[9]), total: int(b[10]), slice: int(b[11]), blob: objects.BlobID(b[12:28])}
	segment, sealed := binary.BigEndian.Uint64(b[28:]), binary.BigEndian.Uint32(b[36:])
	if err := checkCode(h.data, h.total); err != nil {
		return h, fmt.Errorf("%w: %w", errHeader, err)
	}
	if h.slice >= h.total || segment >= 1<<62 || sealed == 0 || sealed > maxSegment {
		return h, fmt.Errorf("%w: a field is out of range", errHeader)
	}
	h.segment, h.sealed = int64(segment), int(sealed)
	if int(binary.BigEndian.Uint32(b[40:])) != h.payload() {
		return h, fmt.Errorf("%w: the lengths contradict each other", errHeader)
	}
	return h, nil
}

// sliceKey makes and checks the authenticators of one blob.
type sliceKey struct{ aead cipher.AEAD }

// newSliceKey derives the key of a blob. One key makes one authenticator for each slice of each segment
// and a few more when they are rebuilt, far below the 2^32 that random nonces allow.
func newSliceKey(secret custody.Secret, id objects.BlobID) (sliceKey, error) {
	key, err := hkdf.Key(sha256.New, secret.Reveal(), nil, "strongroom/slice/v1 "+string(id[:]), 32)
	if err != nil {
		return sliceKey{}, fmt.Errorf("deriving a slice key: %w", err)
	}
	defer clear(key)
	block, err := aes.NewCipher(key)
	if err != nil {
		return sliceKey{}, fmt.Errorf("deriving a slice key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return sliceKey{}, fmt.Errorf("deriving a slice key: %w", err)
	}
	return sliceKey{aead}, nil
}

// sign writes the authenticator into the last tagSize bytes of a block.
func (k sliceKey) sign(block []byte) {
	signed := block[:len(block)-tagSize]
	k.aead.Seal(block[len(signed):len(signed)], nil, nil, signed)
}

// errBadSlice says that a block is not what was written. It is about this slice alone: others of the
// same segment may be good.
var errBadSlice = errors.New("bad slice")

// verify checks that a block is the one that want describes, and returns its payload.
func (k sliceKey) verify(block []byte, want header) ([]byte, error) {
	if len(block) != overhead+want.payload() {
		return nil, fmt.Errorf("%w: %d bytes", errBadSlice, len(block))
	}
	signed, tag := block[:len(block)-tagSize], block[len(block)-tagSize:]
	if _, err := k.aead.Open(nil, nil, tag, signed); err != nil {
		return nil, fmt.Errorf("%w: changed: the authenticator does not fit", errBadSlice)
	}
	// What fits was written by a server; it may still be another block of this blob.
	if !bytes.Equal(want.append(make([]byte, 0, headerSize)), block[:headerSize]) {
		got, err := parseHeader(block)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errBadSlice, err)
		}
		return nil, fmt.Errorf("%w: exchanged: it is slice %d of segment %d", errBadSlice, got.slice, got.segment)
	}
	return signed[headerSize:], nil
}

// layout computes where things are in the slice files of a blob.
type layout struct{ objects.Blob }

// sealed returns the length of sealed segment i, in bytes.
func (l layout) sealed(i int64) int {
	return int(min(l.Segment, l.Size-i*l.Segment))
}

// offset returns where the block of segment i begins in a slice file.
func (l layout) offset(i int64) int64 {
	return i * int64(overhead+shardSize(int(l.Segment), l.Data))
}

// sliceSize returns the size of a whole slice file, in bytes.
func (l layout) sliceSize() int64 {
	n := l.Segments()
	if n == 0 {
		return 0
	}
	return l.offset(n-1) + int64(overhead+shardSize(l.sealed(n-1), l.Data))
}

// header describes the block of slice s and segment i.
func (l layout) header(s int, i int64) header {
	return header{blob: l.ID, data: l.Data, total: l.Total, slice: s, segment: i, sealed: l.sealed(i)}
}
