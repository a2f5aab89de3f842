package objectstest

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"strongroom/objects"
)

// Act is a step of a blob's life at which a test can interfere.
type Act string

// The steps.
const (
	ActWrite   Act = "write"   // a blob is begun
	ActSegment Act = "segment" // a segment is written
	ActFinish  Act = "finish"  // a blob is made durable
	ActAbort   Act = "abort"   // a blob is given up; a failure stands for a crash before it
	ActRead    Act = "read"    // a blob is opened
	ActFetch   Act = "fetch"   // a segment is read
)

// Step is one act on one blob.
type Step struct {
	Act  Act
	Blob objects.BlobID
	// Segment counts from 0, for ActSegment and ActFetch.
	Segment int64
}

// Blobs keeps sealed segments in memory. It fails the test that uses it in a way that objects.Blobs
// forbids: segments of a wrong size, a writer that is left open, a reader that is not closed.
type Blobs struct {
	t       testing.TB
	catalog objects.BlobCatalog

	mu      sync.Mutex
	blobs   map[objects.BlobID][]byte // guarded by mu
	open    map[any]string            // guarded by mu: writers and readers, and what they are
	before  func(Step) error          // guarded by mu
	after   func(Step) error          // guarded by mu
	fetched []Step                    // guarded by mu
	woken   int                       // guarded by mu
}

// NewBlobs returns empty ones, which reserve what they write in the catalog. At the end of the test
// they complain of writers and readers that are still open.
func NewBlobs(t testing.TB, catalog objects.BlobCatalog) *Blobs {
	b := &Blobs{t: t, catalog: catalog, blobs: map[objects.BlobID][]byte{}, open: map[any]string{}}
	t.Cleanup(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, what := range b.open {
			t.Errorf("%s was left open", what)
		}
	})
	return b
}

// Before has f asked before each step, which fails with what f returns and does nothing. Nil stops that.
func (b *Blobs) Before(f func(Step) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.before = f
}

// After has f asked after each step, which has happened and then fails with what f returns.
func (b *Blobs) After(f func(Step) error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.after = f
}

// Lose removes what is stored of a blob, so that it cannot be read any more.
func (b *Blobs) Lose(id objects.BlobID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.blobs, id)
}

// Stored returns a copy of the sealed stream of a blob, or nil.
func (b *Blobs) Stored(id objects.BlobID) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.blobs[id])
}

// Store replaces the sealed stream of a blob, as damage that the layer below did not notice.
func (b *Blobs) Store(id objects.BlobID, sealed []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.blobs[id] = slices.Clone(sealed)
}

// IDs returns the blobs that are stored, in order.
func (b *Blobs) IDs() []objects.BlobID {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.SortedFunc(maps.Keys(b.blobs), func(x, y objects.BlobID) int { return strings.Compare(x.String(), y.String()) })
}

// Fetched returns the segments that were read since it was asked last, in the order of reading.
func (b *Blobs) Fetched() []Step {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := b.fetched
	b.fetched = nil
	return f
}

// Woken returns how often the collector was woken.
func (b *Blobs) Woken() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.woken
}

// step does something between the hooks.
func (b *Blobs) step(s Step, do func() error) error {
	b.mu.Lock()
	before, after := b.before, b.after
	b.mu.Unlock()
	if before != nil {
		if err := before(s); err != nil {
			return err
		}
	}
	if err := do(); err != nil {
		return err
	}
	if after != nil {
		return after(s)
	}
	return nil
}

func (b *Blobs) opened(thing any, what string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.open[thing] = what
}

func (b *Blobs) closed(thing any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[thing]; !ok {
		b.t.Errorf("%T was closed twice", thing)
	}
	delete(b.open, thing)
}

// Open returns how many readers and writers are open.
func (b *Blobs) Open() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.open)
}

// Write implements objects.Blobs.
func (b *Blobs) Write(ctx context.Context, id objects.BlobID, p objects.Profile, segment int64) (objects.BlobWriter, error) {
	w := &blobWriter{blobs: b, blob: objects.Blob{
		ID: id, Profile: p.Name, Data: p.Data, Total: p.Total, AllOrNothing: p.AllOrNothing,
		Segment: segment, State: objects.BlobWriting, Server: "server-1",
	}}
	if p.Data < 1 || p.Write < p.Data || p.Total < p.Write || segment < 1 {
		b.t.Errorf("blob %s was begun with profile %+v and segments of %d bytes", id, p, segment)
	}
	for i := range p.Total {
		w.blob.Nodes = append(w.blob.Nodes, objects.NodeID(fmt.Sprintf("%08x", i+1)))
	}
	err := b.step(Step{Act: ActWrite, Blob: id}, func() error { return b.catalog.ReserveBlob(ctx, w.blob) })
	if err != nil {
		return nil, err
	}
	stored, err := b.catalog.Blob(ctx, id)
	if err != nil {
		return nil, err
	}
	w.blob = stored
	b.opened(w, "writer of blob "+id.String())
	return w, nil
}

