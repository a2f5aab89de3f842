package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// Kinds of the service's own secrets that belong to no domain.
const (
	secretRowKey   = "row-authentication"
	secretAuditKey = "audit-signing-key"
	secretCA       = "tls-authority"
)

// firstMasters says how the first masters are made. The zero value makes them
// without a recovery key, if there are none.
type firstMasters struct {
	only   bool // a deployment that has masters is refused
	shares Shares
}

// openCustody opens the crypto modules and the vault of the service's own
// secrets. The first start makes the first masters.
func (c *core) openCustody(ctx context.Context) error {
	known, err := c.db.Masters().Unverified(ctx)
	if err != nil {
		return fmt.Errorf("reading the generations of masters: %w", err)
	}
	if c.rack, err = c.openModules(ctx, known); err != nil {
		return err
	}
	c.onClose(c.rack.Close)
	if c.config.recovery != nil {
		if err := c.openRecovered(ctx, known); err != nil {
			return err
		}
	}
	c.system = &systemKey{rack: c.rack, db: c.db}
	under, err := c.system.generations(ctx)
	if err != nil {
		return err
	}
	started := slices.ContainsFunc(known, func(g masters.Generation) bool { return g.State != masters.Making })
	switch {
	case started && c.config.first.only:
		return ErrHasMasters
	case started:
		err = c.openGenerations(ctx, under)
	default:
		err = c.openFirst(ctx, known, under)
	}
	if err != nil {
		return err
	}
	c.vault = c.system.vault
	return nil
}

// openGenerations opens a deployment that has masters, and brings those that
// are current into use.
func (c *core) openGenerations(ctx context.Context, under []uint32) error {
	held := slices.DeleteFunc(under, func(n uint32) bool { _, ok := c.rack.ModuleOf(n); return !ok })
	if len(held) == 0 {
		return fmt.Errorf("%w: no crypto module holds the masters that keep the system key; "+
			"bring back the module that does, or if it was lost recover its keys with: strongroom custody recover; nothing was changed", errForeignSeal)
	}
	if err := c.system.open(ctx, held[0]); err != nil {
		return err
	}
	if err := openRowKey(ctx, c.system.vault, c.db); err != nil {
		return err
	}
	// What was done on the word of rows whose MACs nobody could check was to open
	// modules. Nothing more is done before they are checked.
	known, err := c.db.Masters().Generations(ctx)
	if err != nil {
		return fmt.Errorf("reading the generations of masters: %w", err)
	}
	for _, g := range known {
		m, ok := c.rack.ModuleOf(g.Number)
		_, recovered := c.recovered[g.Number]
		switch {
		case g.Live() && !recovered && !slices.Contains(c.givenUp, g.Number) && (!ok || m.Info().Name != g.Module):
			return fmt.Errorf("%w: crypto module %q does not hold the masters of generation %d; nothing was changed",
				errForeignSeal, g.Module, g.Number)
		case g.State == masters.Current:
			if err := c.rack.Use(ctx, g.Number); err != nil {
				return err
			}
		case g.State == masters.Retired && ok && m.Info().Name == g.Module:
			c.log.Warn("the masters of a retired generation are still in their crypto module",
				"generation", g.Number, "module", g.Module, "advice", fmt.Sprintf("strongroom custody retire %d", g.Number))
		}
	}
	return nil
}

// openFirst makes the first masters, or ends what an interrupted first start has
// begun.
func (c *core) openFirst(ctx context.Context, known []masters.Generation, under []uint32) error {
	store := c.db.Masters()
	if len(under) == 0 {
		g, err := c.makeFirst(ctx, store, known)
		if err != nil {
			return err
		}
		if err := c.system.make(ctx, g.Number); err != nil {
			return err
		}
		under, known = []uint32{g.Number}, []masters.Generation{g}
	} else if err := c.system.open(ctx, under[0]); err != nil {
		return err
	}
	if err := openRowKey(ctx, c.system.vault, c.db); err != nil {
		return err
	}
	i := slices.IndexFunc(known, func(g masters.Generation) bool { return g.Number == under[0] })
	if i < 0 {
		return fmt.Errorf("the masters of generation %d, which keep the system key, are missing from the database", under[0])
	}
	g := known[i]
	ev := here(masters.ActionInit)
	ev.ResponseData = map[string]any{"generation": int(g.Number), "module": g.Module, "recoverySet": g.Recovery.Set}
	if err := store.Enter(ctx, g, ev); err != nil {
		return fmt.Errorf("entering generation %d: %w", g.Number, err)
	}
	return c.rack.Use(ctx, g.Number)
}

// makeFirst makes the first masters. It announces them before, so that masters
// which are there without an announcement are known to be somebody else's: of
// another deployment, or of one whose database was lost.
func (c *core) makeFirst(ctx context.Context, store *sqlstore.Masters, known []masters.Generation) (masters.Generation, error) {
	held, err := c.rack.Generations(ctx)
	if err != nil {
		return masters.Generation{}, err
	}
	home := c.rack.Modules()[0].Info().Name
	g := masters.Generation{
		Number: 1, Module: home, State: masters.Making, Created: c.now(),
		InFile: c.rack.Modules()[0].Info().Kind == masters.KindSoftware,
	}
	for _, m := range held {
		announced := slices.ContainsFunc(known, func(k masters.Generation) bool { return k.Number == m.Number })
		if !announced {
			return g, fmt.Errorf("%w: %s holds generation %d already; use the database that belongs to it, or another folder, token or label; nothing was changed",
				errForeignSeal, c.system.keeper(m.Number), m.Number)
		}
		g.Number = max(g.Number, m.Number+1)
	}
	for _, k := range known {
		// Nothing was ever sealed under it.
		if err := store.Abandon(ctx, k.Number); err != nil {
			return g, err
		}
	}
	key, set, err := c.config.first.shares.make()
	if err != nil {
		return g, err
	}
	defer key.Wipe()
	g.Recovery = set
	if err := store.Begin(ctx, g); err != nil {
		return g, fmt.Errorf("beginning generation %d: %w", g.Number, err)
	}
	g.Escrow, err = c.rack.MakeMastersIn(ctx, home, g.Number, custody.Recovery{Set: set.Set, Key: key})
	if err != nil {
		return g, err
	}
	if err := store.Escrow(ctx, g); err != nil {
		return g, fmt.Errorf("keeping the escrow of generation %d: %w", g.Number, err)
	}
	return g, nil
}

// here begins the record of something that is done on the server's own machine.
func here(action iam.Action) *audit.Event {
	return &audit.Event{
		Action: string(action), Outcome: audit.Success, Severity: audit.Warning,
		Message:   "Strongroom: " + string(action),
		Initiator: operatorHere(),
		Target:    audit.Target{Name: "masters", TypeURI: "strongroom/custody"},
		Reason:    audit.Reason{Code: 200, Type: "OK"},
	}
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
