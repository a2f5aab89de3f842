package software

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strongroom/custody"
	"strongroom/internal/durable"
)

// makeKeyFile writes a new key file unless there is one already, as from a Create that did not get
// to its end or from an operator who brings the key.
func makeKeyFile(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	key := custody.RandomSecret(kekSize)
	defer key.Wipe()
	if err := durable.Create(path, key.Reveal(), 0o600); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing the key file: %w", err)
	}
	return nil
}

// readKeyFile returns the key in a key file. The caller clears it.
func readKeyFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading the key file: %w", err)
	case !info.Mode().IsRegular() || info.Size() != kekSize:
		return nil, fmt.Errorf("key file %s is not a file of %d bytes", path, kekSize)
	case info.Mode().Perm()&0o007 != 0:
		return nil, fmt.Errorf("key file %s is open to everybody (mode %04o): make it 0600", path, info.Mode().Perm())
	}
	key := make([]byte, kekSize)
	if _, err := io.ReadFull(file, key); err != nil {
		return nil, fmt.Errorf("reading the key file: %w", err)
	}
	return key, nil
}

// readAtMost returns the content of a file, up to limit bytes of it.
func readAtMost(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return io.ReadAll(io.LimitReader(file, limit))
}

// within reports whether the existing file lies in the folder dir or below, links resolved.
func within(dir, file string) (bool, error) {
	dir, err := resolve(dir)
	if err != nil {
		return false, err
	}
	if file, err = resolve(file); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(dir, file)
	if err != nil {
		return false, err
	}
	return rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

func resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(path)
}