// Read implements objects.Blobs.
func (b *Blobs) Read(_ context.Context, blob objects.Blob) (objects.BlobReader, error) {
	r := &blobReader{blobs: b, blob: blob}
	err := b.step(Step{Act: ActRead, Blob: blob.ID}, func() error {
		b.mu.Lock()
		defer b.mu.Unlock()
		if blob.Inline != nil || len(blob.Nodes) == 0 {
			b.t.Errorf("blob %s is embedded and was asked of the nodes", blob.ID)
		}
		if _, ok := b.blobs[blob.ID]; !ok {
			return fmt.Errorf("reading blob %s: %w", blob.ID, objects.ErrDamaged)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b.opened(r, "reader of blob "+blob.ID.String())
	return r, nil
}

// Wake implements objects.Blobs.
func (b *Blobs) Wake() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.woken++
}

// blobWriter writes one blob.
type blobWriter struct {
	blobs    *Blobs
	blob     objects.Blob
	content  []byte
	segments int64
	last     bool // a shorter segment was written, which must be the last
	done     bool
}

func (w *blobWriter) Segment(_ context.Context, sealed []byte) error {
	switch size := int64(len(sealed)); {
	case w.done:
		w.blobs.t.Errorf("blob %s got a segment after its end", w.blob.ID)
	case w.last:
		w.blobs.t.Errorf("blob %s got another segment after a short one", w.blob.ID)
	case size == 0 || size > w.blob.Segment:
		w.blobs.t.Errorf("blob %s got a segment of %d bytes, with segments of %d", w.blob.ID, size, w.blob.Segment)
	default:
		w.last = size < w.blob.Segment
	}
	step := Step{Act: ActSegment, Blob: w.blob.ID, Segment: w.segments}
	w.segments++
	return w.blobs.step(step, func() error {
		w.content = append(w.content, sealed...)
		return nil
	})
}

func (w *blobWriter) Finish(context.Context) (objects.Blob, error) {
	if w.done || w.segments == 0 {
		w.blobs.t.Errorf("blob %s was finished twice or without a segment", w.blob.ID)
	}
	err := w.blobs.step(Step{Act: ActFinish, Blob: w.blob.ID}, func() error {
		w.blobs.mu.Lock()
		defer w.blobs.mu.Unlock()
		w.blobs.blobs[w.blob.ID] = w.content
		return nil
	})
	if err != nil {
		return objects.Blob{}, err
	}
	w.done = true
	w.blobs.closed(w)
	w.blob.Size, w.blob.State = int64(len(w.content)), objects.BlobLive
	return w.blob, nil
}

func (w *blobWriter) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.blobs.closed(w)
	_ = w.blobs.step(Step{Act: ActAbort, Blob: w.blob.ID}, func() error {
		w.blobs.Lose(w.blob.ID)
		return w.blobs.catalog.AbandonBlob(context.Background(), w.blob.ID)
	})
}

// blobReader reads one blob.
type blobReader struct {
	blobs *Blobs
	blob  objects.Blob
}

func (r *blobReader) Segment(_ context.Context, i int64, dst []byte) ([]byte, error) {
	if i < 0 || i >= r.blob.Segments() {
		r.blobs.t.Errorf("segment %d was asked of blob %s, which has %d", i, r.blob.ID, r.blob.Segments())
	}
	step := Step{Act: ActFetch, Blob: r.blob.ID, Segment: i}
	err := r.blobs.step(step, func() error {
		r.blobs.mu.Lock()
		defer r.blobs.mu.Unlock()
		r.blobs.fetched = append(r.blobs.fetched, step)
		sealed := r.blobs.blobs[r.blob.ID]
		from, to := i*r.blob.Segment, min((i+1)*r.blob.Segment, int64(len(sealed)))
		if from >= to {
			return fmt.Errorf("reading segment %d of blob %s: %w", i, r.blob.ID, objects.ErrDamaged)
		}
		dst = append(dst, sealed[from:to]...)
		return nil
	})
	return dst, err
}

func (r *blobReader) Close() error {
	r.blobs.closed(r)
	return nil
}
