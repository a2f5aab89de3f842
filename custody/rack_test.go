package custody_test

import (
	"context"
	"errors"
	"path/filepath"
	"sync"
	"testing"

	"strongroom/custody"
	"strongroom/custody/custodytest"
	"strongroom/custody/software"
)

// TestRackIsAModule runs the suite of modules on a rack that has another module beside.
func TestRackIsAModule(t *testing.T) {
	custodytest.Run(t, func(t *testing.T) custodytest.Subject {
		o := named(t, "home")
		home := createModule(t, o)
		makeMasters(t, home, 1)
		return custodytest.Subject{
			Module: newRack(t, home, createModule(t, named(t, "beside"))),
			Reopen: func(t *testing.T) custody.Module {
				m, err := software.Open(o)
				if err != nil {
					t.Fatal(err)
				}
				return newRack(t, m)
			},
		}
	})
}

func named(t testing.TB, name string) software.Options {
	dir := t.TempDir()
	return software.Options{Name: name, MasterFile: filepath.Join(dir, "masters.json"), KeyFile: filepath.Join(dir, "master.key")}
}

// createModule returns a software module without masters.
func createModule(t testing.TB, o software.Options) *software.Module {
	t.Helper()
	m, err := software.Create(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

func makeMasters(t testing.TB, m custody.Masters, number uint32) {
	t.Helper()
	if _, err := m.MakeMasters(t.Context(), number, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
}

func newRack(t testing.TB, modules ...custody.Module) *custody.Rack {
	t.Helper()
	r, err := custody.NewRack(t.Context(), modules[0])
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	for _, m := range modules[1:] {
		if err := r.Add(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// twoModules returns a rack whose home holds generation 2, beside a module with generation 1.
func twoModules(t *testing.T) *custody.Rack {
	t.Helper()
	old := createModule(t, named(t, "old"))
	makeMasters(t, old, 1)
	r := newRack(t, createModule(t, named(t, "new")), old)
	makeMasters(t, r, 2)
	return r
}

func instanceBinding(generation uint32) custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: generation, Origin: custody.OriginGenerated, Size: 32,
	}
}

func versionBinding(generation uint32, version string) custody.Binding {
	b := instanceBinding(generation)
	b.Purpose, b.Key, b.Version = custody.PurposeKeyVersion, "key", version
	return b
}

// stored is a key of the rack.
type stored struct {
	handle   custody.Handle
	binding  custody.Binding
	sealed   custody.Sealed
	material custody.MaterialID
}

func makeIn(t testing.TB, m custody.Module, parent custody.Handle, b custody.Binding) stored {
	t.Helper()
	h, sealed, err := m.Make(t.Context(), parent, b)
	if err != nil {
		t.Fatal(err)
	}
	return stored{h, b, sealed, identify(t, m, h)}
}

func identify(t testing.TB, m custody.Module, h custody.Handle) custody.MaterialID {
	t.Helper()
	id, err := custody.Identify(t.Context(), m, h)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// moveTo moves a key and loads it where it went.
func moveTo(t testing.TB, r *custody.Rack, from custody.Handle, k stored, to custody.Handle, generation uint32) stored {
	t.Helper()
	sealed, err := r.Move(t.Context(), from, k.binding, k.sealed, to, generation)
	if err != nil {
		t.Fatal(err)
	}
	k.sealed, k.binding.Generation = sealed, generation
	if k.handle, err = r.Load(t.Context(), to, k.binding, sealed); err != nil {
		t.Fatal(err)
	}
	if got := identify(t, r, k.handle); got != k.material {
		t.Fatalf("moved key has material %s, want %s", got, k.material)
	}
	return k
}

func TestRackKeepsEachGenerationInItsModule(t *testing.T) {
	r := twoModules(t)
	for generation, want := range map[uint32]string{1: "old", 2: "new"} {
		m, ok := r.ModuleOf(generation)
		if !ok || m.Info().Name != want {
			t.Fatalf("generation %d is in %v, %t", generation, m, ok)
		}
		instance := makeIn(t, r, custody.Root, instanceBinding(generation))
		version := makeIn(t, r, instance.handle, versionBinding(generation, "version"))
		// The module itself loads what the rack made, and the other one does not.
		for _, module := range r.Modules() {
			h, err := module.Load(t.Context(), custody.Root, instance.binding, instance.sealed)
			if own := module.Info().Name == want; own != (err == nil) {
				t.Errorf("key of generation %d in module %q: %v", generation, module.Info().Name, err)
			} else if own && identify(t, module, h) != instance.material {
				t.Errorf("module %q has another key than the rack", want)
			}
		}
		box, err := custody.Seal(t.Context(), r, version.handle, custody.PurposeDataKey, nil, []byte("data key"))
		if err != nil {
			t.Fatal(err)
		}
		r.Unload(version.handle)
		if _, err := r.CMAC(t.Context(), version.handle, [2]custody.Block{}); !errors.Is(err, custody.ErrUnloaded) {
			t.Errorf("unloaded key of generation %d: %v, want ErrUnloaded", generation, err)
		}
		h, err := r.Load(t.Context(), instance.handle, version.binding, version.sealed)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := custody.Open(t.Context(), r, h, custody.PurposeDataKey, nil, box); err != nil {
			t.Errorf("generation %d: %v", generation, err)
		}
	}
	if _, ok := r.ModuleOf(3); ok {
		t.Error("a module holds generation 3")
	}
}

func TestRackRefusesAParentOfAnotherModule(t *testing.T) {
	r := twoModules(t)
	old := makeIn(t, r, custody.Root, instanceBinding(1))
	version := makeIn(t, r, old.handle, versionBinding(1, "version"))
	other := makeIn(t, r, custody.Root, instanceBinding(2))
	if _, err := r.Load(t.Context(), other.handle, version.binding, version.sealed); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("loading: %v, want ErrUnloaded", err)
	}
	if _, _, err := r.Make(t.Context(), old.handle, versionBinding(2, "version")); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("making: %v, want ErrUnloaded", err)
	}
	if _, err := r.CMAC(t.Context(), custody.NewHandle(1, 32).InSlot(5), [2]custody.Block{}); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("key of an empty slot: %v, want ErrUnloaded", err)
	}
}

func TestRackInfoIsThatOfTheHome(t *testing.T) {
	old := createModule(t, named(t, "old"))
	makeMasters(t, old, 7)
	r := newRack(t, createModule(t, named(t, "new")), old)
	if info := r.Info(); info.Name != "old" || info.Generation != 7 {
		t.Errorf("before the home has masters: %+v, want those of the other module", info)
	}
	if _, err := r.MakeMasters(t.Context(), 7, custody.Recovery{}); !errors.Is(err, custody.ErrGeneration) {
		t.Errorf("making a generation that is in the other module: %v, want ErrGeneration", err)
	}
	makeMasters(t, r, 8)
	if info := r.Info(); info.Name != "new" || info.Generation != 8 {
		t.Errorf("once the home has masters: %+v", info)
	}
	list, err := r.Generations(t.Context())
	if err != nil || len(list) != 2 || list[0].Number != 7 || list[1].Number != 8 {
		t.Errorf("generations %v, %v", list, err)
	}
}

func TestRackUsesAGenerationThatIsNotTheNewest(t *testing.T) {
	r := twoModules(t)
	if err := r.Use(t.Context(), 3); err == nil {
		t.Error("a generation is used that nobody holds")
	}
	if err := r.Use(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if info := r.Info(); info.Name != "old" || info.Generation != 1 {
		t.Errorf("in use: %+v", info)
	}
	// Masters that are made are not in use until it is said so.
	if _, err := r.MakeMastersIn(t.Context(), "old", 3, custody.Recovery{Set: "set", Key: custody.RandomSecret(custody.RecoveryKeySize)}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.MakeMastersIn(t.Context(), "nowhere", 4, custody.Recovery{}); err == nil {
		t.Error("masters were made in a module that is not there")
	}
	if info := r.Info(); info.Generation != 1 || info.Recovery != "" {
		t.Errorf("in use: %+v", info)
	}
	if err := r.Use(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	if info := r.Info(); info.Generation != 3 || info.Recovery != "set" {
		t.Errorf("in use: %+v", info)
	}
	if k, err := r.MakeTransport(t.Context()); err != nil || k.Generation != 3 {
		t.Errorf("a transport key of generation %d, %v", k.Generation, err)
	}
}

func TestRackTakesNoModuleTwice(t *testing.T) {
	r := twoModules(t)
	same := createModule(t, named(t, "old"))
	if err := r.Add(t.Context(), same); err == nil {
		t.Error("added two modules of one name")
	}
	third := createModule(t, named(t, "third"))
	makeMasters(t, third, 2)
	if err := r.Add(t.Context(), third); err == nil {
		t.Error("added a generation twice")
	}
	if n := len(r.Modules()); n != 2 {
		t.Errorf("rack has %d modules after two refusals", n)
	}
}

func TestMoveFromModuleToModule(t *testing.T) {
	r := twoModules(t)
	old := makeIn(t, r, custody.Root, instanceBinding(1))
	versions := []stored{makeIn(t, r, old.handle, versionBinding(1, "version-1")), makeIn(t, r, old.handle, versionBinding(1, "version-2"))}
	box, err := custody.Seal(t.Context(), r, versions[0].handle, custody.PurposeDataKey, nil, []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	moved := moveTo(t, r, custody.Root, old, custody.Root, 2)
	for i, v := range versions {
		versions[i] = moveTo(t, r, old.handle, v, moved.handle, 2)
	}
	if _, err := r.Move(t.Context(), old.handle, moved.binding, moved.sealed, moved.handle, 1); !errors.Is(err, custody.ErrUnreadable) && !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("moving a key that is stored elsewhere: %v", err)
	}
	if err := r.EndTransfers(); err != nil {
		t.Fatal(err)
	}
	back := moveTo(t, r, custody.Root, moved, custody.Root, 1) // opens a transfer of its own
	if back.handle.Slot() == moved.handle.Slot() {
		t.Error("key did not move back")
	}
	if err := r.DestroyMasters(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
	if m, ok := r.ModuleOf(1); ok {
		t.Errorf("module %q holds a destroyed generation", m.Info().Name)
	}
	if _, err := r.Load(t.Context(), custody.Root, old.binding, old.sealed); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading a key of destroyed masters: %v, want ErrUnreadable", err)
	}
	if got, err := custody.Open(t.Context(), r, versions[0].handle, custody.PurposeDataKey, nil, box); err != nil || string(got.Reveal()) != "data key" {
		t.Errorf("moved key opens what it sealed before: %v", err)
	}
}

func TestMoveWithinAModule(t *testing.T) {
	r := twoModules(t)
	makeMasters(t, r, 3)
	instance := makeIn(t, r, custody.Root, instanceBinding(2))
	version := makeIn(t, r, instance.handle, versionBinding(2, "version"))
	moved := moveTo(t, r, custody.Root, instance, custody.Root, 3)
	moveTo(t, r, instance.handle, version, moved.handle, 3)
	if _, err := r.Move(t.Context(), instance.handle, version.binding, version.sealed, moved.handle, 9); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("moving to masters that nobody has: %v, want ErrBinding", err)
	}
	if _, err := r.Rewrap(t.Context(), custody.Root, instance.binding, instance.sealed, 1); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("rewrapping for another module: %v, want ErrBinding", err)
	}
}

// lossy is a module whose transfers break off once.
type lossy struct {
	*software.Module
	breaks sync.Once
	opened int
}

func (l *lossy) Accept(ctx context.Context) (custody.Intake, error) {
	l.opened++
	in, err := l.Module.Accept(ctx)
	return &lossyIntake{in, l}, err
}

type lossyIntake struct {
	custody.Intake
	l *lossy
}

func (in *lossyIntake) Store(ctx context.Context, parent custody.Handle, b custody.Binding, wrapped []byte) (s custody.Sealed, err error) {
	in.l.breaks.Do(func() { err = custody.ErrUnavailable })
	if err != nil {
		return nil, err
	}
	return in.Intake.Store(ctx, parent, b, wrapped)
}

func TestMoveGoesOnAfterABrokenTransfer(t *testing.T) {
	old := createModule(t, named(t, "old"))
	makeMasters(t, old, 1)
	home := &lossy{Module: createModule(t, named(t, "new"))}
	makeMasters(t, home, 2)
	r := newRack(t, home, old)
	instance := makeIn(t, r, custody.Root, instanceBinding(1))
	if _, err := r.Move(t.Context(), custody.Root, instance.binding, instance.sealed, custody.Root, 2); !errors.Is(err, custody.ErrUnavailable) {
		t.Fatalf("moving while the module is away: %v, want ErrUnavailable", err)
	}
	moveTo(t, r, custody.Root, instance, custody.Root, 2)
	changed := append(custody.Sealed(nil), instance.sealed...)
	changed[len(changed)-1] ^= 1
	if _, err := r.Move(t.Context(), custody.Root, instance.binding, changed, custody.Root, 2); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("moving a changed key: %v, want ErrUnreadable", err)
	}
	moveTo(t, r, custody.Root, instance, custody.Root, 2)
	if home.opened != 2 {
		t.Errorf("%d transfers were opened, want 2: one that broke, one for all other keys", home.opened)
	}
}

// TestRackChangesWhileItServes makes, moves to and destroys generations while keys are in use.
func TestRackChangesWhileItServes(t *testing.T) {
	r := twoModules(t)
	instance := makeIn(t, r, custody.Root, instanceBinding(1))
	version := makeIn(t, r, instance.handle, versionBinding(1, "version"))
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
				h, err := r.Load(t.Context(), instance.handle, version.binding, version.sealed)
				if err != nil {
					t.Error(err)
					return
				}
				if id, err := custody.Identify(t.Context(), r, h); err != nil || id != version.material {
					t.Errorf("key has material %s, %v", id, err)
				}
				r.Unload(h)
			}
		})
	}
	current := instance
	for generation := uint32(3); generation < 8; generation++ {
		makeMasters(t, r, generation)
		moved := moveTo(t, r, custody.Root, current, custody.Root, generation)
		if current.binding.Generation > 2 {
			if err := r.DestroyMasters(t.Context(), current.binding.Generation); err != nil {
				t.Fatal(err)
			}
		}
		current = moved
	}
	close(done)
	wg.Wait()
	if got, want := r.Info().Generation, uint32(7); got != want {
		t.Errorf("newest generation %d, want %d", got, want)
	}
}

