package objects

import (
	"context"
	"fmt"
	"io"
	"sync"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/fault"
)

// errGone says that the caller did not take all of an answer.
var errGone = fault.New(fault.Invalid, "the caller went away before the end of the answer")

// span is a range of bytes of one part that is wanted.
type span struct {
	part     *PartRow
	from, to int64 // to is exclusive
}

// spans cuts a range of an object into those of its parts. Of an empty object it is its last part, so
// that its one segment is opened all the same.
func spans(parts []PartRow, offset, length int64) (list []span) {
	for i := range parts {
		p := &parts[i]
		from, to := max(0, offset), min(p.Size, offset+length)
		if from < to || p.Size == 0 && length == 0 && i == len(parts)-1 {
			list = append(list, span{part: p, from: from, to: to})
		}
		offset -= p.Size
	}
	return list
}

// segments is the first segment of a span, and the one behind its last.
func (p span) segments() (first, end int64) {
	return p.from / segmentSize, max(p.from, p.to-1)/segmentSize + 1
}

// segmentsOf counts the segments of spans.
func segmentsOf(list []span) (n int64) {
	for _, p := range list {
		first, end := p.segments()
		n += end - first
	}
	return n
}

// fetch opens the segments of a span in order and gives what is wanted of each to take, which owns it.
// Buf returns a buffer for one.
func fetch(ctx context.Context, bucket BucketID, p span, source BlobReader, dataKey custody.Secret, buf func() []byte, take func([]byte) error) (err error) {
	var (
		opens      = newSegments(bucket, p.part, dataKey)
		count      = segmentCount(p.part.Size)
		first, end = p.segments()
		sealed     []byte
	)
	for i := first; i < end; i++ {
		if sealed, err = source.Segment(ctx, i, sealed[:0]); err != nil {
			return fmt.Errorf("reading segment %d of part %d: %w", i, p.part.Number, err)
		}
		plain, err := opens.open(buf()[:0], sealed, i, i == count-1)
		size := min(segmentSize, p.part.Size-i*segmentSize)
		if err != nil || int64(len(plain)) != size {
			return fmt.Errorf("%w: segment %d of part %d, blob %s", ErrDamaged, i, p.part.Number, p.part.Blob.ID)
		}
		begin := i * segmentSize
		if err := take(plain[max(0, p.from-begin):min(size, p.to-begin)]); err != nil {
			return err
		}
	}
	return nil
}

// sealedSource opens a blob, wherever it is.
func (s *Service) sealedSource(ctx context.Context, b *Blob) (BlobReader, error) {
	if len(b.Nodes) == 0 {
		return embedded{b}, nil
	}
	return s.Blobs.Read(ctx, *b)
}

// embedded reads a blob that came with its row.
type embedded struct{ blob *Blob }

// Segment implements BlobReader.
func (e embedded) Segment(_ context.Context, i int64, dst []byte) ([]byte, error) {
	from, to := i*e.blob.Segment, min((i+1)*e.blob.Segment, int64(len(e.blob.Inline)))
	if from >= to {
		return dst, fmt.Errorf("%w: blob %s ends before segment %d", ErrDamaged, e.blob.ID, i)
	}
	return append(dst, e.blob.Inline[from:to]...), nil
}

// Close implements BlobReader.
func (e embedded) Close() error { return nil }

// ahead is how many opened segments wait to be read, beside the one that is being read and the one that
// is being opened.
const ahead = 1

// reader gives the content of an object, of which the next segments are fetched while one is read. The
// root key is asked before each segment is given away.
type reader struct {
	s     *Service
	ctx   context.Context
	visit *visit
	root  crn.CRN

	cancel context.CancelFunc
	work   sync.WaitGroup
	next   chan []byte // closed at the end, after failed is set
	failed error
	free   chan []byte

	left    int64 // bytes that were not read yet
	current []byte
	rest    []byte // of current
	err     error  // that ended the reading
	closed  bool
}

// read begins to read spans. The data key is wiped when the reader is closed, which must happen.
func (s *Service) read(ctx context.Context, v *visit, root crn.CRN, list []span, dataKey custody.Secret) *reader {
	r := &reader{s: s, visit: v, root: root, next: make(chan []byte, ahead), free: make(chan []byte, ahead+2)}
	r.ctx, r.cancel = context.WithCancel(ctx)
	for _, p := range list {
		r.left += p.to - p.from
	}
	r.work.Go(func() {
		defer close(r.next)
		defer dataKey.Wipe()
		r.failed = s.fetchAll(r.ctx, v.bucket.ID, list, dataKey, r.buffer, r.offer)
	})
	return r
}

// fetchAll is fetch of all spans. All their blobs are open before the first segment is taken, and stay so
// to the end: what replaces the object meanwhile does not take its slices away.
func (s *Service) fetchAll(ctx context.Context, bucket BucketID, list []span, dataKey custody.Secret, buf func() []byte, take func([]byte) error) error {
	sources := make([]BlobReader, 0, len(list))
	defer func() {
		for _, source := range sources {
			_ = source.Close() // of a reader, whose content was checked
		}
	}()
	for _, p := range list {
		source, err := s.sealedSource(ctx, &p.part.Blob)
		if err != nil {
			return err
		}
		sources = append(sources, source)
	}
	for i, p := range list {
		if err := fetch(ctx, bucket, p, sources[i], dataKey, buf, take); err != nil {
			return err
		}
	}
	return nil
}

// buffer returns one that was read, or a new one.
func (r *reader) buffer() []byte {
	select {
	case b := <-r.free:
		return b
	default:
		return nil
	}
}

// offer waits until an opened segment is wanted.
func (r *reader) offer(plain []byte) error {
	select {
	case r.next <- plain:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}

// advance takes the next segment.
func (r *reader) advance() error {
	if r.current != nil {
		r.free <- r.current // never blocks: no more are in use
		r.current = nil
	}
	plain, ok := <-r.next
	if !ok {
		return r.failed // nil only behind the last byte, where nobody asks
	}
	if err := r.s.standing(r.ctx, &r.visit.bucket, r.root); err != nil {
		return err
	}
	r.current, r.rest = plain, plain
	return nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	for len(r.rest) == 0 && r.err == nil {
		r.err = r.advance()
	}
	if r.err != nil {
		return 0, r.err
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	r.left -= int64(n)
	return n, nil
}

// first waits for the first segment, so that what is wrong with it can still be answered.
func (r *reader) first() error {
	r.err = r.advance()
	return r.err
}

// stop ends the work on segments that nobody will read.
func (r *reader) stop() {
	r.cancel()
	r.work.Wait()
}

// Close ends the reading, and records how it went.
func (r *reader) Close() error {
	if r.closed {
		return nil
	}
	r.closed = true
	r.stop()
	err := r.err
	if err == nil && r.left > 0 {
		err = errGone
	}
	return r.visit.end(err)
}
