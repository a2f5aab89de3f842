package custodytest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"strongroom/custody"
)

func testInfo(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	info := f.Info()
	if info.Kind == "" || info.Name == "" || info.Protection == "" || info.Generation == 0 {
		t.Errorf("Info() = %+v, want every field set", info)
	}
	f.restart(t)
	if again := f.Info(); again != info {
		t.Errorf("Info() after reopening = %+v, want %+v", again, info)
	}
}

func testMake(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	seen := map[custody.Block]bool{}
	for _, size := range sizes {
		b := f.versionBinding(custody.OriginGenerated, size)
		h, sealed := f.make(t, f.instance, b)
		if h == 0 || h == custody.Root || h.Size() != size {
			t.Errorf("handle %#x of a key of %d bytes has size %d", uint64(h), size, h.Size())
		}
		loaded := f.load(t, f.instance, b, sealed)
		if loaded == h {
			t.Errorf("Load returned the handle that Make had returned")
		}
		print := f.fingerprint(t, h)
		if got := f.fingerprint(t, loaded); got != print {
			t.Errorf("key of %d bytes is another one after loading", size)
		}
		if seen[print] {
			t.Errorf("key of %d bytes was made before", size)
		}
		seen[print] = true

		other, _ := f.make(t, f.instance, b)
		if f.fingerprint(t, other) == print {
			t.Errorf("two keys of %d bytes with one binding are the same", size)
		}
	}
}

func testImport(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	for _, size := range sizes {
		material := bytes.Repeat([]byte{byte(size)}, size)
		h, b, sealed := f.importKey(t, material)
		if !bytes.Equal(material, bytes.Repeat([]byte{byte(size)}, size)) {
			t.Errorf("Import changed the caller's material of %d bytes", size)
		}
		if got := f.fingerprint(t, f.load(t, f.instance, b, sealed)); got != f.fingerprint(t, h) {
			t.Errorf("imported key of %d bytes is another one after loading", size)
		}
		material[0]++
		if got := f.fingerprint(t, f.load(t, f.instance, b, sealed)); got != f.fingerprint(t, h) {
			t.Errorf("key of %d bytes follows the caller's material", size)
		}
	}
}

func testReopen(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	b := f.versionBinding(custody.OriginGenerated, 32)
	h, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, h)
	box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, nil, []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		f.restart(t)
		instance := f.load(t, custody.Root, f.binding, f.sealed)
		h = f.load(t, instance, b, sealed)
		if f.fingerprint(t, h) != print {
			t.Error("key is another one after reopening")
		}
		if got, err := custody.Open(t.Context(), f, h, custody.PurposeDataKey, nil, box); err != nil || string(got.Reveal()) != "data key" {
			t.Errorf("box opens to %d bytes after reopening, %v", got.Len(), err)
		}
	}
}

func testOtherModule(t *testing.T, open func(t *testing.T) Subject) {
	a, b := newFixture(t, open), newFixture(t, open)
	if _, err := b.Load(t.Context(), custody.Root, a.binding, a.sealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading an instance key of another module: %v, want ErrUnreadable", err)
	}
}

func testBinding(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	base := f.versionBinding(custody.OriginGenerated, 32)
	_, sealed := f.make(t, f.instance, base)
	for name, change := range map[string]func(*custody.Binding){
		"purpose":        func(b *custody.Binding) { b.Purpose = custody.PurposeInstanceKey },
		"account":        func(b *custody.Binding) { b.Account = "account-2" },
		"instance":       func(b *custody.Binding) { b.Instance = "instance-2" },
		"key":            func(b *custody.Binding) { b.Key = "key-2" },
		"version":        func(b *custody.Binding) { b.Version = "version-2" },
		"generation":     func(b *custody.Binding) { b.Generation++ },
		"origin":         func(b *custody.Binding) { b.Origin = custody.OriginImported },
		"size":           func(b *custody.Binding) { b.Size = 24 },
		"empty account":  func(b *custody.Binding) { b.Account = "" },
		"moved boundary": func(b *custody.Binding) { b.Account, b.Instance = "account-1i", "nstance-1" },
		"swapped fields": func(b *custody.Binding) { b.Key, b.Version = b.Version, b.Key },
	} {
		b := base
		change(&b)
		if _, err := f.Load(t.Context(), f.instance, b, sealed); !errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("%s: Load: %v, want ErrUnreadable", name, err)
		}
	}
	f.load(t, f.instance, base, sealed)

	// Two rows that were swapped, in each thing by which rows differ.
	for name, change := range map[string]func(*custody.Binding){
		"account":  func(b *custody.Binding) { b.Account = "account-2" },
		"instance": func(b *custody.Binding) { b.Instance = "instance-2" },
		"key":      func(b *custody.Binding) { b.Key = "key-2" },
		"version":  func(b *custody.Binding) { b.Version = "version-2" },
	} {
		b := base
		change(&b)
		_, other := f.make(t, f.instance, b)
		f.refused(t, "swapped "+name, f.instance, base, other)
		f.refused(t, "swapped "+name, f.instance, b, sealed)
		f.load(t, f.instance, b, other)
	}
}

