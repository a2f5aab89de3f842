package audit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"strongroom/internal/durable"
)

// Witness keeps the newest checkpoint of each server where neither the database nor the data folder
// is, so that an old copy of both is noticed.
type Witness interface {
	// Keep replaces the checkpoint of the server that c names, durably.
	Keep(ctx context.Context, c Checkpoint) error
	// Kept returns the newest checkpoint of every server. They are to be verified.
	Kept(ctx context.Context) ([]Checkpoint, error)
}

// maxWitnessed bounds a file of a witness folder, in bytes.
const maxWitnessed = 16 << 10

// witnessSuffix ends the names of a witness folder's files, which begin with the ID of the server.
const witnessSuffix = ".checkpoint.json"

// FolderWitness is a Witness that keeps one file for each server in a folder: best on another
// machine, where who can roll this one back cannot write old files.
type FolderWitness struct{ dir string }

// NewFolderWitness returns the witness that keeps its files in dir, which exists.
func NewFolderWitness(dir string) (*FolderWitness, error) {
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, fmt.Errorf("witness folder: %w", err)
	case !info.IsDir():
		return nil, fmt.Errorf("witness folder: %s is a file", dir)
	}
	return &FolderWitness{dir}, nil
}

// Keep implements Witness.
func (w *FolderWitness) Keep(_ context.Context, c Checkpoint) error {
	if strings.ContainsAny(c.Server, `/\`) || strings.HasPrefix(c.Server, ".") || c.Server == "" {
		return fmt.Errorf("witness folder: server %q has no file name", c.Server)
	}
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encoding a checkpoint: %w", err)
	}
	if err := durable.Replace(filepath.Join(w.dir, c.Server+witnessSuffix), append(body, '\n'), 0o644); err != nil {
		return fmt.Errorf("witness folder: %w", err)
	}
	return nil
}

// Kept implements Witness.
func (w *FolderWitness) Kept(context.Context) ([]Checkpoint, error) {
	names, err := fs.Glob(os.DirFS(w.dir), "*"+witnessSuffix)
	if err != nil {
		return nil, fmt.Errorf("witness folder: %w", err)
	}
	var kept []Checkpoint
	for _, name := range names {
		c, err := readWitnessed(filepath.Join(w.dir, name))
		if err != nil {
			return nil, fmt.Errorf("witness folder: %s: %w", name, err)
		}
		kept = append(kept, c)
	}
	return kept, nil
}

func readWitnessed(path string) (Checkpoint, error) {
	f, err := os.Open(path)
	if err != nil {
		return Checkpoint{}, err
	}
	defer f.Close()
	body, err := io.ReadAll(io.LimitReader(f, maxWitnessed))
	if err != nil {
		return Checkpoint{}, err
	}
	return parseCheckpoint(body)
}
