package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"strongroom/backup"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// actionRestore is recorded in the database that was restored.
const actionRestore iam.Action = "strongroom.backup.restore"

// restoringFile is the database while it is restored and verified.
const restoringFile = databaseFile + ".restoring"

// RestoreOptions say what to do with a backup.
type RestoreOptions struct {
	// VerifyOnly opens every key and throws the rest away: nothing is written into
	// the data folder, whose server may be running.
	VerifyOnly bool
	// Printed are recovery shares, as they were printed, that open the backup in
	// place of the modules; the caller wipes them.
	Printed []custody.Secret
}

// Restored says what was found in a backup, all of which opens.
type Restored struct {
	Created time.Time
	Program string
	Keys    kms.Verified
	// Lost is set when the keys were opened by recovery shares: the modules that
	// the database names may be gone.
	Lost bool
}

// Restore makes the database of a data folder from a backup. Every key is
// opened before the database takes its name; until then the folder has none.
func Restore(ctx context.Context, cfg Config, stderr io.Writer, file io.Reader, o RestoreOptions) (done Restored, err error) {
	b, err := backup.NewReader(file)
	if err != nil {
		return done, err
	}
	var r custody.Recovery
	if len(o.Printed) > 0 {
		if r, err = combine(o.Printed); err != nil {
			return done, err
		}
		defer r.Key.Wipe()
	}
	c, err := openRestore(cfg, stderr, o.VerifyOnly)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	var placed []string
	defer func() {
		if err != nil {
			err = errors.Join(err, removeFiles(placed))
		}
	}()
	// With shares every key has to open by them alone: the modules are as good as lost, and a master
	// file would hide that from who goes on to recover.
	if r.Set == "" {
		if placed, err = c.placeMasterFiles(b.Header()); err != nil {
			return done, err
		}
	}
	if err := c.openBackup(ctx, b.Header(), r); err != nil {
		return done, err
	}
	path := c.folder.file(restoringFile)
	if err := removeDatabase(path); err != nil {
		return done, err
	}
	defer func() {
		if err != nil || o.VerifyOnly {
			err = errors.Join(err, removeDatabase(path))
		}
	}()
	err = sqlstore.Restore(ctx, path, b.Header().Schema, func(rows backup.Rows) error { return b.Copy(ctx, c.vault, rows) })
	if err != nil {
		return done, err
	}
	done = Restored{Created: b.Header().Created, Program: b.Header().Program, Lost: r.Set != ""}
	if done.Keys, err = c.verifyRestored(ctx, path, done); err != nil {
		return done, err
	}
	if o.VerifyOnly {
		return done, nil
	}
	return done, replaceFile(path, c.folder.file(databaseFile))
}

