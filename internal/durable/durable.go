// Package durable writes files that survive a loss of power: a file is complete and on disk before it
// has its name, and the name is on disk before the writer is told so.
//
// The sequence is: create a temporary file on the same file system, write, fsync, close, rename (or
// link), fsync the folder that has the new name. An error at any step leaves the old file, or none.
package durable

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Files is what writing durably needs of a file system. Disk is the one of the machine.
type Files interface {
	// CreateTemp makes a new file in a folder, readable by its owner alone, with a name that
	// begins with prefix.
	CreateTemp(folder, prefix string) (Temp, error)
	// Rename gives a file another name, and replaces what has it.
	Rename(from, to string) error
	Remove(path string) error
	// SyncFolder makes the names in a folder durable.
	SyncFolder(path string) error
}

// Temp is a file that is being written.
type Temp interface {
	io.WriteCloser
	Name() string
	Sync() error
}

// Disk is the file system of the machine.
type Disk struct{}

// CreateTemp implements Files.
func (Disk) CreateTemp(folder, prefix string) (Temp, error) {
	f, err := os.CreateTemp(folder, prefix+"*")
	if err != nil {
		return nil, err // and not a nil *os.File in an interface
	}
	return f, nil
}

// Rename implements Files.
func (Disk) Rename(from, to string) error { return os.Rename(from, to) }

// Remove implements Files.
func (Disk) Remove(path string) error { return os.Remove(path) }

// SyncFolder implements Files.
func (Disk) SyncFolder(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Writer writes one file. Either Commit or Abort ends it. It is used by one goroutine.
type Writer struct {
	files Files
	temp  Temp
	path  string
	done  bool
}

// Begin starts a file that will be path; until then it is a temporary file in folder, which is on the
// same file system.
func Begin(files Files, folder, path string) (*Writer, error) {
	temp, err := files.CreateTemp(folder, TempPrefix)
	if err != nil {
		return nil, err
	}
	return &Writer{files: files, temp: temp, path: path}, nil
}

// TempPrefix begins the names of files that are not complete; after a crash they may be removed.
const TempPrefix = ".tmp-"

// Write implements io.Writer.
func (w *Writer) Write(p []byte) (int, error) { return w.temp.Write(p) }

// Sync makes durable what was written so far, so that Commit has less to do.
func (w *Writer) Sync() error { return w.temp.Sync() }

// Commit makes the file durable and gives it its name. After an error the file is not there under its
// name, or it is there and may be lost with the power.
func (w *Writer) Commit() error {
	if w.done {
		return fs.ErrClosed
	}
	w.done = true
	if err := errors.Join(w.temp.Sync(), w.temp.Close()); err != nil {
		return errors.Join(err, w.files.Remove(w.temp.Name()))
	}
	if err := w.files.Rename(w.temp.Name(), w.path); err != nil {
		return errors.Join(err, w.files.Remove(w.temp.Name()))
	}
	return w.files.SyncFolder(filepath.Dir(w.path))
}

// Abort gives the file up. It does nothing after Commit.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	// A temporary file that stays is removed at the next sweep of its folder.
	_ = w.temp.Close()
	_ = w.files.Remove(w.temp.Name())
}

// Replace puts data in the place of a file as a whole: readers find the old content or the new, also
// after a loss of power.
func Replace(path string, data []byte, mode fs.FileMode) error {
	temp, err := writeBeside(path, data, mode)
	if err != nil {
		return err
	}
	if err := os.Rename(temp, path); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return Disk{}.SyncFolder(filepath.Dir(path))
}

// Create makes a file that is complete and durable when it appears under its name. It returns
// fs.ErrExist instead of replacing one, also when two race: the name is given by a link, as a rename
// would replace.
func Create(path string, data []byte, mode fs.FileMode) error {
	temp, err := writeBeside(path, data, mode)
	if err != nil {
		return err
	}
	if err := errors.Join(os.Link(temp, path), os.Remove(temp)); err != nil {
		return err
	}
	return Disk{}.SyncFolder(filepath.Dir(path))
}

// writeBeside writes data to a new file in the folder of path and returns the file's path once its
// content is durable.
func writeBeside(path string, data []byte, mode fs.FileMode) (string, error) {
	temp, err := os.CreateTemp(filepath.Dir(path), TempPrefix+"*")
	if err != nil {
		return "", err
	}
	_, err = temp.Write(data)
	if err = errors.Join(err, temp.Chmod(mode), temp.Sync(), temp.Close()); err != nil {
		return "", errors.Join(err, os.Remove(temp.Name()))
	}
	return temp.Name(), nil
}
