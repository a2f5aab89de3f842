package custodytest

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"strongroom/custody"
)

// testTransfer hands keys from one module to another of the same kind, and to and from one of
// another kind if there is one.
func testTransfer(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	t.Run("OfTheSameKind", func(t *testing.T) {
		c := newCarrier(t, f, newFixture(t, open))
		t.Run("EveryKeyArrives", c.arrives)
		t.Run("WrongTransferIsRefused", c.refusals)
		t.Run("ConcurrentUse", c.concurrency)
		t.Run("EndedTransferCarriesNothing", c.ends) // the last: it closes the transfer
	})
	if f.subject.Other == nil {
		return
	}
	other := newFixture(t, func(t *testing.T) Subject { return Subject{Module: f.subject.Other(t)} })
	t.Run("ToAnotherKind", func(t *testing.T) { newCarrier(t, f, other).arrives(t) })
	t.Run("FromAnotherKind", func(t *testing.T) { newCarrier(t, other, f).arrives(t) })
}

// carrier is an open transfer between two modules.
type carrier struct {
	from, to *fixture
	source   custody.Source
	export   custody.Export
	intake   custody.Intake
}

func newCarrier(t *testing.T, from, to *fixture) *carrier {
	t.Helper()
	source, ok := from.Module.(custody.Source)
	if !ok {
		t.Skip("the module hands no keys on")
	}
	destination, ok := to.Module.(custody.Destination)
	if !ok {
		t.Skip("the module takes no keys in")
	}
	c := &carrier{from: from, to: to, source: source}
	var err error
	if c.intake, err = destination.Accept(t.Context()); err != nil {
		t.Fatalf("Accept: %v", err)
	}
	t.Cleanup(func() { _ = c.intake.Close() })
	if c.export, err = source.Export(t.Context(), c.intake.Public()); err != nil {
		t.Fatalf("Export: %v", err)
	}
	t.Cleanup(func() { _ = c.export.Close() })
	if _, err := c.intake.Store(t.Context(), custody.Root, to.binding, make([]byte, 40)); !errors.Is(err, custody.ErrTransfer) {
		t.Errorf("Store before Open: %v, want ErrTransfer", err)
	}
	for _, i := range []int{0, len(c.export.Key()) - 1} {
		if err := c.intake.Open(t.Context(), flipped(c.export.Key(), i)); !errors.Is(err, custody.ErrTransported) {
			t.Errorf("Open with byte %d of the key changed: %v, want ErrTransported", i, err)
		}
	}
	if err := c.intake.Open(t.Context(), c.export.Key()); err != nil {
		t.Fatalf("Open: %v", err)
	}
	return c
}

// wrap takes a key out of the sending module.
func (c *carrier) wrap(t *testing.T, parent custody.Handle, b custody.Binding, s custody.Sealed) []byte {
	t.Helper()
	wrapped, err := c.export.Wrap(t.Context(), parent, b, s)
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	return wrapped
}

// store takes it into the receiving one, and loads it.
func (c *carrier) store(t *testing.T, parent custody.Handle, b custody.Binding, wrapped []byte) custody.Handle {
	t.Helper()
	sealed, err := c.intake.Store(t.Context(), parent, b, wrapped)
	if err != nil {
		t.Fatalf("Store: %v", err)
	}
	return c.to.load(t, parent, b, sealed)
}

// there is what b is in the receiving module.
func (c *carrier) there(b custody.Binding) custody.Binding {
	b.Generation = c.to.Info().Generation
	return b
}

func (c *carrier) arrives(t *testing.T) {
	instance := c.store(t, custody.Root, c.there(c.from.binding), c.wrap(t, custody.Root, c.from.binding, c.from.sealed))
	if c.to.fingerprint(t, instance) != c.from.fingerprint(t, c.from.instance) {
		t.Error("instance key is another one in the other module")
	}
	for _, size := range sizes {
		generated := c.from.versionBinding(custody.OriginGenerated, size)
		h, sealed := c.from.make(t, c.from.instance, generated)
		imported, b, importedSealed := c.from.importKey(t, bytes.Repeat([]byte{byte(size)}, size))
		for _, key := range []struct {
			handle  custody.Handle
			binding custody.Binding
			sealed  custody.Sealed
		}{{h, generated, sealed}, {imported, b, importedSealed}} {
			arrived := c.store(t, instance, c.there(key.binding), c.wrap(t, c.from.instance, key.binding, key.sealed))
			if arrived.Size() != size || c.to.fingerprint(t, arrived) != c.from.fingerprint(t, key.handle) {
				t.Errorf("%s key of %d bytes is another one in the other module", key.binding.Origin, size)
			}
			box, err := custody.Seal(t.Context(), c.from, key.handle, custody.PurposeDataKey, nil, []byte("data key"))
			if err != nil {
				t.Fatal(err)
			}
			if got, err := custody.Open(t.Context(), c.to, arrived, custody.PurposeDataKey, nil, box); err != nil || string(got.Reveal()) != "data key" {
				t.Errorf("what was sealed before does not open in the other module: %v", err)
			}
		}
	}
}

