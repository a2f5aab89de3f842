package custodytest

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"

	"strongroom/custody"
)

// masters returns what the operator of the module can do, or skips the test.
func (f *fixture) masters(t *testing.T) custody.Masters {
	t.Helper()
	m, ok := f.Module.(custody.Masters)
	if !ok {
		t.Skip("the module makes no masters")
	}
	return m
}

func (f *fixture) makeMasters(t *testing.T, number uint32, r custody.Recovery) custody.Escrow {
	t.Helper()
	escrow, err := f.masters(t).MakeMasters(t.Context(), number, r)
	if err != nil {
		t.Fatalf("MakeMasters: %v", err)
	}
	return escrow
}

func (f *fixture) generations(t *testing.T) []custody.Generation {
	t.Helper()
	list, err := f.masters(t).Generations(t.Context())
	if err != nil {
		t.Fatalf("Generations: %v", err)
	}
	return list
}

func testGenerations(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	first := f.Info().Generation
	want := []custody.Generation{{Number: first}}
	if got := f.generations(t); !slices.Equal(got, want) {
		t.Fatalf("generations %v, want %v", got, want)
	}
	for _, number := range []uint32{0, first - 1, first} {
		if _, err := f.masters(t).MakeMasters(t.Context(), number, custody.Recovery{}); !errors.Is(err, custody.ErrGeneration) {
			t.Errorf("making masters of generation %d: %v, want ErrGeneration", number, err)
		}
	}
	newest := first + 3 // numbers that other modules have taken are left out
	if escrow := f.makeMasters(t, newest, custody.Recovery{}); escrow != nil {
		t.Errorf("escrow of %d bytes without a recovery key", len(escrow))
	}
	want = append(want, custody.Generation{Number: newest})
	if got := f.Info().Generation; got != newest {
		t.Errorf("newest generation = %d, want %d", got, newest)
	}

	// The same binding under both, but for the generation.
	instance := f.instanceBinding("instance-1")
	_, instanceSealed := f.make(t, custody.Root, instance)
	f.refused(t, "instance key of another generation", custody.Root, f.binding, instanceSealed)
	f.refused(t, "instance key of another generation", custody.Root, instance, f.sealed)
	var (
		bindings []custody.Binding
		sealed   []custody.Sealed
		prints   []custody.Block
	)
	for _, number := range []uint32{first, newest} {
		b := f.versionBinding(custody.OriginGenerated, 32)
		b.Generation = number
		h, s := f.make(t, f.instance, b)
		bindings, sealed, prints = append(bindings, b), append(sealed, s), append(prints, f.fingerprint(t, h))
	}
	f.refused(t, "key of another generation", f.instance, bindings[0], sealed[1])
	f.refused(t, "key of another generation", f.instance, bindings[1], sealed[0])
	for range 2 {
		f.restart(t)
		if got := f.generations(t); !slices.Equal(got, want) {
			t.Errorf("generations after reopening %v, want %v", got, want)
		}
		f.load(t, custody.Root, instance, instanceSealed)
		parent := f.load(t, custody.Root, f.binding, f.sealed)
		for i, b := range bindings {
			if f.fingerprint(t, f.load(t, parent, b, sealed[i])) != prints[i] {
				t.Errorf("key of generation %d is another one after reopening", b.Generation)
			}
		}
	}
}

func testDestroy(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	m := f.masters(t)
	first := f.Info().Generation
	b := f.versionBinding(custody.OriginGenerated, 32)
	version, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, version)
	f.makeMasters(t, first+1, custody.Recovery{})
	newer := f.instanceBinding("instance-1")
	_, newerSealed := f.make(t, custody.Root, newer)
	for range 2 { // a second time does nothing
		if err := m.DestroyMasters(t.Context(), first); err != nil {
			t.Fatalf("DestroyMasters: %v", err)
		}
	}
	if f.fingerprint(t, version) != print {
		t.Error("loaded key changed when its masters were destroyed")
	}
	f.Unload(version)
	f.refused(t, "key of destroyed masters", f.instance, b, sealed)
	f.refused(t, "instance key of destroyed masters", custody.Root, f.binding, f.sealed)
	if _, _, err := f.Make(t.Context(), f.instance, b); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("making a key of destroyed masters: %v, want ErrBinding", err)
	}
	if _, err := f.CMAC(t.Context(), custody.RootOf(first), [2]custody.Block{}); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("CMAC under a destroyed seal master: %v, want ErrUnloaded", err)
	}
	f.restart(t)
	f.refused(t, "instance key of destroyed masters, after reopening", custody.Root, f.binding, f.sealed)
	f.load(t, custody.Root, newer, newerSealed)
	if got, want := f.generations(t), []custody.Generation{{Number: first + 1}}; !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
	if err := f.masters(t).DestroyMasters(t.Context(), first+9); err != nil {
		t.Errorf("destroying masters that never were: %v", err)
	}
}

