package software

import (
	"context"
	"errors"
	"fmt"
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

	// ErrChanged says that the master file is no longer what this module wrote or read last: another
	// process has made or destroyed masters. Open the module again.
	ErrChanged = errors.New("master file was changed by somebody else")

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

const minPassphrase = 8

// Create opens a module that has no masters yet. They come with MakeMasters, which writes the master
// file; until then there is none. The key file is made when it does not exist, and is durable when
// Create returns.
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
	// Looked for first to leave nothing behind; that nothing is overwritten is for durable.Create to see to.
	if _, err := os.Lstat(o.MasterFile); err == nil {
		return nil, fmt.Errorf("%w: %s", ErrExists, o.MasterFile)
	}
	f := masterFile{Version: masterFileVersion}
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
	if m.file.KeyID, err = custody.Identify(context.Background(), m, m.kek); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

func open(o Options) (*Module, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	f, written, err := readMasterFile(o.MasterFile)
	if err != nil {
		return nil, err
	}
	m, err := newModule(o, f)
	if err != nil {
		return nil, err
	}
	m.written = written
	if err := m.read(o); err != nil {
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

// newModule returns a module without masters, which has loaded the key that seals them.
func newModule(o Options, f masterFile) (*Module, error) {
	protection, err := o.protection(f.SealedBy)
	if err != nil {
		return nil, err
	}
	key, err := f.kek(o)
	if err != nil {
		return nil, err
	}
	defer clear(key)
	none, err := newMasters(nil)
	if err != nil {
		return nil, err
	}
	name := o.Name
	if name == "" {
		name = "software"
	}
	m := &Module{
		name: name, protection: protection, path: o.MasterFile,
		file: f, masters: none,
	}
	m.kek, err = m.add(key)
	return m, err
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

// kek returns the key that seals the masters. The caller clears it.
func (f masterFile) kek(o Options) ([]byte, error) {
	if f.SealedBy == byPassphrase {
		return f.KDF.key(o.Passphrase)
	}
	return readKeyFile(o.KeyFile)
}

// read opens the masters of the master file.
func (m *Module) read(o Options) error {
	ctx := context.Background() // all of it happens in this process
	id, err := custody.Identify(ctx, m, m.kek)
	switch {
	case err != nil:
		return err
	case id != m.file.KeyID && m.file.SealedBy == byPassphrase:
		return ErrWrongPassphrase
	case id != m.file.KeyID:
		return fmt.Errorf("%w: %s", ErrWrongKeyFile, o.KeyFile)
	}
	box, err := custody.ParseBox(m.file.Masters)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	all, err := custody.Open(ctx, m, m.kek, custody.PurposeMasters, m.file.context(), box)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	defer all.Wipe()
	opened, err := newMasters(m.file.Generations)
	if err != nil {
		return err
	}
	if all.Len() != len(opened.all()) {
		return errors.Join(fmt.Errorf("%w: masters of %d bytes", ErrDamaged, all.Len()), opened.free())
	}
	copy(opened.all(), all.Reveal())
	return m.replace(opened)
}