func testParent(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	other, otherSealed := f.make(t, custody.Root, f.instanceBinding("instance-2"))
	b := f.versionBinding(custody.OriginGenerated, 32)
	version, sealed := f.make(t, f.instance, b)
	for name, parent := range map[string]custody.Handle{
		"another instance key": other, "the key itself": version, "the masters": custody.Root,
	} {
		if _, err := f.Load(t.Context(), parent, b, sealed); !errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("loading a key version under %s: %v, want ErrUnreadable", name, err)
		}
	}
	if _, err := f.Load(t.Context(), custody.Root, f.binding, otherSealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading the key of another instance: %v, want ErrUnreadable", err)
	}
	if _, err := f.Load(t.Context(), f.instance, f.binding, f.sealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading an instance key under an instance key: %v, want ErrUnreadable", err)
	}
}

func testTampering(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	b := f.versionBinding(custody.OriginGenerated, 32)
	_, sealed := f.make(t, f.instance, b)
	f.tamper(t, f.instance, b, sealed)
	f.tamper(t, custody.Root, f.binding, f.sealed)
}

// tamper changes the stored form of a key in every byte and every length.
func (f *fixture) tamper(t *testing.T, parent custody.Handle, b custody.Binding, sealed custody.Sealed) {
	t.Helper()
	for i := range sealed {
		f.refused(t, fmt.Sprintf("byte %d changed", i), parent, b, flipped(sealed, i))
	}
	for n := range sealed {
		f.refused(t, fmt.Sprintf("cut to %d bytes", n), parent, b, sealed[:n])
	}
	f.refused(t, "a byte more", parent, b, append(bytes.Clone(sealed), 0))
	f.refused(t, "nothing", parent, b, nil)
	f.load(t, parent, b, sealed)
}

// flipped returns b with one bit changed, in the byte at i.
func flipped(b []byte, i int) []byte {
	out := bytes.Clone(b)
	out[i] ^= 1 << (i % 8)
	return out
}

func testBadBinding(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	for name, change := range map[string]func(*custody.Binding){
		"no purpose":            func(b *custody.Binding) { b.Purpose = "" },
		"purpose of a data key": func(b *custody.Binding) { b.Purpose = custody.PurposeDataKey },
		"purpose of the parent": func(b *custody.Binding) { b.Purpose = custody.PurposeInstanceKey },
		"no account":            func(b *custody.Binding) { b.Account = "" },
		"no instance":           func(b *custody.Binding) { b.Instance = "" },
		"no key":                func(b *custody.Binding) { b.Key = "" },
		"no version":            func(b *custody.Binding) { b.Version = "" },
		"no generation":         func(b *custody.Binding) { b.Generation = 0 },
		"other generation":      func(b *custody.Binding) { b.Generation++ },
		"no origin":             func(b *custody.Binding) { b.Origin = "" },
		"no size":               func(b *custody.Binding) { b.Size = 0 },
		"size of 20":            func(b *custody.Binding) { b.Size = 20 },
		"negative size":         func(b *custody.Binding) { b.Size = -16 },
	} {
		b := f.versionBinding(custody.OriginGenerated, 32)
		change(&b)
		if _, _, err := f.Make(t.Context(), f.instance, b); !errors.Is(err, custody.ErrBinding) {
			t.Errorf("%s: Make: %v, want ErrBinding", name, err)
		}
		b = f.versionBinding(custody.OriginImported, 32)
		change(&b)
		if _, _, err := f.Import(t.Context(), f.instance, b, custody.RandomSecret(32)); !errors.Is(err, custody.ErrBinding) {
			t.Errorf("%s: Import: %v, want ErrBinding", name, err)
		}
	}
	if _, _, err := f.Make(t.Context(), f.instance, f.versionBinding(custody.OriginImported, 32)); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("making a key as imported: %v, want ErrBinding", err)
	}
	if _, _, err := f.Import(t.Context(), f.instance, f.versionBinding(custody.OriginGenerated, 32), custody.RandomSecret(32)); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("importing a key as generated: %v, want ErrBinding", err)
	}
	if _, _, err := f.Import(t.Context(), f.instance, f.versionBinding(custody.OriginImported, 32), custody.RandomSecret(16)); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("importing 16 bytes as 32: %v, want ErrBinding", err)
	}
}

