package objects

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"time"
)

// BlobID names a blob: 16 random bytes, in lower-case hexadecimal where it is text. It is part of the
// additional data of each segment, so that segments of one blob do not open in another.
type BlobID [16]byte

// NewBlobID draws an ID.
func NewBlobID() (id BlobID) {
	_, _ = rand.Read(id[:]) // never fails: crypto/rand ends the process instead
	return id
}

func (id BlobID) String() string { return hex.EncodeToString(id[:]) }

// ParseBlobID reads what String wrote.
func ParseBlobID(s string) (id BlobID, err error) {
	b, err := hex.DecodeString(s)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("%q is no blob ID", s)
	}
	return BlobID(b), nil
}

// Profile says how blobs are dispersed.
type Profile struct {
	Name  string
	Data  int // k: how many slices are enough to read, 1 to 32
	Total int // n: how many slices there are, Data to 64
	Write int // how many must be durable before a write is acknowledged, Data to Total
	// AllOrNothing folds an all-or-nothing transform into the seal of each segment: fewer than Data
	// slices reveal nothing even to a holder of the object's key. It is for profiles over several sites.
	AllOrNothing bool
}

// Blob is one sealed stream, and where its slices are. Slice i of every segment is on Nodes[i].
type Blob struct {
	ID           BlobID
	Profile      string // name, as chosen when it was written
	Data, Total  int
	AllOrNothing bool
	// Segment is the size in bytes of every sealed segment but the last, which may be shorter; Size that of all.
	Segment int64
	Size    int64
	Nodes   []NodeID // Total of them; "" where there was no node for a slice yet, which is missing
	// Missing has bit i set while slice i is known not to be good on Nodes[i].
	Missing  uint64
	State    BlobState
	Server   string // that writes it, while BlobWriting
	Created  time.Time
	Revision int64
	// Inline is the whole sealed stream of a blob that is embedded in the database instead: then Nodes
	// is empty. It is nil for a dispersed one, and where the store was not asked for content.
	Inline []byte
}

// Segments returns how many segments the blob has.
func (b *Blob) Segments() int64 {
	if b.Segment == 0 {
		return 0
	}
	return (b.Size + b.Segment - 1) / b.Segment
}

// BlobState says whether something refers to a blob.
type BlobState int

const (
	BlobWriting BlobState = iota // reserved: slices may be on nodes, nothing refers to it yet
	BlobLive                     // a part of an object or upload refers to it
	BlobDead                     // nothing refers to it any more: its slices are to be removed
)

// Blobs keeps sealed segments so that they survive the loss of nodes; package dispersal does.
type Blobs interface {
	// Write begins a blob: it chooses nodes and reserves the blob in the catalog before the first byte
	// reaches a node. Every segment but the last has segment bytes.
	Write(ctx context.Context, id BlobID, p Profile, segment int64) (BlobWriter, error)
	// Read opens a live blob. It fails with ErrTooFewNodes while too few nodes can be reached, and
	// with ErrDamaged when too few good slices are left.
	Read(ctx context.Context, b Blob) (BlobReader, error)
	// Wake tells the collector that blobs have died.
	Wake()
}

// BlobWriter takes the segments of a blob in order. It is used by one goroutine.
type BlobWriter interface {
	// Segment takes the next sealed segment, which it does not keep after it returns.
	Segment(ctx context.Context, sealed []byte) error
	// Finish makes all slices durable, at least Profile.Write of each segment, files and folders
	// synced, and returns the blob as it is to be committed as live.
	Finish(ctx context.Context) (Blob, error)
	// Abort gives the blob up; it may follow a failed Finish, and does nothing after a good one.
	Abort()
}

// BlobReader gives segments back. It is safe for concurrent use.
type BlobReader interface {
	// Segment appends sealed segment i (from 0) to dst, from any Data good slices. Slices that are
	// slow, missing or bad are replaced by others and reported to the catalog.
	Segment(ctx context.Context, i int64, dst []byte) ([]byte, error)
	Close() error
}

// BlobCatalog is where blobs are recorded: sqlstore implements it, dispersal uses it. Writes compare
// the revision of the blob they are given (kind Stale) and store the next one.
type BlobCatalog interface {
	// ReserveBlob records a blob in state BlobWriting.
	ReserveBlob(ctx context.Context, b Blob) error
	// AbandonBlob makes a blob that is still BlobWriting a dead one.
	AbandonBlob(ctx context.Context, id BlobID) error
	// AbandonWritten makes all blobs dead that a server of this name was writing: at its next start.
	AbandonWritten(ctx context.Context, server string) (int64, error)
	// Blob returns one blob, without content; kind NotFound if there is none.
	Blob(ctx context.Context, id BlobID) (Blob, error)
	// BlobsAfter pages through blobs of a state in the order of their IDs, without content; embedded
	// blobs are left out.
	BlobsAfter(ctx context.Context, state BlobState, after BlobID, limit int) ([]Blob, error)
	// Incomplete returns live blobs with missing slices, those with the fewest good ones first.
	Incomplete(ctx context.Context, limit int) ([]Blob, error)
	// MarkMissing sets bits of Missing, whatever the revision, if slice i is still on nodes[i].
	MarkMissing(ctx context.Context, id BlobID, slices map[int]NodeID) error
	// MoveBlob stores Nodes and Missing of a live blob.
	MoveBlob(ctx context.Context, b Blob) error
	// DropBlob removes the row of a dead blob, when no node holds a slice any more.
	DropBlob(ctx context.Context, id BlobID) error
	// CountBlobs returns how many dispersed blobs live and how many bytes they have before coding.
	CountBlobs(ctx context.Context) (blobs, bytes int64, err error)
}
