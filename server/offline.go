package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"

	ours "strongroom/api/strongroom"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/kms"
)

// offline opens a data folder whose server is stopped, lets do work on it, and
// closes it.
func offline(ctx context.Context, cfg Config, stderr io.Writer, do func(h *house) error) (err error) {
	c, err := openCore(ctx, cfg, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	if err := c.openAudit(ctx); err != nil {
		return err
	}
	h, err := build(ctx, c, c.config.urlOffline())
	if err != nil {
		return err
	}
	return do(h)
}

// inUse refuses a folder that no start has prepared, before anything is made in
// it: a mistyped name would otherwise become a deployment of its own.
func inUse(cfg Config) error {
	_, err := os.Stat(filepath.Join(cfg.Data, databaseFile))
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s is no data folder: the first start of the server, or strongroom bootstrap, makes one", cfg.Data)
	}
	if err != nil {
		return fmt.Errorf("data folder: %w", err)
	}
	return nil
}

// urlOffline is how clients will reach the control APIs, as far as that is known
// before the server listens.
func (c *Config) urlOffline() string {
	if c.PublicURL != "" {
		return c.PublicURL
	}
	return "https://" + c.Listen
}

// s3URLOffline is the same for the S3 endpoint.
func (c *Config) s3URLOffline() string {
	if c.S3URL != "" {
		return c.S3URL
	}
	return "https://" + c.S3Listen
}

// Bootstrap prepares a data folder as the first start does, and returns the path
// of the credentials file. With reset it withdraws the keys of that file and
// writes new ones.
func Bootstrap(ctx context.Context, cfg Config, stderr io.Writer, reset bool) (file string, err error) {
	err = offline(ctx, cfg, stderr, func(h *house) error {
		authority, err := openAuthority(ctx, h.vault, h.db, h.now())
		if err != nil {
			return err
		}
		if err := trustFiles(h.folder, authority.pem()); err != nil {
			return err
		}
		file = h.folder.file(credentialsFile)
		_, err = h.bootstrap(ctx, h.config.urlOffline(), h.config.s3URLOffline(), reset)
		return err
	})
	return file, err
}

// WithKeys opens a data folder whose server is stopped, and lets do work with a key service like
// that of the server, whose waits are the default ones. Benchmarks fill a folder in this way.
func WithKeys(ctx context.Context, cfg Config, stderr io.Writer, do func(kms.Config) error) error {
	if err := inUse(cfg); err != nil {
		return err
	}
	return offline(ctx, cfg, stderr, func(h *house) error {
		return do(kms.Config{
			Store: h.db.Keys(), Instances: instances{h}, Module: h.rack, Hub: h.hub,
			Decider: h.access, Viewer: h.access, Log: h.audit, Now: h.now,
		})
	})
}

// NewAccount says which account to make, and for whom.
type NewAccount struct {
	Name                       string
	Email, FirstName, LastName string // of the owner
}

// MadeAccount is an account with its owner's API key, which is shown once.
type MadeAccount struct {
	Account, Owner, ResourceGroup string
	APIKey                        custody.Secret
}

// CreateAccount makes an account with its owner and its default resource group.
func CreateAccount(ctx context.Context, cfg Config, stderr io.Writer, n NewAccount) (m MadeAccount, err error) {
	if err := inUse(cfg); err != nil {
		return m, err
	}
	err = offline(ctx, cfg, stderr, func(h *house) error {
		made, err := h.identities.CreateAccount(ctx, n.Name, iam.Person{
			Email: n.Email, FirstName: n.FirstName, LastName: n.LastName,
		})
		if err != nil {
			return err
		}
		group, err := h.resources.EnsureDefaultGroup(ctx, made.Account.ID)
		m = MadeAccount{
			Account: string(made.Account.ID), Owner: string(made.Account.Owner),
			ResourceGroup: string(group.ID), APIKey: made.APIKey,
		}
		return err
	})
	return m, err
}

// AccountInfo describes an account to the operator.
type AccountInfo struct{ ID, Name, Owner, State string }

// ListAccounts lists the accounts of tenants, by age.
func ListAccounts(ctx context.Context, cfg Config, stderr io.Writer) (list []AccountInfo, err error) {
	if err := inUse(cfg); err != nil {
		return nil, err
	}
	err = offline(ctx, cfg, stderr, func(h *house) error {
		all, err := h.identities.Accounts(ctx)
		for _, a := range all {
			list = append(list, AccountInfo{string(a.ID), a.Name, string(a.Owner), string(a.State)})
		}
		return err
	})
	return list, err
}

// UnlockNetwork switches off the policies of a Key Protect instance that say from
// where requests may come, and returns their types.
func UnlockNetwork(ctx context.Context, cfg Config, stderr io.Writer, instance string) (off []string, err error) {
	if err := inUse(cfg); err != nil {
		return nil, err
	}
	by := strconv.Itoa(os.Getuid())
	if person, err := user.Current(); err == nil {
		by = person.Username
	}
	err = offline(ctx, cfg, stderr, func(h *house) error {
		types, err := h.keys.UnlockNetwork(ctx, kms.InstanceID(instance), by)
		for _, t := range types {
			off = append(off, string(t))
		}
		return err
	})
	return off, err
}

// VerifyAudit checks the audit log of a data folder without opening it for
// writing, and returns the report in the form that the server gives.
func VerifyAudit(ctx context.Context, cfg Config, stderr io.Writer) (_ json.RawMessage, err error) {
	if err := inUse(cfg); err != nil {
		return nil, err
	}
	c, err := openCore(ctx, cfg, stderr)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	report, err := c.verifyAudit(ctx)
	if err != nil {
		return nil, fmt.Errorf("verifying the audit log: %w", err)
	}
	return json.Marshal(ours.NewVerification(report))
}
