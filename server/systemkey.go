package server

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"strongroom/custody"
	"strongroom/masters"
	"strongroom/sqlstore"
)

// systemKey is the key of the service's own secrets. Like the key of an
// instance it is kept under a generation of masters, and moves with it: a row
// for each, whose ID is the generation.
type systemKey struct {
	rack  *custody.Rack
	db    *sqlstore.DB
	vault *custody.Vault
}

func systemBinding(generation uint32) custody.Binding {
	const size = 32
	return custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "system", Instance: "system", Key: "system", Version: "1",
		Generation: generation, Origin: custody.OriginGenerated, Size: size,
	}
}

// generations returns under which the key is kept, the newest first.
func (k *systemKey) generations(ctx context.Context) ([]uint32, error) {
	ids, err := k.db.Secrets().IDs(ctx, masters.SystemKey)
	if err != nil {
		return nil, fmt.Errorf("looking for the system key: %w", err)
	}
	var all []uint32
	for _, id := range ids {
		n, err := strconv.ParseUint(id, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("system key %q is under no generation: %w", id, err)
		}
		all = append(all, uint32(n))
	}
	slices.SortFunc(all, func(a, b uint32) int { return int(int64(b) - int64(a)) })
	return all, nil
}

// make makes the key at the first start.
func (k *systemKey) make(ctx context.Context, generation uint32) error {
	h, sealed, err := k.rack.Make(ctx, custody.Root, systemBinding(generation))
	if err != nil {
		return fmt.Errorf("making the system key: %w", err)
	}
	if err := k.add(ctx, generation, sealed); err != nil {
		return err
	}
	k.vault = custody.NewVault(k.rack, h)
	return nil
}

func (k *systemKey) add(ctx context.Context, generation uint32, sealed custody.Sealed) error {
	err := k.db.Secrets().Add(ctx, sqlstore.Secret{Kind: masters.SystemKey, ID: fmt.Sprint(generation), Sealed: sealed})
	if err != nil {
		return fmt.Errorf("keeping the system key: %w", err)
	}
	return nil
}

// errForeignSeal says that the masters are not those of the database.
var errForeignSeal = errors.New("the masters do not belong to this database")

// open loads the key under one generation. That it opens shows that the masters
// are those of this database.
func (k *systemKey) open(ctx context.Context, generation uint32) error {
	h, err := k.load(ctx, generation)
	if err != nil {
		return err
	}
	k.vault = custody.NewVault(k.rack, h)
	return nil
}

func (k *systemKey) load(ctx context.Context, generation uint32) (custody.Handle, error) {
	row, err := k.db.Secrets().Get(ctx, masters.SystemKey, fmt.Sprint(generation))
	if err != nil {
		return 0, fmt.Errorf("reading the system key: %w", err)
	}
	h, err := k.rack.Load(ctx, custody.Root, systemBinding(generation), row.Sealed)
	if errors.Is(err, custody.ErrUnreadable) {
		return 0, fmt.Errorf("%w: the system key does not open under generation %d in %s; "+
			"another master file, token or database was put in its place, and nothing was changed",
			errForeignSeal, generation, k.keeper(generation))
	}
	if err != nil {
		return 0, fmt.Errorf("loading the system key: %w", err)
	}
	return h, nil
}

func (k *systemKey) keeper(generation uint32) string {
	m, ok := k.rack.ModuleOf(generation)
	if !ok {
		return "any crypto module"
	}
	return fmt.Sprintf("crypto module %q", m.Info().Name)
}

// Move implements masters.Mover.
func (k *systemKey) Move(ctx context.Context, from, to uint32) (int, error) {
	all, err := k.generations(ctx)
	if err != nil || !slices.Contains(all, from) || slices.Contains(all, to) {
		return 0, err
	}
	was, err := k.load(ctx, from)
	if err != nil {
		return 0, err
	}
	defer k.rack.Unload(was)
	row, err := k.db.Secrets().Get(ctx, masters.SystemKey, fmt.Sprint(from))
	if err != nil {
		return 0, fmt.Errorf("reading the system key: %w", err)
	}
	sealed, err := k.rack.Move(ctx, custody.Root, systemBinding(from), row.Sealed, custody.Root, to)
	if err != nil {
		return 0, fmt.Errorf("moving the system key: %w", err)
	}
	h, err := k.rack.Load(ctx, custody.Root, systemBinding(to), sealed)
	if err != nil {
		return 0, fmt.Errorf("loading the moved system key: %w", err)
	}
	if err := k.same(ctx, was, h); err != nil {
		k.rack.Unload(h)
		return 0, err
	}
	if err := k.add(ctx, to, sealed); err != nil {
		k.rack.Unload(h)
		return 0, err
	}
	k.vault.Use(h)
	return 1, nil
}

// same returns an error unless two handles name the same key.
func (k *systemKey) same(ctx context.Context, a, b custody.Handle) error {
	one, aerr := custody.Identify(ctx, k.rack, a)
	other, berr := custody.Identify(ctx, k.rack, b)
	if err := errors.Join(aerr, berr); err != nil {
		return err
	}
	if one != other {
		return errors.New("the moved system key is another one")
	}
	return nil
}
