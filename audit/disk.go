package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// disk is a folder of the operating system, locked against a second log.
type disk struct {
	dir    string
	handle *os.File // of the folder: carries the lock
}

// openDisk opens the folder dir for writing, making it if needed.
func openDisk(dir string) (*disk, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making audit folder: %w", err)
	}
	handle, err := os.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening audit folder: %w", err)
	}
	if err := syscall.Flock(int(handle.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		handle.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("audit folder %s is in use by another server", dir)
		}
		return nil, fmt.Errorf("locking audit folder: %w", err)
	}
	return &disk{dir: dir, handle: handle}, nil
}

func (d *disk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *disk) list() ([]string, error) {
	entries, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		if e.Type().IsRegular() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

func (d *disk) create(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (d *disk) open(name string) (file, error) {
	f, err := os.OpenFile(d.path(name), os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}

func (d *disk) size(name string) (int64, error) {
	info, err := os.Stat(d.path(name))
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (d *disk) remove(name string) error { return os.Remove(d.path(name)) }

// syncDir opens the folder anew, so that it is the one that the path leads to now.
func (d *disk) syncDir() error {
	f, err := os.Open(d.dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

func (d *disk) free() (uint64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(d.dir, &s); err != nil {
		return 0, fmt.Errorf("reading free space of audit folder: %w", err)
	}
	return uint64(s.Bavail) * uint64(s.Bsize), nil
}

func (d *disk) close() error { return d.handle.Close() }

type diskFile struct{ *os.File }

func (f diskFile) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

// readOnly is a folder that is only read, without the lock: for a verification beside the server, or
// of a copy on read-only media.
type readOnly struct{ *disk }

func openReadOnly(dir string) (readOnly, error) {
	handle, err := os.Open(dir)
	if err != nil {
		return readOnly{}, fmt.Errorf("opening audit folder: %w", err)
	}
	return readOnly{&disk{dir: dir, handle: handle}}, nil
}

func (r readOnly) open(name string) (file, error) {
	f, err := os.Open(r.path(name))
	if err != nil {
		return nil, err
	}
	return diskFile{f}, nil
}
