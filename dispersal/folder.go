package dispersal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"strongroom/internal/durable"
	"strongroom/objects"
)

// Names inside the folder of a node. A slice is <slicesFolder>/<first byte of the blob ID>/<name>.
const (
	markFile     = "strongroom-node" // holds the node's ID
	slicesFolder = "slices"
	tempFolder   = "unfinished"
)

// markSize is how much of a mark is read, in bytes.
const markSize = 64

// syncEvery is how many bytes are written to a file between two syncs, so that what Commit has left to
// sync does not grow with the file and no single call takes long.
const syncEvery = 8 << 20

// Files is what a folder needs of a file system; Disk is the one of the machine. Tests have one that
// loses what was not synced.
type Files interface {
	durable.Files
	Open(path string) (File, error)
	Mkdir(path string) error // fs.ErrExist if it is there
	ReadDir(path string) ([]fs.DirEntry, error)
	// Space returns the size of the file system that has path, and what of it is free, in bytes.
	Space(path string) (capacity, free int64, err error)
}

// File is a file that is read.
type File interface {
	io.ReaderAt
	io.Closer
}

// Disk is the file system of the machine.
type Disk struct{ durable.Disk }

// Open implements Files.
func (Disk) Open(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err // and not a nil *os.File in an interface
	}
	return f, nil
}

// Mkdir implements Files.
func (Disk) Mkdir(path string) error { return os.Mkdir(path, 0o700) }

// ReadDir implements Files.
func (Disk) ReadDir(path string) ([]fs.DirEntry, error) { return os.ReadDir(path) }

// Folder is a SliceStore in a folder of its own.
type Folder struct {
	files Files
	root  string
	id    objects.NodeID

	mu      sync.Mutex      // held while a shelf is made
	shelves map[string]bool // that are known to be durable; guarded by mu
}

// NewFolder returns the store of a node in the folder root. Nothing is made or looked at yet.
func NewFolder(files Files, root string, id objects.NodeID) *Folder {
	return &Folder{files: files, root: root, id: id, shelves: map[string]bool{}}
}

func (f *Folder) temps() string { return filepath.Join(f.root, tempFolder) }

func (f *Folder) shelfOf(name SliceName) string {
	return filepath.Join(f.root, slicesFolder, name.Blob.String()[:2])
}

func (f *Folder) path(name SliceName) string { return filepath.Join(f.shelfOf(name), name.String()) }

// Mark implements SliceStore. It makes the folder, if the folder that has it is there.
func (f *Folder) Mark(_ context.Context, id objects.NodeID) error {
	for _, path := range []string{f.root, filepath.Join(f.root, slicesFolder), f.temps()} {
		if err := f.mkdir(path); err != nil {
			return err
		}
	}
	w, err := durable.Begin(f.files, f.root, filepath.Join(f.root, markFile))
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := fmt.Fprintf(w, "%s\n", id); err != nil {
		return err
	}
	return w.Commit()
}

// mkdir makes a folder durably, unless it is there.
func (f *Folder) mkdir(path string) error {
	err := f.files.Mkdir(path)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.files.SyncFolder(filepath.Dir(path))
}

// makeShelf makes a shelf durably. That it is there does not mean that it is durable: whoever made it may
// not have come to that, or has failed.
func (f *Folder) makeShelf(path string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	err := f.files.Mkdir(path)
	switch {
	case errors.Is(err, fs.ErrExist) && f.shelves[path]:
		return nil
	case err != nil && !errors.Is(err, fs.ErrExist):
		return err
	}
	if err := f.files.SyncFolder(filepath.Dir(path)); err != nil {
		return err
	}
	f.shelves[path] = true
	return nil
}

