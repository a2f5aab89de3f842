package audit

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"
	"time"
)

// The index of a closed segment says what the segment does not hold, so that a search need not read
// it. Its file:
//
//	"SRAUDIX1" ‖ length of summary (4 bytes) ‖ summary (JSON) ‖ SHA-256 of all before ‖ blocks
//
// The blocks are a Bloom filter cut into blocks of 64 bytes: a token belongs to one block, and sets
// 6 of its 480 bits; the last 4 bytes are the CRC-32C of the others. A question reads one block. A
// block that fails its sum answers "perhaps".
const (
	indexMagic    = "SRAUDIX1"
	blockSize     = 64
	blockBits     = (blockSize - crc32.Size) * 8
	bitsPerToken  = 12 // about one wrong "perhaps" in 200
	probes        = 6
	maxActions    = 1024     // a segment with more kinds of actions is always read
	maxSummary    = 1 << 20  // bytes; far more than maxActions need
	indexHeadSize = 8 + 4    // magic and length
	maxBlocks     = 16 << 20 // 1 GiB of filter
)

// index is the summary of a closed segment, as it is in its file.
type index struct {
	First    uint64    `json:"first"`
	Last     uint64    `json:"last"`     // sequence of the last line
	LastHash Hash      `json:"lastHash"` // of the last line
	Size     int64     `json:"size"`     // of the segment, in bytes
	Events   int       `json:"events"`
	From     time.Time `json:"from"` // earliest time of an event, or of the segment's making
	To       time.Time `json:"to"`   // latest
	Actions  []string  `json:"actions"`
	Blocks   int64     `json:"blocks"` // 0 if there is no filter

	offset int64 // of the first block in the file
}

// newIndex makes an index of notes, and its filter.
func newIndex(first uint64, size int64, n *notes) (*index, []byte) {
	x := &index{
		First: first, Last: n.end.sequence, LastHash: n.end.hash, Size: size,
		Events: n.events, From: n.from, To: n.to,
	}
	if len(n.actions) <= maxActions {
		x.Actions = make([]string, 0, len(n.actions))
		for a := range n.actions {
			x.Actions = append(x.Actions, a)
		}
		slices.Sort(x.Actions)
	}
	slices.Sort(n.tokens)
	tokens := slices.Compact(n.tokens)
	x.Blocks = min((int64(len(tokens))*bitsPerToken+blockBits-1)/blockBits, maxBlocks)
	return x, filter(tokens, x.Blocks)
}

func filter(tokens []token, blocks int64) []byte {
	b := make([]byte, blocks*blockSize)
	for _, t := range tokens {
		block := b[t.block(blocks)*blockSize:]
		for i := range probes {
			bit := t.bit(i)
			block[bit/8] |= 1 << (bit % 8)
		}
	}
	for i := int64(0); i < blocks; i++ {
		block := b[i*blockSize : (i+1)*blockSize]
		binary.BigEndian.PutUint32(block[blockBits/8:], blockSum(block))
	}
	return b
}

func blockSum(block []byte) uint32 {
	return crc32.Checksum(block[:blockBits/8], crc32.MakeTable(crc32.Castagnoli))
}

// block and bit use different parts of the token: the high half chooses the block, the low the bits.
func (t token) block(blocks int64) int64 { return int64(uint64(t>>32) * uint64(blocks) >> 32) }

func (t token) bit(i int) uint32 {
	a, b := uint32(t)&0xffff, uint32(t)>>16|1
	return (a + uint32(i)*b) % blockBits
}

// mayHold reports false if the segment surely does not hold the token. f is the index file.
func (x *index) mayHold(f io.ReaderAt, t token) bool {
	if x.Blocks == 0 {
		return true
	}
	var block [blockSize]byte
	if _, err := f.ReadAt(block[:], x.offset+t.block(x.Blocks)*blockSize); err != nil && !errors.Is(err, io.EOF) {
		return true
	}
	if binary.BigEndian.Uint32(block[blockBits/8:]) != blockSum(block[:]) {
		return true
	}
	for i := range probes {
		bit := t.bit(i)
		if block[bit/8]&(1<<(bit%8)) == 0 {
			return false
		}
	}
	return true
}