func testRewrap(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	m := f.masters(t)
	first := f.Info().Generation
	bindings := []custody.Binding{f.versionBinding(custody.OriginGenerated, 32)}
	handle, sealed := f.make(t, f.instance, bindings[0])
	forms, prints := []custody.Sealed{sealed}, []custody.Block{f.fingerprint(t, handle)}
	for _, size := range sizes {
		h, b, s := f.importKey(t, bytes.Repeat([]byte{9}, size))
		bindings, forms, prints = append(bindings, b), append(forms, s), append(prints, f.fingerprint(t, h))
	}
	f.makeMasters(t, first+1, custody.Recovery{})
	rewrap := func(parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Binding, custody.Sealed) {
		t.Helper()
		out, err := m.Rewrap(t.Context(), parent, b, s, first+1)
		if err != nil {
			t.Fatalf("Rewrap: %v", err)
		}
		b.Generation = first + 1
		return b, out
	}
	moved, movedSealed := rewrap(custody.Root, f.binding, f.sealed)
	instance := f.load(t, custody.Root, moved, movedSealed)
	if f.fingerprint(t, instance) != f.fingerprint(t, f.instance) {
		t.Error("instance key is another one after rewrapping")
	}
	for i, b := range bindings {
		after, s := rewrap(f.instance, b, forms[i])
		for what, parent := range map[string]custody.Handle{"old": f.instance, "rewrapped": instance} {
			if f.fingerprint(t, f.load(t, parent, after, s)) != prints[i] {
				t.Errorf("key of %d bytes is another one after rewrapping, under the %s instance key", b.Size, what)
			}
			if f.fingerprint(t, f.load(t, parent, b, forms[i])) != prints[i] {
				t.Errorf("old form of a key of %d bytes does not load after rewrapping, under the %s instance key", b.Size, what)
			}
		}
		f.refused(t, "rewrapped key with its old binding", f.instance, b, s)
		f.refused(t, "old key with its new binding", f.instance, after, forms[i])
	}
	b := bindings[0]
	if _, err := m.Rewrap(t.Context(), f.instance, b, forms[0], first+2); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("rewrapping for masters that nobody has: %v, want ErrBinding", err)
	}
	for what, s := range map[string]custody.Sealed{
		"a changed key": flipped(forms[0], len(forms[0])/2), "another key": forms[1], "nothing": nil,
	} {
		if out, err := m.Rewrap(t.Context(), f.instance, b, s, first+1); !errors.Is(err, custody.ErrUnreadable) || out != nil {
			t.Errorf("rewrapping %s: %v, want ErrUnreadable", what, err)
		}
	}
	if _, err := m.Rewrap(t.Context(), custody.NewHandle(1<<40, 32), b, forms[0], first+1); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("rewrapping under a key that is not loaded: %v, want ErrUnloaded", err)
	}
}

// testMastersConcurrency makes, moves to and destroys masters while keys are made, loaded and used.
func testMastersConcurrency(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	m := f.masters(t)
	first := f.Info().Generation
	b := f.versionBinding(custody.OriginGenerated, 32)
	shared, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, shared)
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				h, err := f.Load(t.Context(), f.instance, b, sealed)
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				if out, err := f.CMAC(t.Context(), h, [2]custody.Block{}); err != nil || out[0] != print {
					t.Errorf("CMAC: another key, or %v", err)
				}
				f.Unload(h)
				if h, _, err = f.Make(t.Context(), f.instance, b); err != nil {
					t.Errorf("Make: %v", err)
					return
				}
				f.Unload(h)
			}
		})
	}
	current, form := f.binding, f.sealed
	for number := first + 1; number < first+5; number++ {
		f.makeMasters(t, number, custody.Recovery{})
		next, err := m.Rewrap(t.Context(), custody.Root, current, form, number)
		if err != nil {
			t.Fatalf("Rewrap: %v", err)
		}
		if current.Generation != first {
			if err := m.DestroyMasters(t.Context(), current.Generation); err != nil {
				t.Fatalf("DestroyMasters: %v", err)
			}
		}
		current.Generation, form = number, next
		if f.fingerprint(t, f.load(t, custody.Root, current, form)) != f.fingerprint(t, f.instance) {
			t.Errorf("instance key is another one in generation %d", number)
		}
	}
	close(done)
	wg.Wait()
}
