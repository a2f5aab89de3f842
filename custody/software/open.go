package software

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"strongroom/custody"
)

var (
	// ErrMissing says that there is no master file to open. Without it no stored key can be loaded
	// ever again: bring it back from where it was kept.
	ErrMissing = errors.New("master file is missing")

	// ErrExists says that Create found a master file, whose loss would be that of all keys.
	ErrExists = errors.New("master file exists already")

	// ErrDamaged says that the master file was changed, or is not one.
	ErrDamaged = errors.New("master file is damaged")

	// ErrOtherProtection says that the masters are sealed by a passphrase and a key file was
	// given, or the other way round.
	ErrOtherProtection = errors.New("masters are sealed in another way")

	// ErrWrongPassphrase says that the masters are sealed by another passphrase.
	ErrWrongPassphrase = errors.New("passphrase is wrong")

	// ErrWrongKeyFile says that the masters are sealed by another key file.
	ErrWrongKeyFile = errors.New("key file is not the one of this master file")
)

// Options says where the masters are and what seals them: a passphrase or a key file, one of the two.
type Options struct {
	Name       string         // of the module, in its Info; empty means "software"
	MasterFile string         // path of the master file; its folder exists
	Passphrase custody.Secret // at least 8 bytes; the caller wipes it
	KeyFile    string         // path of the key file; its folder exists
	DataDir    string         // what is copied or stolen as a whole; empty means the master file's folder
}

const (
	minPassphrase   = 8
	firstGeneration = 1
)

// Create draws new masters, writes them to a new master file and opens the module. The key file is
// made when it does not exist. When it returns without an error, both files are durable.
func Create(o Options) (*Module, error) {
	m, err := create(o)
	if err != nil {
		return nil, fmt.Errorf("creating the software module: %w", err)
	}
	return m, nil
}

// Open opens the module whose masters are in the master file.
func Open(o Options) (*Module, error) {
	m, err := open(o)
	if err != nil {
		return nil, fmt.Errorf("opening the software module: %w", err)
	}
	return m, nil
}

func create(o Options) (*Module, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	// Looked for first to leave nothing behind; that nothing is overwritten is for writeNew to see to.
	if _, err := os.Lstat(o.MasterFile); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, o.MasterFile)
	}
	f := masterFile{Version: masterFileVersion, Generation: firstGeneration}
	if o.KeyFile != "" {
		f.SealedBy = byKeyFile
		if err := makeKeyFile(o.KeyFile); err != nil {
			return nil, err
		}
	} else {
		if o.Passphrase.Len() < minPassphrase {
			return nil, fmt.Errorf("passphrase is shorter than %d bytes", minPassphrase)
		}
		f.SealedBy, f.KDF = byPassphrase, newKDF()
	}
	m, err := newModule(o, f)
	if err != nil {
		return nil, err
	}
	m.masters.draw()
	if err := m.write(o, f); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func open(o Options) (*Module, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f, err := readMasterFile(o.MasterFile)
	if err != nil {
		return nil, err
	}
	m, err := newModule(o, f)
	if err != nil {
		return nil, err
	}
	if err := m.read(o, f); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func (o Options) check() error {
	switch {
	case o.MasterFile == "":
		return errors.New("no path of a master file given")
	case (o.KeyFile != "") == (o.Passphrase.Len() > 0):
		return errors.New("one of passphrase and key file has to be given, and not both")
	}
	return nil
}

// newModule returns a module whose masters are still zero.
func newModule(o Options, f masterFile) (*Module, error) {
	protection, err := o.protection(f.SealedBy)
	if err != nil {
		return nil, err
	}
	masters, err := newMasters()
	if err != nil {
		return nil, err
	}
	name := o.Name
	if name == "" {
		name = "software"
	}
	return &Module{
		info:    custody.Info{Kind: "software", Name: name, Generation: f.Generation, Protection: protection},
		masters: masters,
	}, nil
}

// protection says what the way of sealing is worth.
func (o Options) protection(sealedBy string) (custody.Protection, error) {
	switch {
	case sealedBy == byPassphrase && o.KeyFile == "":
		return custody.ProtectionPassphrase, nil
	case sealedBy != byKeyFile || o.KeyFile == "":
		return "", fmt.Errorf("%w: by a %s", ErrOtherProtection, sealedBy)
	}
	dir := o.DataDir
	if dir == "" {
		dir = filepath.Dir(o.MasterFile)
	}
	inside, err := within(dir, o.KeyFile)
	switch {
	case err != nil:
		return "", fmt.Errorf("finding the key file: %w", err)
	case inside:
		return custody.ProtectionUnsealed, nil
	}
	return custody.ProtectionKeyFile, nil
}

// write seals the masters into a new master file.
func (m *Module) write(o Options, f masterFile) error {
	kek, err := m.loadKEK(o, f)
	if err != nil {
		return err
	}
	defer m.Unload(kek)
	ctx := context.Background() // all of it happens in this process
	if f.KeyID, err = custody.Identify(ctx, m, kek); err != nil {
		return err
	}
	box, err := custody.Seal(ctx, m, kek, custody.PurposeMasters, f.context(), m.masters.both())
	if err != nil {
		return err
	}
	if f.Masters, err = box.MarshalBinary(); err != nil {
		return err
	}
	data, err := f.encode()
	if err != nil {
		return err
	}
	err = writeNew(o.MasterFile, data)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s", ErrExists, o.MasterFile)
	}
	return err
}

// read opens the masters of a master file.
func (m *Module) read(o Options, f masterFile) error {
	kek, err := m.loadKEK(o, f)
	if err != nil {
		return err
	}
	defer m.Unload(kek)
	ctx := context.Background() // all of it happens in this process
	id, err := custody.Identify(ctx, m, kek)
	switch {
	case err != nil:
		return err
	case id != f.KeyID && f.SealedBy == byPassphrase:
		return ErrWrongPassphrase
	case id != f.KeyID:
		return fmt.Errorf("%w: %s", ErrWrongKeyFile, o.KeyFile)
	}
	box, err := custody.ParseBox(f.Masters)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	both, err := custody.Open(ctx, m, kek, custody.PurposeMasters, f.context(), box)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer both.Wipe()
	if both.Len() != mastersSize {
		return fmt.Errorf("%w: masters of %d bytes", ErrDamaged, both.Len())
	}
	copy(m.masters.both(), both.Reveal())
	return nil
}

// loadKEK loads the key that seals the masters.
func (m *Module) loadKEK(o Options, f masterFile) (custody.Handle, error) {
	var (
		key []byte
		err error
	)
	if f.SealedBy == byPassphrase {
		key, err = f.KDF.key(o.Passphrase)
	} else {
		key, err = readKeyFile(o.KeyFile)
	}
	if err != nil {
		return 0, err
	}
	defer clear(key)
	return m.add(key)
}
