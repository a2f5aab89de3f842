package server

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/sqlstore"
)

// Kinds of the service's own secrets that belong to no domain.
const (
	secretSystemKey = "system-instance-key"
	secretRowKey    = "row-authentication"
	secretAuditKey  = "audit-signing-key"
	secretCA        = "tls-authority"
)

// openModule opens the embedded crypto module. It makes one only for a database
// that has never had one: a lost master file must not be replaced in silence.
func openModule(ctx context.Context, c *Config, f *folder, db *sqlstore.DB) (custody.Module, error) {
	o := software.Options{
		Name: "software", MasterFile: f.file(masterFile), DataDir: f.path, KeyFile: c.Custody.KeyFile,
	}
	switch {
	case c.Custody.PassphraseFile != "":
		text, err := os.ReadFile(c.Custody.PassphraseFile)
		if err != nil {
			return nil, fmt.Errorf("reading the passphrase: %w", err)
		}
		o.Passphrase = custody.NewSecret(bytes.TrimRight(text, "\r\n"))
		defer custody.NewSecret(text).Wipe()
	case o.KeyFile == "":
		o.KeyFile = f.file(keyFile)
	default:
		path, err := filepath.Abs(o.KeyFile)
		if err != nil {
			return nil, fmt.Errorf("key file: %w", err)
		}
		o.KeyFile = path
	}
	_, err := db.Secrets().Get(ctx, secretSystemKey, "1")
	switch {
	case err == nil:
		return module(software.Open(o))
	case !errors.Is(err, sqlstore.ErrNotFound):
		return nil, fmt.Errorf("looking for the system key: %w", err)
	}
	// A start that was interrupted between the two may have left the masters.
	m, err := software.Create(o)
	if errors.Is(err, software.ErrExists) {
		return module(software.Open(o))
	}
	if err != nil {
		return nil, err
	}
	if _, err := m.MakeMasters(ctx, 1, custody.Recovery{}); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// module keeps a failed opening from becoming a non-nil interface.
func module(m *software.Module, err error) (custody.Module, error) {
	if err != nil {
		return nil, err
	}
	return m, nil
}

// openVault loads the system instance key, or makes it at the first start, and
// returns the vault of the service's own secrets.
func openVault(ctx context.Context, m custody.Module, db *sqlstore.DB) (*custody.Vault, error) {
	const size = 32
	b := custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "system", Instance: "system", Key: "system", Version: "1",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: size,
	}
	row, err := db.Secrets().Get(ctx, secretSystemKey, "1")
	if errors.Is(err, sqlstore.ErrNotFound) {
		h, sealed, err := m.Make(ctx, custody.Root, b)
		if err != nil {
			return nil, fmt.Errorf("making the system key: %w", err)
		}
		if err := db.Secrets().Add(ctx, sqlstore.Secret{Kind: secretSystemKey, ID: "1", Sealed: sealed}); err != nil {
			return nil, fmt.Errorf("keeping the system key: %w", err)
		}
		return custody.NewVault(m, h), nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the system key: %w", err)
	}
	h, err := m.Load(ctx, custody.Root, b, row.Sealed)
	if err != nil {
		return nil, fmt.Errorf("loading the system key: %w; the master file does not belong to this database", err)
	}
	return custody.NewVault(m, h), nil
}

// openRowKey gives the store the key that authenticates its rows.
func openRowKey(ctx context.Context, vault *custody.Vault, db *sqlstore.DB) error {
	key, _, err := db.Secrets().Obtain(ctx, vault, secretRowKey, "1", func() (custody.Secret, []byte, error) {
		return custody.RandomSecret(32), nil, nil
	})
	if err != nil {
		return fmt.Errorf("opening the row key: %w", err)
	}
	db.SetRowKey(key.Reveal())
	return nil
}

// auditKey opens the key that signs checkpoints of the audit log.
func auditKey(ctx context.Context, vault *custody.Vault, db *sqlstore.DB) (audit.Signer, *ecdsa.PublicKey, error) {
	secret, _, err := db.Secrets().Obtain(ctx, vault, secretAuditKey, auditKeyID, newECKey)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the audit key: %w", err)
	}
	key, err := parseECKey(secret)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the audit key: %w", err)
	}
	return audit.NewSigner(auditKeyID, key), &key.PublicKey, nil
}

// auditKeyID names the first key that signs checkpoints.
const auditKeyID = "audit-1"

// newECKey draws a P-256 key (FIPS 186-5): PKCS #8, and its public half in PKIX.
func newECKey() (custody.Secret, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return custody.Secret{}, nil, err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return custody.Secret{}, nil, err
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	return custody.NewSecret(private), public, err
}

func parseECKey(s custody.Secret) (*ecdsa.PrivateKey, error) {
	defer s.Wipe()
	parsed, err := x509.ParsePKCS8PrivateKey(s.Reveal())
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("not an ECDSA key")
	}
	return key, nil
}
