package dispersal_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/dispersal"
	"strongroom/internal/durable"
	"strongroom/objects"
)

var errPower = errors.New("the power is lost")

// volatile is a file system in memory that forgets what was not synced when its power is lost: the
// content of files since their last sync, and names since the last sync of their folder.
type volatile struct {
	mu     sync.Mutex
	names  map[string]*inode // as they are
	stable map[string]*inode // as they are on disk
	temps  int
	steps  int // changes until the power is lost; negative for never
}

// inode is a file, or a folder if isDir.
type inode struct {
	isDir        bool
	data, stable []byte
	modified     time.Time
}

func newVolatile() *volatile {
	return &volatile{names: map[string]*inode{}, stable: map[string]*inode{}, steps: -1}
}

// crash turns the power off and on. What is left is from long ago.
func (v *volatile) crash() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.steps = -1
	v.names = map[string]*inode{}
	for name, i := range v.stable {
		i.data, i.modified = bytes.Clone(i.stable), time.Time{}
		v.names[name] = i
	}
}

// step begins a change; the caller unlocks.
func (v *volatile) step() error {
	v.mu.Lock()
	if v.steps == 0 {
		return errPower
	}
	v.steps--
	return nil
}

func missing(op, name string) error { return &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist} }

func (v *volatile) CreateTemp(folder, prefix string) (durable.Temp, error) {
	err := v.step()
	defer v.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if v.names[folder] == nil {
		return nil, missing("create", folder)
	}
	v.temps++
	name := path.Join(folder, prefix+strconv.Itoa(v.temps))
	i := &inode{modified: time.Now()}
	v.names[name] = i
	return &volatileTemp{v, i, name}, nil
}

type volatileTemp struct {
	v    *volatile
	i    *inode
	name string
}

func (f *volatileTemp) Name() string { return f.name }

func (f *volatileTemp) Write(p []byte) (int, error) {
	err := f.v.step()
	defer f.v.mu.Unlock()
	if err != nil {
		return 0, err
	}
	f.i.data = append(f.i.data, p...)
	return len(p), nil
}

func (f *volatileTemp) Sync() error {
	err := f.v.step()
	defer f.v.mu.Unlock()
	if err == nil {
		f.i.stable = bytes.Clone(f.i.data)
	}
	return err
}

func (f *volatileTemp) Close() error { return nil }

func (v *volatile) Rename(from, to string) error {
	err := v.step()
	defer v.mu.Unlock()
	if err != nil {
		return err
	}
	if v.names[from] == nil || v.names[path.Dir(to)] == nil {
		return missing("rename", from)
	}
	v.names[to] = v.names[from]
	delete(v.names, from)
	return nil
}

func (v *volatile) Remove(name string) error {
	err := v.step()
	defer v.mu.Unlock()
	if err != nil {
		return err
	}
	if v.names[name] == nil {
		return missing("remove", name)
	}
	delete(v.names, name)
	return nil
}

func (v *volatile) Mkdir(name string) error {
	err := v.step()
	defer v.mu.Unlock()
	if err != nil {
		return err
	}
	if v.names[name] != nil {
		return &fs.PathError{Op: "mkdir", Path: name, Err: fs.ErrExist}
	}
	v.names[name] = &inode{isDir: true}
	return nil
}

func (v *volatile) SyncFolder(folder string) error {
	err := v.step()
	defer v.mu.Unlock()
	if err != nil {
		return err
	}
	for name := range v.stable {
		if path.Dir(name) == folder && v.names[name] == nil {
			delete(v.stable, name)
		}
	}
	for name, i := range v.names {
		if path.Dir(name) == folder {
			v.stable[name] = i
		}
	}
	return nil
}

func (v *volatile) Open(name string) (dispersal.File, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	i := v.names[name]
	if i == nil {
		return nil, missing("open", name)
	}
	return volatileFile{bytes.NewReader(i.data)}, nil
}

type volatileFile struct{ io.ReaderAt }

func (volatileFile) Close() error { return nil }

