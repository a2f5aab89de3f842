package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"strongroom/backup"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// writeBackup writes everything that the database holds, and what is needed to
// open it but the key, passphrase or shares that do.
func (c *core) writeBackup(ctx context.Context, w io.Writer) error {
	h, err := c.backupHeader(ctx)
	if err != nil {
		return err
	}
	b, err := backup.NewWriter(ctx, w, h, c.vault)
	if err != nil {
		return err
	}
	if err := c.db.Dump(ctx, b); err != nil {
		return fmt.Errorf("backing up the database: %w", err)
	}
	return b.Close()
}

// backupHeader describes the deployment as a restoring one needs to know it.
func (c *core) backupHeader(ctx context.Context) (backup.Header, error) {
	v := ReadVersion()
	h := backup.Header{Created: c.now().UTC(), Program: v.Version}
	var err error
	if h.Schema, err = c.db.Schema(ctx); err != nil {
		return h, err
	}
	if h.Region, err = c.db.Setting(ctx, settingRegion); err != nil {
		return h, fmt.Errorf("reading the region: %w", err)
	}
	known, err := c.db.Masters().Generations(ctx)
	if err != nil {
		return h, fmt.Errorf("reading the generations of masters: %w", err)
	}
	for _, m := range c.rack.Modules() {
		info := m.Info()
		is := backup.Module{Name: info.Name, Kind: info.Kind}
		needed := slices.ContainsFunc(known, func(g masters.Generation) bool { return g.Live() && g.Module == info.Name })
		// A file without masters in use would only ask who restores for what seals it.
		if file := masterFileOf(info.Name); needed && info.Kind == softwareModule && c.folder.has(file) {
			if is.File, err = os.ReadFile(c.folder.file(file)); err != nil {
				return h, fmt.Errorf("reading the master file: %w", err)
			}
		}
		h.Modules = append(h.Modules, is)
	}
	for _, g := range known {
		if !g.Live() {
			continue
		}
		is, err := c.backupGeneration(ctx, g)
		if err != nil {
			return h, err
		}
		h.Generations = append(h.Generations, is)
	}
	return h, nil
}

func (c *core) backupGeneration(ctx context.Context, g masters.Generation) (backup.Generation, error) {
	is := backup.Generation{Number: g.Number, Module: g.Module}
	row, err := c.db.Secrets().Get(ctx, masters.SystemKey, fmt.Sprint(g.Number))
	switch {
	case err == nil:
		is.SystemKey = row.Sealed
	case !errors.Is(err, sqlstore.ErrNotFound):
		return is, fmt.Errorf("reading the system key: %w", err)
	}
	if g.Recovery.Set != "" {
		is.Recovery = &backup.Recovery{
			Set: g.Recovery.Set, Threshold: g.Recovery.Threshold, Shares: g.Recovery.Shares, Escrow: g.Escrow,
		}
	}
	return is, nil
}

// Backup writes a backup of a data folder whose server is stopped.
func Backup(ctx context.Context, cfg Config, stderr io.Writer, w io.Writer) (err error) {
	if err := inUse(cfg); err != nil {
		return err
	}
	return offline(ctx, cfg, stderr, func(h *house) error { return h.writeBackup(ctx, w) })
}
