package dispersal

import (
	"strongroom/custody"
	"strongroom/objects"
)

// HeaderSize is the size of a block's header in bytes.
const HeaderSize = headerSize

// ReencodeHeader parses a header and encodes what it says.
func ReencodeHeader(b []byte) ([]byte, error) {
	h, err := parseHeader(b)
	if err != nil {
		return nil, err
	}
	return h.append(nil), nil
}

// NewHeader encodes a header.
func NewHeader(id objects.BlobID, data, total, slice int, segment int64, sealed int) []byte {
	return header{blob: id, data: data, total: total, slice: slice, segment: segment, sealed: sealed}.append(nil)
}

// Candidate is a node that may take a slice.
type Candidate struct {
	ID     objects.NodeID
	Site   string
	Weight float64
}

// Place chooses nodes for a blob.
func Place(id objects.BlobID, from []Candidate, count int) []objects.NodeID {
	var all []candidate
	for _, c := range from {
		all = append(all, candidate{c.ID, c.Site, c.Weight})
	}
	return place(id, all, count, nil)
}

// VerifySlice returns the payload of a block.
func VerifySlice(secret custody.Secret, id objects.BlobID, data, total, slice int, segment int64, sealed int, block []byte) ([]byte, error) {
	key, err := newSliceKey(secret, id)
	if err != nil {
		return nil, err
	}
	return key.verify(block, header{blob: id, data: data, total: total, slice: slice, segment: segment, sealed: sealed})
}
