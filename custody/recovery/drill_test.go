package recovery_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/recovery"
	"strongroom/custody/software"
)

// row is a stored key as a database has it, with what it once sealed.
type row struct {
	binding  custody.Binding
	sealed   custody.Sealed
	material custody.MaterialID
	box      custody.Box
}

// house is what is left when a module is lost: the rows, the escrows, and shares on paper.
type house struct {
	instances []row            // by instance
	versions  map[string][]row // of an instance
	escrows   map[uint32]custody.Escrow
	paper     []string
}

// TestLostModuleIsRecoveredFromShares is the drill: the module is gone, three of five shares and the
// rows open every key in a new module.
func TestLostModuleIsRecoveredFromShares(t *testing.T) {
	h := build(t)

	// Three holders type their shares in.
	var shares []recovery.Share
	for _, text := range []string{h.paper[4], h.paper[0], h.paper[2]} {
		s, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	key, err := recovery.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	lost, err := software.Recover("recovered", key, h.escrows)
	if err != nil {
		t.Fatal(err)
	}
	key.Key.Wipe()
	if info := lost.Info(); info.Protection != custody.ProtectionShares || info.Generation != 2 || info.Recovery != key.Set {
		t.Errorf("Info() = %+v", info)
	}

	fresh := create(t, "new")
	rack, err := custody.NewRack(t.Context(), fresh)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = rack.Close() })
	if err := rack.Add(t.Context(), lost); err != nil {
		t.Fatal(err)
	}
	after, _ := divide(t, 2, 3) // new shares, for the new module
	if _, err := rack.MakeMasters(t.Context(), 3, after); err != nil {
		t.Fatal(err)
	}
	move := func(from custody.Handle, k row, to custody.Handle) (row, custody.Handle) {
		t.Helper()
		sealed, err := rack.Move(t.Context(), from, k.binding, k.sealed, to, 3)
		if err != nil {
			t.Fatal(err)
		}
		k.binding.Generation, k.sealed = 3, sealed
		loaded, err := rack.Load(t.Context(), to, k.binding, sealed)
		if err != nil {
			t.Fatal(err)
		}
		if id, err := custody.Identify(t.Context(), rack, loaded); err != nil || id != k.material {
			t.Fatalf("recovered key has material %s, %v, want %s", id, err, k.material)
		}
		return k, loaded
	}
	for i, instance := range h.instances {
		parent, err := rack.Load(t.Context(), custody.Root, instance.binding, instance.sealed)
		if err != nil {
			t.Fatal(err)
		}
		moved, to := move(custody.Root, instance, custody.Root)
		h.instances[i] = moved
		for j, v := range h.versions[instance.binding.Instance] {
			h.versions[instance.binding.Instance][j], _ = move(parent, v, to)
		}
	}
	if err := rack.Close(); err != nil { // the recovered masters are gone again
		t.Fatal(err)
	}
	h.opens(t, fresh.reopen(t))
}

// module is a software module and where it is.
type module struct {
	*software.Module
	options software.Options
}

// create returns a module without masters.
func create(t *testing.T, name string) module {
	t.Helper()
	dir := t.TempDir()
	o := software.Options{Name: name, MasterFile: filepath.Join(dir, "masters.json"), KeyFile: filepath.Join(dir, "master.key")}
	m, err := software.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return module{m, o}
}

// reopen opens the masters again, as the next process does.
func (m module) reopen(t *testing.T) *software.Module {
	t.Helper()
	again, err := software.Open(m.options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = again.Close() })
	return again
}

