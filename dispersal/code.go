package dispersal

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/klauspost/reedsolomon"

	"strongroom/objects"
)

// Bounds of a code.
const (
	maxData  = 32
	maxTotal = 64
)

// checkCode says why there is no code of k in n.
func checkCode(data, total int) error {
	if data < 1 || data > maxData || total < data || total > maxTotal {
		return fmt.Errorf("no code with %d of %d slices", data, total)
	}
	return nil
}

// checkProfile says why a profile cannot be used.
func checkProfile(p objects.Profile) error {
	if err := checkCode(p.Data, p.Total); err != nil {
		return fmt.Errorf("profile %q: %w", p.Name, err)
	}
	if p.Write < p.Data || p.Write > p.Total {
		return fmt.Errorf("profile %q: a write threshold of %d is not between %d and %d", p.Name, p.Write, p.Data, p.Total)
	}
	return nil
}

// shardSize returns the size in bytes of each of k shards of a segment.
func shardSize(sealed, data int) int { return (sealed + data - 1) / data }

// codes keeps one coder for each code that is in use. The matrix of a coder is a part of the format: it
// is the systematic one whose parity rows are Cauchy's, 1/(r xor c) in GF(2^8) modulo 0x11d for row
// r >= k and column c < k.
type codes struct {
	mu   sync.Mutex
	made map[[2]int]reedsolomon.Encoder
}

func (c *codes) get(data, total int) (reedsolomon.Encoder, error) {
	if err := checkCode(data, total); err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if enc, ok := c.made[[2]int{data, total}]; ok {
		return enc, nil
	}
	// One goroutine: segments are small, and many requests share the processors.
	enc, err := reedsolomon.New(data, total-data, reedsolomon.WithCauchyMatrix(), reedsolomon.WithMaxGoroutines(1))
	if err != nil {
		return nil, fmt.Errorf("code with %d of %d slices: %w", data, total, err)
	}
	if c.made == nil {
		c.made = map[[2]int]reedsolomon.Encoder{}
	}
	c.made[[2]int{data, total}] = enc
	return enc, nil
}

// stripe is the n blocks of one segment, in one buffer. It is shared by the goroutines that write to
// nodes, and goes back to its pool with the last of them. One that a hung node never lets go is left to
// the garbage collector.
type stripe struct {
	buf    []byte
	size   int // of a block
	pool   *stripePool
	owners atomic.Int32
}

// stripePool keeps the buffers of stripes.
type stripePool struct{ free sync.Pool }

// get returns a stripe of n blocks of size bytes, with one owner. Its content is undefined.
func (p *stripePool) get(n, size int) *stripe {
	s, _ := p.free.Get().(*stripe)
	if s == nil || cap(s.buf) < n*size {
		s = &stripe{buf: make([]byte, n*size), pool: p}
	}
	s.buf, s.size = s.buf[:n*size], size
	s.owners.Store(1)
	return s
}

// block returns block i.
func (s *stripe) block(i int) []byte { return s.buf[i*s.size : (i+1)*s.size : (i+1)*s.size] }

// share adds an owner.
func (s *stripe) share() { s.owners.Add(1) }

// release ends the use by one owner.
func (s *stripe) release() {
	if s.owners.Add(-1) == 0 {
		s.pool.free.Put(s)
	}
}

// shards returns the payloads of all blocks.
func (s *stripe) shards() [][]byte {
	all := make([][]byte, len(s.buf)/s.size)
	for i := range all {
		b := s.block(i)
		all[i] = b[headerSize : len(b)-tagSize : len(b)-tagSize]
	}
	return all
}

// coder turns segments of one blob into blocks and back.
type coder struct {
	layout
	key  sliceKey
	code reedsolomon.Encoder
	pool *stripePool
	all  []int // 0 … n-1
}

// encode cuts a sealed segment into a stripe, and signs the blocks of the slices in only, or of all if
// it is nil. The caller releases the stripe.
func (c *coder) encode(i int64, sealed []byte, only []int) (*stripe, error) {
	size := shardSize(len(sealed), c.Data)
	st := c.pool.get(c.Total, overhead+size)
	shards := st.shards()
	for s := range c.Data {
		from := min(s*size, len(sealed))
		n := copy(shards[s], sealed[from:])
		clear(shards[s][n:])
	}
	if c.Total > c.Data {
		if err := c.code.Encode(shards); err != nil {
			st.release()
			return nil, fmt.Errorf("coding segment %d: %w", i, err)
		}
	}
	if only == nil {
		only = c.all
	}
	h := header{blob: c.ID, data: c.Data, total: c.Total, segment: i, sealed: len(sealed)}
	for _, s := range only {
		h.slice = s
		b := st.block(s)
		h.append(b[:0])
		c.key.sign(b)
	}
	return st, nil
}

// decode appends sealed segment i to dst. It takes the payloads of all slices, of which at least Data
// are not empty; the room of empty ones is used for data shards that are computed.
func (c *coder) decode(i int64, shards [][]byte, dst []byte) ([]byte, error) {
	for _, s := range shards[:c.Data] {
		if len(s) > 0 {
			continue
		}
		if err := c.code.ReconstructData(shards); err != nil {
			return dst, fmt.Errorf("decoding segment %d: %w", i, err)
		}
		break
	}
	left := c.sealed(i)
	for _, s := range shards[:c.Data] {
		n := min(left, len(s))
		dst = append(dst, s[:n]...)
		left -= n
	}
	return dst, nil
}
