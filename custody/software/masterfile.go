package software

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"

	"strongroom/custody"
)

const (
	masterFileVersion = 1
	maxMasterFile     = 128 << 10 // bytes; a real one has about 600
	maxSetName        = 64        // bytes, of the name of a recovery key
)

// What can seal the masters, as the master file calls it.
const (
	byPassphrase = "passphrase"
	byKeyFile    = "key-file"
)

// masterFile is the content of a master file.
type masterFile struct {
	Version     int                `json:"version"`
	SealedBy    string             `json:"sealed_by"`
	KDF         *kdf               `json:"kdf,omitempty"` // of a passphrase
	KeyID       custody.MaterialID `json:"key_id"`        // of the key that seals the masters: tells a wrong passphrase from a damaged file
	Generations []generation       `json:"generations"`   // the oldest first
	Masters     []byte             `json:"masters"`       // a marshalled custody.Box of wrap master ‖ seal master ‖ recovery key of each generation
}

// context binds the masters to everything else in the file.
func (f masterFile) context() []byte {
	fields := []string{
		strconv.Itoa(f.Version),
		f.SealedBy,
	}
	if f.KDF != nil {
		fields = append(fields, f.KDF.Name, string(f.KDF.Salt), strconv.Itoa(f.KDF.Rounds))
	}
	for _, g := range f.Generations {
		fields = append(fields, strconv.FormatUint(uint64(g.Number), 10), g.Recovery)
	}
	return custody.Context(fields...)
}

func (f masterFile) encode() ([]byte, error) {
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encoding the master file: %w", err)
	}
	return append(data, '\n'), nil
}

// readMasterFile reads the master file at path. It returns its bytes too, by which a later change by
// somebody else is noticed.
func readMasterFile(path string) (masterFile, []byte, error) {
	data, err := readAtMost(path, maxMasterFile+1)
	if errors.Is(err, fs.ErrNotExist) {
		return masterFile{}, nil, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return masterFile{}, nil, err
	}
	f, err := parseMasterFile(data)
	if err != nil {
		return masterFile{}, nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return f, data, nil
}

// parseMasterFile reads what encode wrote, and nothing else.
func parseMasterFile(data []byte) (masterFile, error) {
	if len(data) > maxMasterFile {
		return masterFile{}, fmt.Errorf("longer than %d bytes", maxMasterFile)
	}
	var f masterFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return masterFile{}, err
	}
	if _, err := dec.Token(); err != io.EOF {
		return masterFile{}, errors.New("more than one JSON value")
	}
	switch {
	case f.Version != masterFileVersion:
		return masterFile{}, fmt.Errorf("unknown version %d", f.Version)
	case f.SealedBy != byPassphrase && f.SealedBy != byKeyFile:
		return masterFile{}, fmt.Errorf("unknown sealed_by %q", f.SealedBy)
	case (f.SealedBy == byPassphrase) != (f.KDF != nil):
		return masterFile{}, errors.New("kdf belongs to a passphrase, and only to that")
	}
	if f.KDF != nil {
		if err := f.KDF.check(); err != nil {
			return masterFile{}, err
		}
	}
	return f, checkGenerations(f.Generations)
}

// checkGenerations holds the list of a master file to its rules.
func checkGenerations(list []generation) error {
	if len(list) > maxGenerations {
		return fmt.Errorf("%d generations, at most %d are possible", len(list), maxGenerations)
	}
	var before uint32
	for _, g := range list {
		switch {
		case g.Number <= before:
			return fmt.Errorf("generation %d after %d", g.Number, before)
		case len(g.Recovery) > maxSetName:
			return fmt.Errorf("name of a recovery key of %d bytes", len(g.Recovery))
		}
		before = g.Number
	}
	return nil
}
