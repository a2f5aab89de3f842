package server

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
)

// core is what everything stands on: the data folder, the database, the crypto
// modules with the service's own secrets, and the audit log. A running server and
// an offline command open the same.
type core struct {
	config Config
	log    *slog.Logger
	now    func() time.Time
	folder *folder
	hub    *lease.Hub
	db     *sqlstore.DB
	rack   *custody.Rack
	// recovered are the escrows of generations that were lost, and are opened by
	// recovery shares; nil but while they are recovered.
	recovered map[uint32]custody.Escrow
	// givenUp are generations that were lost as well, without shares at hand, and
	// of which nothing is left.
	givenUp []uint32
	system  *systemKey
	vault   *custody.Vault
	audit   *audit.Log

	witnesses []witness      // of the audit log's heads
	closed    []func() error // in reverse order

	// What the operator's acceptance of an older database leaves to do, and when
	// that database was taken. Nil and zero without one.
	afterOpen    func(ctx context.Context) error
	rolledBackTo time.Time
}

// openCore opens everything but the audit log, in order; what was opened is
// closed again on failure.
func openCore(ctx context.Context, cfg Config, stderr io.Writer) (c *core, err error) {
	if c, err = newCore(cfg, stderr); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if c.folder, err = openFolder(c.config.Data); err != nil {
		return c, err
	}
	c.onClose(c.folder.Close)
	if err = c.folder.expectDatabase(); err != nil {
		return c, err
	}
	c.db, err = sqlstore.Open(ctx, sqlstore.Options{
		Path: c.folder.file(databaseFile), Server: c.folder.server, Hub: c.hub, Now: c.now, Log: c.log,
	})
	if err != nil {
		return c, err
	}
	c.onClose(c.db.Close)
	return c, c.openCustody(ctx)
}

// newCore checks the configuration, and returns a core of which nothing is open.
func newCore(cfg Config, stderr io.Writer) (*core, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	if err := software.HardenProcess(); err != nil {
		return nil, fmt.Errorf("protecting the memory of the process: %w", err)
	}
	return &core{config: cfg, log: cfg.logger(stderr), now: cfg.Now, hub: lease.Always()}, nil
}

// openAudit opens the audit log, unless the database is older than what is
// remembered of it, and writes what committed changes of an earlier run still
// owe it.
func (c *core) openAudit(ctx context.Context) error {
	signer, public, err := auditKey(ctx, c.vault, c.db)
	if err != nil {
		return err
	}
	if err := c.openWitnesses(); err != nil {
		return err
	}
	if err := c.checkRollback(ctx, map[string]*ecdsa.PublicKey{signer.KeyID(): public}); err != nil {
		return err
	}
	a := c.config.Audit
	onError := func(err error) { c.log.Error("audit log", "error", err) }
	c.audit, err = audit.Open(ctx, audit.Options{
		Dir: c.folder.file(auditFolder), Server: c.folder.server, Signer: signer, Now: c.now,
		Anchors:      witnessed{c.db.Anchors(), c.witnesses, onError},
		Retention:    audit.Retention{Days: a.RetentionDays, Bytes: a.RetentionMiB << 20},
		SegmentBytes: a.SegmentMiB << 20, Reserve: uint64(a.ReserveMiB) << 20,
		OnError: onError,
	})
	if err != nil {
		return err
	}
	c.onClose(func() error { return c.audit.Close(context.Background()) })
	c.onClose(func() error { return c.deliver(context.Background()) })
	if c.afterOpen != nil {
		if err := c.afterOpen(ctx); err != nil {
			return err
		}
	}
	return c.deliver(ctx)
}

// deliverAtOnce is how many events of the outbox are moved together.
const deliverAtOnce = 500

// deliver moves the events of committed changes from the outbox to the log. An
// event that was moved before a crash and not yet removed is recognised by its
// ID, so each is in the log exactly once.
func (c *core) deliver(ctx context.Context) error {
	for {
		events, err := c.db.Outbox(ctx, deliverAtOnce)
		if err != nil {
			return fmt.Errorf("reading the outbox: %w", err)
		}
		if len(events) == 0 {
			return nil
		}
		if err := c.audit.AppendOnce(ctx, events...); err != nil {
			return fmt.Errorf("writing the events of committed changes: %w", err)
		}
		if err := c.db.Delivered(ctx, events); err != nil {
			return fmt.Errorf("clearing the outbox: %w", err)
		}
		if len(events) < deliverAtOnce {
			return nil // what is committed since is signalled
		}
	}
}

// verifyAudit checks the whole log of this server against its keys and anchors.
func (c *core) verifyAudit(ctx context.Context) (audit.Report, error) {
	signer, public, err := auditKey(ctx, c.vault, c.db)
	if err != nil {
		return audit.Report{}, err
	}
	return audit.Verify(ctx, audit.VerifyOptions{
		Dir: c.folder.file(auditFolder), Server: c.folder.server, Anchors: c.db.Anchors(),
		Keys: map[string]*ecdsa.PublicKey{signer.KeyID(): public},
	})
}

func (c *core) onClose(f func() error) { c.closed = append(c.closed, f) }

// close closes what was opened, the newest first.
func (c *core) close() error {
	var errs []error
	for i := len(c.closed) - 1; i >= 0; i-- {
		errs = append(errs, c.closed[i]())
	}
	c.closed = nil
	return errors.Join(errs...)
}