func (c *carrier) refusals(t *testing.T) {
	b := c.from.versionBinding(custody.OriginGenerated, 32)
	_, sealed := c.from.make(t, c.from.instance, b)
	for what, s := range map[string]custody.Sealed{"a changed key": flipped(sealed, len(sealed)-1), "an instance key": c.from.sealed, "nothing": nil} {
		if wrapped, err := c.export.Wrap(t.Context(), c.from.instance, b, s); !errors.Is(err, custody.ErrUnreadable) || wrapped != nil {
			t.Errorf("sending %s: %v, want ErrUnreadable", what, err)
		}
	}
	wrapped := c.wrap(t, c.from.instance, b, sealed)
	there := c.there(b)
	refused := func(what string, b custody.Binding, parent custody.Handle, wrapped []byte, want error) {
		t.Helper()
		if s, err := c.intake.Store(t.Context(), parent, b, wrapped); !errors.Is(err, want) || s != nil {
			t.Errorf("%s: Store: %d bytes, %v, want %v", what, len(s), err, want)
		}
	}
	for i := range wrapped {
		refused(fmt.Sprintf("byte %d changed", i), there, c.to.instance, flipped(wrapped, i), custody.ErrUnreadable)
	}
	for n := range wrapped {
		refused(fmt.Sprintf("cut to %d bytes", n), there, c.to.instance, wrapped[:n], custody.ErrUnreadable)
	}
	short := there
	short.Size = 16
	refused("another size", short, c.to.instance, wrapped, custody.ErrUnreadable)
	unknown := there
	unknown.Generation++
	refused("masters that nobody has", unknown, c.to.instance, wrapped, custody.ErrBinding)
	refused("the masters as parent", there, custody.Root, wrapped, custody.ErrBinding)
	refused("a parent that is not loaded", there, custody.NewHandle(1<<40, 32), wrapped, custody.ErrUnloaded)
	for what, public := range map[string][]byte{"nothing": nil, "no key": []byte("key")} {
		if e, err := c.source.Export(t.Context(), public); err == nil || e != nil {
			t.Errorf("Export to %s succeeded", what)
		}
	}

	// A key that another transfer wrapped does not arrive through this one.
	second, err := c.source.Export(t.Context(), c.intake.Public())
	if err != nil {
		t.Fatalf("Export: %v", err)
	}
	defer second.Close()
	elsewhere, err := second.Wrap(t.Context(), c.from.instance, b, sealed)
	if err != nil {
		t.Fatalf("Wrap: %v", err)
	}
	refused("a key of another transfer", there, c.to.instance, elsewhere, custody.ErrUnreadable)
}

func (c *carrier) concurrency(t *testing.T) {
	b := c.from.versionBinding(custody.OriginGenerated, 32)
	h, sealed := c.from.make(t, c.from.instance, b)
	want := c.from.fingerprint(t, h)
	there := c.there(b)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 10 {
				wrapped, err := c.export.Wrap(t.Context(), c.from.instance, b, sealed)
				if err != nil {
					t.Errorf("Wrap: %v", err)
					return
				}
				s, err := c.intake.Store(t.Context(), c.to.instance, there, wrapped)
				if err != nil {
					t.Errorf("Store: %v", err)
					return
				}
				h, err := c.to.Load(t.Context(), c.to.instance, there, s)
				if err != nil {
					t.Errorf("Load: %v", err)
					return
				}
				if out, err := c.to.CMAC(t.Context(), h, [2]custody.Block{}); err != nil || out[0] != want {
					t.Errorf("CMAC: another key, or %v", err)
				}
				c.to.Unload(h)
			}
		})
	}
	wg.Wait()
}

func (c *carrier) ends(t *testing.T) {
	b := c.from.versionBinding(custody.OriginGenerated, 32)
	_, sealed := c.from.make(t, c.from.instance, b)
	wrapped := c.wrap(t, c.from.instance, b, sealed)
	for range 2 {
		if err := errors.Join(c.export.Close(), c.intake.Close()); err != nil {
			t.Fatalf("Close: %v", err)
		}
	}
	if _, err := c.export.Wrap(t.Context(), c.from.instance, b, sealed); !errors.Is(err, custody.ErrTransfer) {
		t.Errorf("Wrap after Close: %v, want ErrTransfer", err)
	}
	if _, err := c.intake.Store(t.Context(), c.to.instance, c.there(b), wrapped); !errors.Is(err, custody.ErrTransfer) {
		t.Errorf("Store after Close: %v, want ErrTransfer", err)
	}
	if err := c.intake.Open(t.Context(), c.export.Key()); !errors.Is(err, custody.ErrTransfer) {
		t.Errorf("Open after Close: %v, want ErrTransfer", err)
	}
}