func testUnload(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	b := f.versionBinding(custody.OriginGenerated, 32)
	h, sealed := f.make(t, f.instance, b)
	box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, nil, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	again := f.load(t, f.instance, b, sealed)
	f.Unload(h)
	f.Unload(h) // a second time does nothing
	for name, handle := range map[string]custody.Handle{
		"unloaded": h, "zero": 0, "never loaded": custody.NewHandle(1<<40, 32),
	} {
		f.Unload(handle)
		refused := func(what string, err error) {
			t.Helper()
			if !errors.Is(err, custody.ErrUnloaded) || errors.Is(err, custody.ErrUnreadable) {
				t.Errorf("%s handle: %s: %v, want ErrUnloaded", name, what, err)
			}
		}
		_, err := f.CMAC(t.Context(), handle, [2]custody.Block{})
		refused("CMAC", err)
		_, err = custody.Seal(t.Context(), f, handle, custody.PurposeDataKey, nil, []byte("x"))
		refused("Seal", err)
		_, err = custody.Open(t.Context(), f, handle, custody.PurposeDataKey, nil, box)
		refused("Open", err)
		_, err = custody.Identify(t.Context(), f, handle)
		refused("Identify", err)
		_, _, err = f.Make(t.Context(), handle, b)
		refused("Make", err)
		_, err = f.Load(t.Context(), handle, b, sealed)
		refused("Load", err)
	}
	if _, err := custody.Open(t.Context(), f, again, custody.PurposeDataKey, nil, box); err != nil {
		t.Errorf("unloading one handle of a key took another: %v", err)
	}
	f.Unload(custody.Root)
	f.make(t, custody.Root, f.instanceBinding("instance-3"))
}

func testClose(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	for range 2 {
		if err := f.Close(); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	refused := func(what string, err error) {
		t.Helper()
		if err == nil || errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("%s after Close: %v, want an error that is not ErrUnreadable", what, err)
		}
	}
	_, err := f.CMAC(t.Context(), f.instance, [2]custody.Block{})
	refused("CMAC", err)
	_, err = f.CMAC(t.Context(), custody.Root, [2]custody.Block{})
	refused("CMAC of the masters", err)
	_, _, err = f.Make(t.Context(), custody.Root, f.binding)
	refused("Make", err)
	imported := f.binding
	imported.Origin = custody.OriginImported
	_, _, err = f.Import(t.Context(), custody.Root, imported, custody.RandomSecret(32))
	refused("Import", err)
	_, err = f.Load(t.Context(), custody.Root, f.binding, f.sealed)
	refused("Load", err)
	f.Unload(f.instance)
}

func testNoLeak(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	for _, size := range sizes {
		material := custody.RandomSecret(size).Reveal()
		h, _, sealed := f.importKey(t, material)
		box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, material, material)
		if err != nil {
			t.Fatal(err)
		}
		data, err := box.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		id, err := custody.Identify(t.Context(), f, h)
		if err != nil {
			t.Fatal(err)
		}
		// A part of a key is as telling as all of it.
		for run := range runs(material) {
			for what, where := range map[string][]byte{"sealed key": sealed, "box": data, "material ID": id[:]} {
				if bytes.Contains(where, []byte(run)) {
					t.Errorf("%s holds bytes of the key of %d bytes", what, size)
				}
			}
		}
	}
}

// runs returns every run of 8 bytes in b.
func runs(b []byte) map[string]bool {
	all := map[string]bool{}
	for i := range len(b) - 7 {
		all[string(b[i:i+8])] = true
	}
	return all
}

func testConcurrency(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	b := f.versionBinding(custody.OriginGenerated, 32)
	shared, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, shared)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				h, err := f.Load(t.Context(), f.instance, b, sealed)
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				out, err := f.CMAC(t.Context(), h, [2]custody.Block{})
				if err != nil || out[0] != print {
					t.Errorf("CMAC: another key, or %v", err)
				}
				box, err := custody.Seal(t.Context(), f, shared, custody.PurposeDataKey, nil, []byte("x"))
				if err != nil {
					t.Errorf("Seal: %v", err)
				}
				if _, err := custody.Open(t.Context(), f, h, custody.PurposeDataKey, nil, box); err != nil {
					t.Errorf("Open: %v", err)
				}
				f.Unload(h)
			}
		})
	}
	wg.Wait()

	// Keys that go away under way give the right answer or ErrUnloaded, never a wrong one.
	for range 20 {
		h := f.load(t, f.instance, b, sealed)
		for range 4 {
			wg.Go(func() {
				for {
					out, err := f.CMAC(t.Context(), h, [2]custody.Block{})
					if errors.Is(err, custody.ErrUnloaded) {
						return
					}
					if err != nil || out[0] != print {
						t.Errorf("CMAC while unloading: another key, or %v", err)
						return
					}
				}
			})
		}
		wg.Go(func() { f.Unload(h) })
		wg.Wait()
	}
}