// Owner implements SliceStore.
func (f *Folder) Owner(context.Context) (objects.NodeID, error) {
	file, err := f.files.Open(filepath.Join(f.root, markFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	text := make([]byte, markSize)
	n, err := file.ReadAt(text, 0)
	if err != nil && err != io.EOF {
		return "", err
	}
	return objects.NodeID(strings.TrimSpace(string(text[:n]))), nil
}

// Check implements SliceStore.
func (f *Folder) Check(ctx context.Context) error {
	switch owner, err := f.Owner(ctx); {
	case err != nil:
		return err
	case owner == "":
		return fmt.Errorf("%w: folder %s has no mark; is its disk mounted?", ErrAway, f.root)
	case owner != f.id:
		return fmt.Errorf("%w: folder %s is that of node %s", ErrAway, f.root, owner)
	}
	return nil
}

// absent makes fs.ErrNotExist of a slice sure: a folder that is away has none.
func (f *Folder) absent(ctx context.Context, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		if away := f.Check(ctx); away != nil {
			return away
		}
	}
	return err
}

// Create implements SliceStore.
func (f *Folder) Create(ctx context.Context, name SliceName) (SliceWriter, error) {
	// The folder of unfinished files is made with the mark: without it, nothing is written.
	w, err := durable.Begin(f.files, f.temps(), f.path(name))
	if err != nil {
		return nil, f.absent(ctx, err)
	}
	if err := f.makeShelf(f.shelfOf(name)); err != nil {
		w.Abort()
		return nil, err
	}
	return &folderWriter{Writer: w}, nil
}

// folderWriter syncs as it goes.
type folderWriter struct {
	*durable.Writer
	unsynced int
}

func (w *folderWriter) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if w.unsynced += n; err == nil && w.unsynced >= syncEvery {
		w.unsynced = 0
		err = w.Sync()
	}
	return n, err
}

// ReadAt implements SliceStore.
func (f *Folder) ReadAt(ctx context.Context, name SliceName, p []byte, off int64) error {
	file, err := f.files.Open(f.path(name))
	if err != nil {
		return f.absent(ctx, err)
	}
	defer file.Close()
	n, err := file.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// Remove implements SliceStore. A removal that is lost with the power leaves an orphan, which is found
// like others.
func (f *Folder) Remove(ctx context.Context, name SliceName) error {
	err := f.absent(ctx, f.files.Remove(f.path(name)))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// List implements SliceStore.
func (f *Folder) List(ctx context.Context, each func(SliceInfo) error) error {
	if err := f.Check(ctx); err != nil {
		return err
	}
	shelves, err := f.files.ReadDir(filepath.Join(f.root, slicesFolder))
	if err != nil {
		return err
	}
	for _, shelf := range shelves {
		entries, err := f.files.ReadDir(filepath.Join(f.root, slicesFolder, shelf.Name()))
		if err != nil {
			return err
		}
		for _, e := range entries {
			if err := f.listed(ctx, e, each); err != nil {
				return err
			}
		}
	}
	return nil
}

// listed passes one entry of a shelf on. What is not named as a slice is not ours.
func (f *Folder) listed(ctx context.Context, e fs.DirEntry, each func(SliceInfo) error) error {
	name, err := ParseSliceName(e.Name())
	if err != nil {
		return ctx.Err()
	}
	info, err := e.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return ctx.Err() // removed meanwhile
	}
	if err != nil {
		return err
	}
	return errors.Join(ctx.Err(), each(SliceInfo{Name: name, Size: info.Size(), Modified: info.ModTime()}))
}

// Sweep implements SliceStore.
func (f *Folder) Sweep(ctx context.Context, before time.Time) error {
	entries, err := f.files.ReadDir(f.temps())
	if err != nil {
		return f.absent(ctx, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) || err == nil && !info.ModTime().Before(before) {
			continue
		}
		if err != nil {
			return err
		}
		err = f.files.Remove(filepath.Join(f.temps(), e.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return ctx.Err()
}

// Space implements SliceStore.
func (f *Folder) Space(ctx context.Context) (capacity, free int64, err error) {
	if err := f.Check(ctx); err != nil {
		return 0, 0, err
	}
	return f.files.Space(f.root)
}

// Close implements SliceStore.
func (f *Folder) Close() error { return nil }
