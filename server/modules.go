package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
	"strongroom/custody/software"
	"strongroom/masters"
)

// softwareModule is the name of the embedded crypto module.
const softwareModule = "software"

// openModules opens every crypto module that the configuration names, and the
// embedded one if it holds masters in use or is to make the first. The home of
// the rack is the module in which new masters are made.
func (c *core) openModules(ctx context.Context, known []masters.Generation) (*custody.Rack, error) {
	if c.config.recovery != nil {
		known = slices.DeleteFunc(slices.Clone(known), c.isLost)
	}
	if err := c.config.Custody.hasModules(known); err != nil {
		return nil, err
	}
	var rack *custody.Rack
	for _, name := range c.config.Custody.moduleNames(known) {
		m, err := c.openModuleNamed(ctx, name, known)
		if err != nil {
			return nil, errors.Join(err, closeRack(rack))
		}
		if rack == nil {
			rack, err = custody.NewRack(ctx, m)
		} else {
			err = rack.Add(ctx, m)
		}
		if err != nil {
			return nil, errors.Join(err, m.Close(), closeRack(rack))
		}
	}
	return rack, nil
}

func closeRack(r *custody.Rack) error {
	if r == nil {
		return nil
	}
	return r.Close()
}

// moduleNames are the modules to open, the home first.
func (c *Custody) moduleNames(known []masters.Generation) []string {
	names := []string{c.Module}
	for _, m := range c.Modules {
		if m.Name != c.Module {
			names = append(names, m.Name)
		}
	}
	if c.Module != softwareModule && slices.ContainsFunc(known, func(g masters.Generation) bool {
		return g.Live() && g.Module == softwareModule
	}) {
		names = append(names, softwareModule)
	}
	return names
}

// hasModules refuses a configuration that lacks a module which holds masters in
// use: without it none of their keys would open.
func (c *Custody) hasModules(known []masters.Generation) error {
	for _, g := range known {
		named := g.Module == softwareModule ||
			slices.ContainsFunc(c.Modules, func(m CryptoModule) bool { return m.Name == g.Module })
		if g.Live() && !named {
			return fmt.Errorf("generation %d of the masters is in crypto module %q, which custody.modules does not name: "+
				"name it, or if it was lost recover its keys with: strongroom custody recover", g.Number, g.Module)
		}
	}
	return nil
}

// isLost reports whether the module of a generation is gone, as far as that can
// be told before modules are opened: what is to be recovered is not expected.
func (c *core) isLost(g masters.Generation) bool {
	i := slices.IndexFunc(c.config.Custody.Modules, func(m CryptoModule) bool { return m.Name == g.Module })
	if g.Module == softwareModule || i >= 0 && c.config.Custody.Modules[i].Software != nil {
		return !c.folder.has(masterFileOf(g.Module))
	}
	return i < 0
}

// openModuleNamed opens one module.
func (c *core) openModuleNamed(ctx context.Context, name string, known []masters.Generation) (custody.Module, error) {
	if name == softwareModule {
		seal := Software{PassphraseFile: c.config.Custody.PassphraseFile, KeyFile: c.config.Custody.KeyFile}
		return c.openSoftware(name, seal, known)
	}
	i := slices.IndexFunc(c.config.Custody.Modules, func(m CryptoModule) bool { return m.Name == name })
	m := c.config.Custody.Modules[i]
	if m.Software != nil {
		return c.openSoftware(name, *m.Software, known)
	}
	p := m.PKCS11
	return module(pkcs11.Open(ctx, pkcs11.Options{
		Name: name, Library: p.Library, Token: p.Token, PINFile: p.PINFile, Agent: p.Agent, Label: p.Label,
		Sessions: p.Sessions, CachedKeys: p.CachedKeys, WrapPad: p.WrapPad, Log: c.log,
	}))
}

// masterFileOf is the master file of a module in software.
func masterFileOf(module string) string {
	if module == softwareModule {
		return masterFile
	}
	return "masters-" + module + ".json"
}

// openSoftware opens a module in software. It makes one only where no masters of
// it are in use: a lost master file must not be replaced in silence.
func (c *core) openSoftware(name string, seal Software, known []masters.Generation) (custody.Module, error) {
	o, err := c.softwareOptions(name, seal)
	if err != nil {
		return nil, err
	}
	defer o.Passphrase.Wipe()
	expected := slices.ContainsFunc(known, func(g masters.Generation) bool { return g.Live() && g.Module == name })
	if expected || c.folder.has(masterFileOf(name)) {
		m, err := module(software.Open(o)) // says what is missing
		switch {
		case errors.Is(err, software.ErrMissing):
			err = fmt.Errorf("%w; put it back, or if it was lost recover its keys with: strongroom custody recover", err)
		case errors.Is(err, software.ErrOtherProtection):
			err = fmt.Errorf("%w; what seals a module stays: name another one in custody.modules, and go there by: strongroom custody migrate", err)
		}
		return m, err
	}
	return module(software.Create(o))
}

// softwareOptions says where the masters of a module in software are and what
// seals them: without anything, a key file in the data folder. The caller wipes
// the passphrase.
func (c *core) softwareOptions(name string, seal Software) (software.Options, error) {
	o := software.Options{Name: name, MasterFile: c.folder.file(masterFileOf(name)), DataDir: c.folder.path}
	switch {
	case seal.PassphraseFile != "":
		passphrase, err := readPassphrase(seal.PassphraseFile)
		if err != nil {
			return o, fmt.Errorf("reading the passphrase: %w", err)
		}
		o.Passphrase = passphrase
	case seal.KeyFile == "":
		o.KeyFile = c.folder.file(keyFile)
	default:
		path, err := filepath.Abs(seal.KeyFile)
		if err != nil {
			return o, fmt.Errorf("key file: %w", err)
		}
		o.KeyFile = path
	}
	return o, nil
}

// module keeps a failed opening from becoming a non-nil interface.
func module[M custody.Module](m M, err error) (custody.Module, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// maxPassphrase bounds a passphrase file, in bytes.
const maxPassphrase = 64 << 10

// readPassphrase reads a passphrase from a file that only its owner can read.
func readPassphrase(path string) (custody.Secret, error) {
	f, err := os.Open(path)
	if err != nil {
		return custody.Secret{}, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return custody.Secret{}, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return custody.Secret{}, fmt.Errorf("%s can be read by others than its owner (mode %o); make it 0600", path, mode)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxPassphrase+1))
	if err != nil {
		return custody.Secret{}, err
	}
	if len(text) > maxPassphrase {
		return custody.Secret{}, fmt.Errorf("%s is longer than %d bytes", path, maxPassphrase)
	}
	passphrase := custody.NewSecret(bytes.TrimRight(text, "\r\n"))
	if passphrase.Len() == 0 {
		return custody.Secret{}, fmt.Errorf("%s holds no passphrase", path)
	}
	return passphrase, nil
}
