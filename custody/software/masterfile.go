package software

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"

	"strongroom/custody"
)

const (
	masterFileVersion = 1
	maxMasterFile     = 64 << 10 // bytes; a real one has about 500
)

// What can seal the masters, as the master file calls it.
const (
	byPassphrase = "passphrase"
	byKeyFile    = "key-file"
)

// masterFile is the content of a master file.
type masterFile struct {
	Version    int                `json:"version"`
	Generation uint32             `json:"generation"` // of the masters
	SealedBy   string             `json:"sealed_by"`
	KDF        *kdf               `json:"kdf,omitempty"` // of a passphrase
	KeyID      custody.MaterialID `json:"key_id"`        // of the key that seals the masters: tells a wrong passphrase from a damaged file
	Masters    []byte             `json:"masters"`       // a marshalled custody.Box of wrap master ‖ seal master
}

// context binds the masters to everything else in the file.
func (f masterFile) context() []byte {
	fields := []string{
		strconv.Itoa(f.Version),
		strconv.FormatUint(uint64(f.Generation), 10),
		f.SealedBy,
	}
	if f.KDF != nil {
		fields = append(fields, f.KDF.Name, string(f.KDF.Salt), strconv.Itoa(f.KDF.Rounds))
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

// readMasterFile reads the master file at path.
func readMasterFile(path string) (masterFile, error) {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return masterFile{}, fmt.Errorf("%w: %s", ErrMissing, path)
	}
	if err != nil {
		return masterFile{}, err
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, maxMasterFile+1))
	if err != nil {
		return masterFile{}, err
	}
	f, err := parseMasterFile(data)
	if err != nil {
		return masterFile{}, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	return f, nil
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
	case f.Generation == 0:
		return masterFile{}, errors.New("generation is zero")
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
	return f, nil
}