// build makes two instances with keys of every size and origin under two generations, and loses the
// module: what it returns is all that is left.
func build(t *testing.T) *house {
	t.Helper()
	m := create(t, "old")
	key, shares := divide(t, 3, 5)
	h := &house{versions: map[string][]row{}, escrows: map[uint32]custody.Escrow{}}
	for _, s := range shares {
		h.paper = append(h.paper, string(s.Print().Reveal()))
	}
	for generation := uint32(1); generation <= 2; generation++ {
		escrow, err := m.MakeMasters(t.Context(), generation, key)
		if err != nil {
			t.Fatal(err)
		}
		h.escrows[generation] = escrow
		name := fmt.Sprintf("instance-%d", generation)
		b := custody.Binding{
			Purpose: custody.PurposeInstanceKey, Account: "account", Instance: name,
			Generation: generation, Origin: custody.OriginGenerated, Size: 32,
		}
		parent, sealed, err := m.Make(t.Context(), custody.Root, b)
		if err != nil {
			t.Fatal(err)
		}
		h.instances = append(h.instances, keep(t, m, parent, b, sealed))
		b.Purpose, b.Key = custody.PurposeKeyVersion, "key"
		for _, b.Size = range []int{16, 24, 32} {
			b.Version = fmt.Sprintf("made-%d", b.Size)
			b.Origin = custody.OriginGenerated
			version, sealed, err := m.Make(t.Context(), parent, b)
			if err != nil {
				t.Fatal(err)
			}
			h.versions[name] = append(h.versions[name], keep(t, m, version, b, sealed))
			b.Version = fmt.Sprintf("brought-%d", b.Size)
			b.Origin = custody.OriginImported
			if version, sealed, err = m.Import(t.Context(), parent, b, custody.RandomSecret(b.Size)); err != nil {
				t.Fatal(err)
			}
			h.versions[name] = append(h.versions[name], keep(t, m, version, b, sealed))
		}
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	return h
}

// keep returns the row of a key, and something that it sealed.
func keep(t *testing.T, m custody.Module, h custody.Handle, b custody.Binding, sealed custody.Sealed) row {
	t.Helper()
	id, err := custody.Identify(t.Context(), m, h)
	if err != nil {
		t.Fatal(err)
	}
	box, err := custody.Seal(t.Context(), m, h, custody.PurposeDataKey, nil, []byte(b.Version))
	if err != nil {
		t.Fatal(err)
	}
	return row{b, sealed, id, box}
}

// opens loads every row and opens what its key has sealed.
func (h *house) opens(t *testing.T, m custody.Module) {
	t.Helper()
	open := func(parent custody.Handle, k row) custody.Handle {
		t.Helper()
		loaded, err := m.Load(t.Context(), parent, k.binding, k.sealed)
		if err != nil {
			t.Fatalf("key %s: %v", k.binding.Version, err)
		}
		if got, err := custody.Open(t.Context(), m, loaded, custody.PurposeDataKey, nil, k.box); err != nil || string(got.Reveal()) != k.binding.Version {
			t.Errorf("what key %q sealed does not open: %v", k.binding.Version, err)
		}
		return loaded
	}
	for _, instance := range h.instances {
		parent := open(custody.Root, instance)
		for _, v := range h.versions[instance.binding.Instance] {
			open(parent, v)
		}
	}
}

func TestRecoveredMastersOpenAndMakeNothing(t *testing.T) {
	h := build(t)
	var shares []recovery.Share
	for _, text := range h.paper[:3] {
		s, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		shares = append(shares, s)
	}
	key, err := recovery.Combine(shares)
	if err != nil {
		t.Fatal(err)
	}
	m, err := software.Recover("recovered", key, h.escrows)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	h.opens(t, m)
	b := h.instances[0].binding
	if _, _, err := m.Make(t.Context(), custody.Root, b); !errors.Is(err, software.ErrReadOnly) {
		t.Errorf("Make: %v, want ErrReadOnly", err)
	}
	b.Origin = custody.OriginImported
	if _, _, err := m.Import(t.Context(), custody.Root, b, custody.RandomSecret(32)); !errors.Is(err, software.ErrReadOnly) {
		t.Errorf("Import: %v, want ErrReadOnly", err)
	}
	changed := append(custody.Sealed(nil), h.instances[0].sealed...)
	for i := range changed {
		changed[i] ^= 1
		if _, err := m.Load(t.Context(), custody.Root, h.instances[0].binding, changed); !errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("byte %d changed: %v, want ErrUnreadable", i, err)
		}
		changed[i] ^= 1
	}
	swapped := h.instances[0].binding
	swapped.Generation = 2
	if _, err := m.Load(t.Context(), custody.Root, swapped, h.instances[0].sealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("another generation: %v, want ErrUnreadable", err)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Load(t.Context(), custody.Root, h.instances[0].binding, h.instances[0].sealed); !errors.Is(err, custody.ErrClosed) {
		t.Errorf("after Close: %v, want ErrClosed", err)
	}

	// The key of other shares is not the one of these escrows.
	other, _ := divide(t, 3, 5)
	for name, c := range map[string]struct {
		key     custody.Recovery
		escrows map[uint32]custody.Escrow
	}{
		"another key":          {other, h.escrows},
		"no name":              {custody.Recovery{Key: key.Key}, h.escrows},
		"no key":               {custody.Recovery{Set: key.Set}, h.escrows},
		"no escrow":            {key, nil},
		"empty escrow":         {key, map[uint32]custody.Escrow{1: nil}},
		"escrow of a part":     {key, map[uint32]custody.Escrow{1: h.escrows[1][:32]}},
		"one escrow of others": {key, map[uint32]custody.Escrow{1: h.escrows[1], 2: append(custody.Escrow{1}, h.escrows[2][1:]...)}},
	} {
		if m, err := software.Recover("recovered", c.key, c.escrows); !errors.Is(err, custody.ErrRecovery) || m != nil {
			t.Errorf("%s: %v, want ErrRecovery", name, err)
		}
	}
}

// TestKeysWithoutASecondCopyStayLost shows what recovery cannot do.
func TestKeysWithoutASecondCopyStayLost(t *testing.T) {
	m := create(t, "old")
	key, _ := divide(t, 1, 1)
	if _, err := m.MakeMasters(t.Context(), 1, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
	escrow, err := m.MakeMasters(t.Context(), 2, key)
	if err != nil {
		t.Fatal(err)
	}
	b := custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: 1, Origin: custody.OriginGenerated, Size: 32,
	}
	_, sealed, err := m.Make(t.Context(), custody.Root, b)
	if err != nil {
		t.Fatal(err)
	}
	r, err := software.Recover("recovered", key, map[uint32]custody.Escrow{1: escrow, 2: escrow})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Load(t.Context(), custody.Root, b, sealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading a key without a second copy: %v, want ErrUnreadable", err)
	}
}