// head returns the file up to the blocks, and sets offset.
func (x *index) head() []byte {
	summary, err := json.Marshal(x)
	if err != nil {
		panic("audit: encoding index: " + err.Error()) // no field can fail
	}
	b := []byte(indexMagic)
	b = binary.BigEndian.AppendUint32(b, uint32(len(summary)))
	b = append(b, summary...)
	sum := sha256.Sum256(b)
	b = append(b, sum[:]...)
	x.offset = int64(len(b))
	return b
}

var errIndex = errors.New("not an index of this segment")

// readIndex reads the summary of the index of a segment.
func readIndex(f file, first uint64, size int64) (*index, error) {
	head := make([]byte, indexHeadSize)
	if _, err := f.ReadAt(head, 0); err != nil || string(head[:len(indexMagic)]) != indexMagic {
		return nil, errIndex
	}
	n := binary.BigEndian.Uint32(head[len(indexMagic):])
	if n > maxSummary {
		return nil, errIndex
	}
	b := make([]byte, indexHeadSize+int(n)+sha256.Size)
	if _, err := f.ReadAt(b, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, errIndex
	}
	text, sum := b[:indexHeadSize+int(n)], b[indexHeadSize+int(n):]
	if sha256.Sum256(text) != [sha256.Size]byte(sum) {
		return nil, errIndex
	}
	var x index
	if err := json.Unmarshal(text[indexHeadSize:], &x); err != nil {
		return nil, errIndex
	}
	x.offset = int64(len(b))
	whole, err := f.Size()
	if err != nil || x.First != first || x.Size != size ||
		x.Blocks < 0 || x.Blocks > maxBlocks || whole != x.offset+x.Blocks*blockSize {
		return nil, errIndex
	}
	return &x, nil
}

// loadIndex returns the index of a segment, or nil if it has none that fits.
func loadIndex(fs files, first uint64, size int64) *index {
	f, err := fs.open(indexName(first))
	if err != nil {
		return nil
	}
	defer f.Close()
	x, err := readIndex(f, first, size)
	if err != nil {
		return nil
	}
	return x
}

// writeIndex writes an index file. It is not synced: one that a crash leaves torn is made anew.
func writeIndex(fs files, x *index, blocks []byte) error {
	name := indexName(x.First)
	if _, err := fs.size(name); err == nil {
		if err := fs.remove(name); err != nil {
			return fmt.Errorf("replacing index: %w", err)
		}
	}
	f, err := fs.create(name)
	if err != nil {
		return fmt.Errorf("creating index: %w", err)
	}
	defer f.Close()
	if _, err := f.WriteAt(append(x.head(), blocks...), 0); err != nil {
		return fmt.Errorf("writing index: %w", err)
	}
	return nil
}

// notesOf reads a segment that has no notes of its own, as after a crash.
func notesOf(f file, size int64) (*notes, error) {
	var n *notes
	sc := newScanner(f, 0, size)
	for sc.scan() {
		if !sc.ok {
			continue
		}
		if sc.line.kind == kindSegment && n == nil {
			h, err := parseHeader(sc.line.body)
			if err != nil {
				return nil, err
			}
			n = newNotes(h.Time)
		}
		if n == nil {
			return nil, errIndex
		}
		n.end.sequence, n.end.hash = sc.line.sequence, sc.line.hash
		if sc.line.kind != kindEvent {
			continue
		}
		e, err := parseEvent(sc.line.body)
		if err != nil {
			continue
		}
		if id, err := parseID(e.ID); err == nil {
			one := noteOf(e, id)
			n.add(&one)
		}
	}
	if sc.err != nil {
		return nil, sc.err
	}
	if n == nil {
		return nil, errIndex
	}
	return n, nil
}
