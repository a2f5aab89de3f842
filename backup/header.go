package backup

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"strongroom/custody"
)

// Format is the name of the one format that exists.
const Format = "strongroom-backup/1"

// maxHeader bounds the first line of a file, in bytes.
const maxHeader = 4 << 20

var (
	// ErrFormat says that a file is no backup, or one of a later format.
	ErrFormat = errors.New("not a backup of Strongroom that this release reads")

	// ErrDamaged says that a backup was changed, or ends before its end.
	ErrDamaged = errors.New("the backup is damaged or incomplete")
)

// Header is what a backup says of itself in the clear. All of it is authenticated by the sealing of
// the file's key.
type Header struct {
	Format  string    `json:"format"`
	Created time.Time `json:"created"`
	Program string    `json:"program"` // version of Strongroom that wrote it
	Schema  int64     `json:"schema"`  // number of the newest migration that the rows are of
	Region  string    `json:"region"`

	Modules     []Module     `json:"modules"`
	Generations []Generation `json:"generations"`

	Key []byte `json:"key"` // the file's key: a marshalled custody.Box under the system instance key
}

// Module is a crypto module that keeps masters of what is in the backup.
type Module struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	// File is the content of the master file of a software module, which a passphrase or a key file
	// seals; empty for others.
	File []byte `json:"file,omitempty"`
}

// Generation is one generation of masters, with the system instance key as it keeps it.
type Generation struct {
	Number    uint32         `json:"number"`
	Module    string         `json:"module"`
	SystemKey custody.Sealed `json:"systemKey,omitempty"` // empty if the system instance key is not under it
	Recovery  *Recovery      `json:"recovery,omitempty"`
}

// Recovery says which shares open a generation without its module.
type Recovery struct {
	Set       string         `json:"set"`
	Threshold int            `json:"threshold"`
	Shares    int            `json:"shares"`
	Escrow    custody.Escrow `json:"escrow"` // the seal master under the recovery key
}

// Sealer seals and opens the key of a file under the system instance key.
type Sealer interface {
	SealKey(ctx context.Context, bound []byte, key custody.Secret) ([]byte, error)
	OpenKey(ctx context.Context, bound, sealed []byte) (custody.Secret, error)
}

// bound is what the file's key is sealed with: everything else in the header.
func (h Header) bound() ([]byte, error) {
	h.Key = nil
	line, err := json.Marshal(h)
	if err != nil {
		return nil, fmt.Errorf("encoding the header: %w", err)
	}
	digest := sha256.Sum256(line)
	return custody.Context(Format, string(digest[:])), nil
}

// readHeader reads the first line.
func readHeader(r *bufio.Reader) (Header, error) {
	var line []byte
	for {
		part, err := r.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case len(line) > maxHeader:
			return Header{}, fmt.Errorf("%w: its first line is too long", ErrFormat)
		case err == nil:
			return parseHeader(line)
		case errors.Is(err, io.EOF):
			return Header{}, fmt.Errorf("%w: it has no header", ErrFormat)
		case !errors.Is(err, bufio.ErrBufferFull):
			return Header{}, err
		}
	}
}

func parseHeader(line []byte) (Header, error) {
	var h Header
	var name struct{ Format string }
	if err := json.Unmarshal(line, &name); err != nil || name.Format != Format {
		return Header{}, ErrFormat
	}
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&h); err != nil {
		return Header{}, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	return h, nil
}
