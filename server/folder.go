package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/google/uuid"

	"strongroom/internal/durable"
)

// folder is the data folder of a server, locked while it is open.
type folder struct {
	path   string
	lock   *os.File
	server string // ID of this server, made with the folder
}

// Names inside the data folder. Outsiders rely on credentialsFile alone.
const (
	lockFile        = "lock"
	serverFile      = "server-id"
	databaseFile    = "strongroom.db"
	masterFile      = "masters.json"
	keyFile         = "masters.key"
	auditFolder     = "audit"
	caFile          = "ca.pem"
	bundleFile      = "ca-bundle.pem"
	credentialsFile = "credentials.env"
)

// openFolder makes the folder if it is absent, and takes its lock, which the
// kernel releases when this process ends however it ends.
func openFolder(path string) (*folder, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, lockFile), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("data folder: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("data folder %s is in use by %s; stop it first, or use another folder", path, holder(lock))
		}
		return nil, fmt.Errorf("locking the data folder: %w", err)
	}
	f := &folder{path: path, lock: lock}
	if err := errors.Join(f.sign(), f.identify()); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// expectDatabase refuses a folder that has been in use, as its credentials and
// its audit log say, and has no database: with a new one beside them, the keys
// of the old would be lost quietly.
func (f *folder) expectDatabase() error {
	if f.has(databaseFile) || !f.has(credentialsFile) && !f.has(auditFolder) {
		return nil
	}
	return fmt.Errorf("data folder %s has been in use, and its database %s is missing: put it back, or use another folder", f.path, databaseFile)
}

func (f *folder) has(name string) bool {
	_, err := os.Lstat(f.file(name))
	return !errors.Is(err, fs.ErrNotExist)
}

// holder says who has the lock, as far as it said so itself.
func holder(lock *os.File) string {
	text := make([]byte, 32)
	n, _ := lock.ReadAt(text, 0)
	if pid := strings.TrimSpace(string(text[:n])); pid != "" {
		return "another strongroom (process " + pid + ")"
	}
	return "another strongroom"
}

// sign writes our process ID into the lock file.
func (f *folder) sign() error {
	if err := f.lock.Truncate(0); err != nil {
		return fmt.Errorf("locking the data folder: %w", err)
	}
	if _, err := fmt.Fprintf(f.lock, "%d\n", os.Getpid()); err != nil {
		return fmt.Errorf("locking the data folder: %w", err)
	}
	return nil
}

// identify reads the ID of this server, or makes one.
func (f *folder) identify() error {
	text, err := os.ReadFile(f.file(serverFile))
	if errors.Is(err, fs.ErrNotExist) {
		f.server = uuid.NewString()
		return writeFile(f.file(serverFile), []byte(f.server+"\n"), 0o600)
	}
	if err != nil {
		return fmt.Errorf("reading the server's ID: %w", err)
	}
	f.server = strings.TrimSpace(string(text))
	if uuid.Validate(f.server) != nil {
		return fmt.Errorf("%s does not hold a UUID", f.file(serverFile))
	}
	return nil
}

func (f *folder) file(name string) string { return filepath.Join(f.path, name) }

// Close releases the lock.
func (f *folder) Close() error { return f.lock.Close() }

// writeFile replaces a file as a whole: readers find the old content or the new,
// also after a loss of power.
func writeFile(path string, data []byte, mode fs.FileMode) error {
	if err := durable.Replace(path, data, mode); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