// openRestore opens the folder to restore into: that of the configuration, or
// one that is thrown away.
func openRestore(cfg Config, stderr io.Writer, verifyOnly bool) (c *core, err error) {
	if c, err = newCore(cfg, stderr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	path := cfg.Data
	if verifyOnly {
		if path, err = os.MkdirTemp("", "strongroom-verify-*"); err != nil {
			return c, fmt.Errorf("making a folder to verify in: %w", err)
		}
		c.onClose(func() error { return os.RemoveAll(path) })
		if c.config.Custody.KeyFile == "" && c.config.Custody.PassphraseFile == "" {
			c.config.Custody.KeyFile = filepath.Join(cfg.Data, keyFile)
		}
	}
	if c.folder, err = openFolder(path); err != nil {
		return c, err
	}
	c.onClose(c.folder.Close)
	if c.folder.has(databaseFile) {
		return c, fmt.Errorf("data folder %s has a database already: move it away first, or use another folder", path)
	}
	return c, nil
}

// placeMasterFiles writes the master files of the backup, unless the folder has
// them, and returns the paths of those that it wrote, also when it fails. What
// seals them has to be there already: no backup has it.
func (c *core) placeMasterFiles(h backup.Header) (placed []string, err error) {
	for _, m := range h.Modules {
		file := masterFileOf(m.Name)
		if name("module", m.Name) != nil || len(m.File) == 0 || c.folder.has(file) {
			continue
		}
		placed = append(placed, c.folder.file(file))
		if err := writeFile(c.folder.file(file), m.File, 0o600); err != nil {
			return placed, err
		}
	}
	return placed, nil
}

// openBackup opens what opens the backup: the modules of its generations, or
// their recovery key, and with it the system instance key.
func (c *core) openBackup(ctx context.Context, h backup.Header, r custody.Recovery) (err error) {
	known := make([]masters.Generation, len(h.Generations))
	escrows := map[uint32]custody.Escrow{}
	for i, g := range h.Generations {
		known[i] = masters.Generation{Number: g.Number, Module: g.Module, State: masters.Current}
		if g.Recovery != nil && g.Recovery.Set == r.Set {
			escrows[g.Number] = g.Recovery.Escrow
		}
	}
	switch {
	case r.Set == "":
		c.rack, err = c.openModules(ctx, known)
	case len(escrows) == 0:
		err = fmt.Errorf("no keys of this backup have a copy under the recovery key %s", r.Set)
	default:
		c.rack, err = recoveredRack(ctx, r, escrows)
	}
	if err != nil {
		return err
	}
	c.onClose(c.rack.Close)
	for _, g := range slices.Backward(h.Generations) {
		if _, held := c.rack.ModuleOf(g.Number); !held || len(g.SystemKey) == 0 {
			continue
		}
		handle, err := c.rack.Load(ctx, custody.Root, systemBinding(g.Number), g.SystemKey)
		if err != nil {
			return fmt.Errorf("opening the backup with the masters of generation %d: %w", g.Number, err)
		}
		c.vault = custody.NewVault(c.rack, handle)
		return nil
	}
	return errors.New("no crypto module here holds the masters of this backup: it opens with those that were in use when it " +
		"was taken, or with their recovery shares")
}

func recoveredRack(ctx context.Context, r custody.Recovery, escrows map[uint32]custody.Escrow) (*custody.Rack, error) {
	m, err := software.Recover("recovery shares", r, escrows)
	if err != nil {
		return nil, err
	}
	rack, err := custody.NewRack(ctx, m)
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return rack, nil
}

// verifyRestored opens every key in the database at path, and records there
// that it was restored, and that its storage nodes are to be kept off.
func (c *core) verifyRestored(ctx context.Context, path string, done Restored) (keys kms.Verified, err error) {
	db, err := sqlstore.Open(ctx, sqlstore.Options{
		Path: path, Server: c.folder.server, Hub: c.hub, Now: c.now, Log: c.log,
	})
	if err != nil {
		return keys, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := openRowKey(ctx, c.vault, db); err != nil {
		return keys, err
	}
	if _, err := db.Masters().Generations(ctx); err != nil {
		return keys, fmt.Errorf("reading the generations of masters: %w", err)
	}
	keys, err = kms.New(kms.Config{Store: db.Keys(), Module: c.rack, Hub: c.hub, Now: c.now}).VerifyKeys(ctx)
	if err != nil {
		return keys, fmt.Errorf("the backup is not good: %w", err)
	}
	ev := here(actionRestore)
	ev.RequestData = map[string]any{"created": done.Created.Format(time.RFC3339), "program": done.Program, "recoveryShares": done.Lost}
	ev.ResponseData = map[string]any{
		"instanceKeys": keys.InstanceKeys, "rootVersions": keys.RootVersions, "standardKeys": keys.Standard,
	}
	if err := db.SetSetting(ctx, settingNodesKept, nodesKept); err != nil {
		return keys, fmt.Errorf("keeping off the storage nodes: %w", err)
	}
	return keys, db.Record(ctx, ev)
}

// removeDatabase removes a database with its log, if it is there.
func removeDatabase(path string) error {
	return removeFiles([]string{path, path + "-wal", path + "-shm"})
}

// removeFiles removes those that are there.
func removeFiles(paths []string) error {
	var errs []error
	for _, path := range paths {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// replaceFile renames a file, durably.
func replaceFile(from, to string) error {
	if err := os.Rename(from, to); err != nil {
		return fmt.Errorf("bringing the restored database into use: %w", err)
	}
	dir, err := os.Open(filepath.Dir(to))
	if err != nil {
		return fmt.Errorf("bringing the restored database into use: %w", err)
	}
	return errors.Join(dir.Sync(), dir.Close())
}