func (v *volatile) ReadDir(folder string) (entries []fs.DirEntry, err error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.names[folder] == nil {
		return nil, missing("readdir", folder)
	}
	for name, i := range v.names {
		if path.Dir(name) == folder {
			entries = append(entries, fs.FileInfoToDirEntry(volatileInfo{path.Base(name), int64(len(i.data)), i.isDir, i.modified}))
		}
	}
	return entries, nil
}

func (*volatile) Space(string) (capacity, free int64, err error) { return 2 << 40, 1 << 40, nil }

// volatileInfo is what a file was when its folder was read.
type volatileInfo struct {
	name     string
	size     int64
	isDir    bool
	modified time.Time
}

func (f volatileInfo) Name() string       { return f.name }
func (f volatileInfo) Size() int64        { return f.size }
func (volatileInfo) Mode() fs.FileMode    { return 0o600 }
func (f volatileInfo) ModTime() time.Time { return f.modified }
func (f volatileInfo) IsDir() bool        { return f.isDir }
func (volatileInfo) Sys() any             { return nil }

// files returns the names of all files but the marks.
func (v *volatile) files() (names []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for name, i := range v.names {
		if !i.isDir && !strings.HasSuffix(name, "strongroom-node") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// newVolatileRig starts a cluster of three nodes on one file system that can lose its power.
func newVolatileRig(t *testing.T) (*rig, *volatile) {
	t.Helper()
	v := newVolatile()
	r := &rig{t: t, catalog: newCatalog(t), root: "/nodes", stores: map[objects.NodeID]*faulty{}, files: v}
	v.names[r.root], v.stable[r.root] = &inode{isDir: true}, &inode{isDir: true}
	for i := range 3 {
		r.add(i)
	}
	r.start()
	return r, v
}

func TestPowerLossAtEveryStep(t *testing.T) {
	strict := objects.Profile{Name: "2 of 3", Data: 2, Total: 3, Write: 3}
	old, data := content(1, 2*segment), content(2, 2*segment+5)
	for steps, done := 0, false; !done; steps++ {
		inBubble(t, func(t *testing.T) {
			r, v := newVolatileRig(t)
			before := r.write(strict, old)
			v.mu.Lock()
			v.steps = steps
			v.mu.Unlock()
			b, err := r.tryWrite(strict, data)
			done = err == nil
			v.crash()
			r.start()
			r.wantRead(before.ID, old)
			if err == nil {
				r.wantRead(b.ID, data)
			}
			r.upkeep(2 * time.Minute)
			r.wantWhole(before.ID)
			want := 3
			if err == nil {
				r.wantWhole(b.ID)
				want = 6
			}
			if got := v.files(); len(got) != want {
				t.Errorf("after a loss of power at step %d these files are there: %q", steps, got)
			}
		})
		if t.Failed() {
			return
		}
	}
}

// failing is a file system on which the first sync of a folder fails.
type failing struct {
	*volatile
	folder string
	failed bool
}

func (f *failing) SyncFolder(folder string) error {
	if folder == f.folder && !f.failed {
		f.failed = true
		return errPower
	}
	return f.volatile.SyncFolder(folder)
}

// TestShelfThatCouldNotBeSyncedIsSyncedByTheNext: the shelf is there when the next slice comes to it, but
// only until the power is lost.
func TestShelfThatCouldNotBeSyncedIsSyncedByTheNext(t *testing.T) {
	v := newVolatile()
	v.names["/node"], v.stable["/node"] = &inode{isDir: true}, &inode{isDir: true}
	files := &failing{volatile: v, folder: "/node/slices"}
	id := objects.NewBlobID()
	folder := dispersal.NewFolder(files, "/node", "000000a0")
	if err := folder.Mark(t.Context(), "000000a0"); err != nil {
		t.Fatal(err)
	}
	if _, err := folder.Create(t.Context(), dispersal.SliceName{Blob: id}); !errors.Is(err, errPower) {
		t.Fatalf("a shelf that is not durable: %v", err)
	}
	name := dispersal.SliceName{Blob: id, Index: 1}
	w, err := folder.Create(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("slice")); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(); err != nil {
		t.Fatal(err)
	}
	v.crash()
	if v.names["/node/slices/"+id.String()[:2]] == nil {
		t.Error("a slice is durable on a shelf that is not")
	}
}