func TestRackReceivesWhereTheTransportKeyIs(t *testing.T) {
	r := twoModules(t)
	key, err := r.MakeTransport(t.Context())
	if err != nil || key.Generation != 2 {
		t.Fatalf("transport key of generation %d, %v", key.Generation, err)
	}
	instance := makeIn(t, r, custody.Root, instanceBinding(2))
	at := custody.TransportBinding{Account: "account", Instance: "instance", Token: "token", Generation: 2}
	private, err := r.BindTransport(t.Context(), key, instance.handle, at)
	if err != nil {
		t.Fatal(err)
	}
	nonce := custody.RandomSecret(custody.TransportNonce).Reveal()
	material := custody.RandomSecret(32)
	in, err := custody.SealTransported(key.Public, nonce, material)
	if err != nil {
		t.Fatal(err)
	}
	b := versionBinding(2, "version")
	b.Origin, b.Size = custody.OriginImported, 0
	h, _, err := r.Receive(t.Context(), instance.handle, private, at, nonce, b, in)
	if err != nil {
		t.Fatal(err)
	}
	if want, err := custody.IdentifySecret(material); err != nil || identify(t, r, h) != want {
		t.Errorf("received another key, %v", err)
	}
	old := makeIn(t, r, custody.Root, instanceBinding(1))
	at.Generation = 1
	if _, err := r.BindTransport(t.Context(), key, old.handle, at); err == nil {
		t.Error("bound a transport key of generation 2 in the module of generation 1")
	}
}

func TestClosedRackGivesErrors(t *testing.T) {
	r := twoModules(t)
	instance := makeIn(t, r, custody.Root, instanceBinding(1))
	moveTo(t, r, custody.Root, instance, custody.Root, 2)
	for range 2 {
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Load(t.Context(), custody.Root, instance.binding, instance.sealed); !errors.Is(err, custody.ErrClosed) || errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("loading after Close: %v, want ErrClosed", err)
	}
	if err := r.Add(t.Context(), createModule(t, named(t, "late"))); !errors.Is(err, custody.ErrClosed) {
		t.Errorf("adding after Close: %v, want ErrClosed", err)
	}
}
