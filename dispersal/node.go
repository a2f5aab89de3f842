package dispersal

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"strongroom/objects"
)

// SliceName names a slice file.
type SliceName struct {
	Blob  objects.BlobID
	Index int
}

// String returns the blob's ID, a dot and the index in two digits.
func (n SliceName) String() string { return fmt.Sprintf("%s.%02d", n.Blob, n.Index) }

// ParseSliceName reads what String wrote, and nothing else.
func ParseSliceName(s string) (SliceName, error) {
	id, index, ok := strings.Cut(s, ".")
	if !ok || len(index) != 2 {
		return SliceName{}, fmt.Errorf("%q is no name of a slice", s)
	}
	blob, err := objects.ParseBlobID(id)
	if err != nil || hex.EncodeToString(blob[:]) != id {
		return SliceName{}, fmt.Errorf("%q is no name of a slice", s)
	}
	i, err := strconv.ParseUint(index, 10, 8)
	if err != nil || i >= maxTotal {
		return SliceName{}, fmt.Errorf("%q is no name of a slice", s)
	}
	return SliceName{Blob: blob, Index: int(i)}, nil
}

// ErrAway says that a node is not what it should be, as a folder whose disk is not mounted: nothing
// follows from what is not found there.
var ErrAway = errors.New("this is not the storage node")

// SliceStore keeps the slice files of one node. Methods are safe for concurrent use. A method may block
// longer than its context, as system calls do; the caller bounds that.
//
// An absent file is fs.ErrNotExist only where the store is sure to be the node's: it carries a mark
// with the node's ID, and is ErrAway without it.
type SliceStore interface {
	// Owner returns the ID in the store's mark, or "" if there is none.
	Owner(ctx context.Context) (objects.NodeID, error)
	// Mark makes the store that of a node, durably, whosever it was.
	Mark(ctx context.Context, id objects.NodeID) error
	// Check fails unless the store is that of the node and can be reached.
	Check(ctx context.Context) error
	// Create begins a file, which replaces one of its name when it is complete.
	Create(ctx context.Context, name SliceName) (SliceWriter, error)
	// ReadAt fills p from an offset of a file. It fails with io.ErrUnexpectedEOF if the file ends
	// before, and with fs.ErrNotExist if there is none.
	ReadAt(ctx context.Context, name SliceName, p []byte, off int64) error
	// Remove removes a file. It does nothing if there is none.
	Remove(ctx context.Context, name SliceName) error
	// List calls f with every file, in no order, until f fails.
	List(ctx context.Context, f func(SliceInfo) error) error
	// Sweep removes what unfinished writes left before a time.
	Sweep(ctx context.Context, before time.Time) error
	// Space returns the size of the store and what of it is free, in bytes; zeros if unknown.
	Space(ctx context.Context) (capacity, free int64, err error)
	Close() error
}

// SliceInfo describes a slice file.
type SliceInfo struct {
	Name     SliceName
	Size     int64 // bytes
	Modified time.Time
}

// SliceWriter takes the content of a slice file. It is used by one goroutine.
type SliceWriter interface {
	io.Writer
	// Commit makes the file durable under its name.
	Commit() error
	// Abort gives the file up. It does nothing after Commit.
	Abort()
}
