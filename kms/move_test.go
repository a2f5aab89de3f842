package kms_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/kms"
	"strongroom/kms/kmstest"
	"strongroom/masters"
)

// second brings masters in another module into use, and returns the move to them.
func (h *house) second(t testing.TB) kms.Move {
	t.Helper()
	if err := h.Module.Add(t.Context(), kmstest.NewModule(t, "other")); err != nil {
		t.Fatal(err)
	}
	return kms.Move{From: 1, To: h.NextMasters(t, "other")}
}

func (h *house) move(t testing.TB, m kms.Move) kms.Moved {
	t.Helper()
	moved, err := h.MoveKeys(t.Context(), m)
	if err != nil {
		t.Fatal(err)
	}
	return moved
}

// retire ends the first generation, as the operator does when nothing is left of it.
func (h *house) retire(t testing.TB) {
	t.Helper()
	if err := h.DB.Masters().Retire(t.Context(), 1, masters.Retired, nil); err != nil {
		t.Fatal(err)
	}
	if err := h.Module.DestroyMasters(t.Context(), 1); err != nil {
		t.Fatal(err)
	}
}

// TestKeysSurviveTheirMasters moves everything to other masters, within a module and to another one,
// and destroys the old: nobody notices, with caches and without.
func TestKeysSurviveTheirMasters(t *testing.T) {
	for name, next := range map[string]func(*house, testing.TB) kms.Move{
		"same module":  func(h *house, t testing.TB) kms.Move { return kms.Move{From: 1, To: h.NextMasters(t, "software")} },
		"other module": (*house).second,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			neighbour := &house{Rig: h.Rig, Instance: h.NewInstance(t, account), owner: h.owner}
			root := h.create(t, kms.NewKey{})
			imported := h.create(t, kms.NewKey{Payload: custody.RandomSecret(16)})
			standard := h.create(t, kms.NewKey{Extractable: true, Payload: secret("standard material")})
			theirs := neighbour.create(t, kms.NewKey{})
			before := h.wrap(t, root, "first")
			wantError(t, h.Rotate(t.Context(), h.owner, root, kms.NewVersion{}), nil)
			wrapped := map[string]string{
				h.wrap(t, root, "second", "aad"): "second", h.wrap(t, imported, "third", "aad"): "third",
			}
			abroad := neighbour.wrap(t, theirs, "fourth")

			moved := h.move(t, next(h, t))
			if want := (kms.Moved{InstanceKeys: 2, Versions: 4}); moved != want {
				t.Errorf("moved %+v, want %+v", moved, want)
			}
			if h.KeysMoved() != 6 {
				t.Errorf("%d keys moved in all", h.KeysMoved())
			}
			check := func(s *kms.Service) {
				t.Helper()
				unwrap := func(ref kms.Ref, text, want string, aad ...string) {
					t.Helper()
					u, err := s.Unwrap(t.Context(), h.owner, ref, text, aad)
					if err != nil || string(u.Plaintext.Reveal()) != want {
						t.Errorf("%q does not unwrap: %v", want, err)
					}
				}
				unwrap(root, before, "first")
				for text, want := range wrapped {
					ref := root
					if want == "third" {
						ref = imported
					}
					unwrap(ref, text, want, "aad")
				}
				unwrap(theirs, abroad, "fourth")
				_, material, err := s.Get(t.Context(), h.owner, standard)
				if err != nil || string(material.Reveal()) != "standard material" {
					t.Errorf("the standard key reads as %q, %v", material.Reveal(), err)
				}
				if _, err := s.Wrap(t.Context(), h.owner, root, secret("later"), nil); err != nil {
					t.Errorf("wrapping: %v", err)
				}
				if err := s.Rotate(t.Context(), h.owner, theirs, kms.NewVersion{}); err != nil {
					t.Errorf("rotating: %v", err)
				}
			}
			check(h.Service)
			check(kms.New(h.Config()))
			h.retire(t)
			check(h.Service)
			check(kms.New(h.Config()))
			if n := h.CountRows(t, `SELECT count(*) FROM instance_keys WHERE generation = 1`); n != 0 {
				t.Errorf("%d instance keys are left under the old masters", n)
			}
		})
	}
}

// TestRequestHoldsOldRecordWhileMastersRetire is a request that has read the record of its key, and
// loads it only when the masters that it names are no more.
func TestRequestHoldsOldRecordWhileMastersRetire(t *testing.T) {
	h := newHouse(t)
	stale := &staleRecords{Store: h.DB.Keys(), kept: map[kms.KeyID]kms.Record{}}
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	slow := kms.New(h.Config(func(c *kms.Config) { c.Store = stale }))
	if _, err := stale.Record(t.Context(), h.ID, kms.KeyID(ref.Key)); err != nil {
		t.Fatal(err)
	}
	h.move(t, h.second(t))
	h.retire(t)
	u, err := slow.Unwrap(t.Context(), h.owner, ref, wrapped, nil)
	if err != nil || string(u.Plaintext.Reveal()) != "data key" {
		t.Errorf("unwrap: %v", err)
	}
}

// staleRecords answers the second reading of a record as the first.
type staleRecords struct {
	kms.Store
	kept map[kms.KeyID]kms.Record
}

func (s *staleRecords) Record(ctx ctx, in kms.InstanceID, id kms.KeyID) (kms.Record, error) {
	if r, ok := s.kept[id]; ok {
		delete(s.kept, id)
		return r, nil
	}
	r, err := s.Store.Record(ctx, in, id)
	s.kept[id] = r
	return r, err
}

// TestNothingIsMadeUnderMastersThatWereRetiredMeanwhile overtakes what makes versions of keys between the
// making and the storing.
func TestNothingIsMadeUnderMastersThatWereRetiredMeanwhile(t *testing.T) {
	payload := func() custody.Secret { return custody.RandomSecret(32) }
	for name, make := range map[string]func(*kms.Service, *house, kms.Ref) (kms.KeyID, error){
		"create": func(s *kms.Service, h *house, _ kms.Ref) (kms.KeyID, error) {
			made, err := s.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "late"})
			return made.Key.ID, err
		},
		"import": func(s *kms.Service, h *house, _ kms.Ref) (kms.KeyID, error) {
			made, err := s.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "late", Payload: payload()})
			return made.Key.ID, err
		},
		"rotate": func(s *kms.Service, h *house, ref kms.Ref) (kms.KeyID, error) {
			return kms.KeyID(ref.Key), s.Rotate(t.Context(), h.owner, ref, kms.NewVersion{Payload: payload()})
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			ref := h.create(t, kms.NewKey{Payload: payload()})
			slow := &beforeVersion{Store: h.DB.Keys()}
			slow.do = func() {
				h.move(t, kms.Move{From: 1, To: h.NextMasters(t, "software")})
				h.retire(t)
			}
			id, err := make(kms.New(h.Config(func(c *kms.Config) { c.Store = slow })), h, ref)
			wantError(t, err, nil)
			r, err := h.DB.Keys().Record(t.Context(), h.ID, id)
			if err != nil || r.Versions[0].Generation != 2 {
				t.Fatalf("%+v, %v; want a version under generation 2", r.Versions, err)
			}
			made := h.ref(string(id))
			if got := h.unwrap(t, made, h.wrap(t, made, "data key")); got != "data key" {
				t.Errorf("unwraps to %q", got)
			}
		})
	}
}

// beforeVersion does something before a version of a key is stored for the first time.
type beforeVersion struct {
	kms.Store
	do func()
}

func (s *beforeVersion) once() {
	if do := s.do; do != nil {
		s.do = nil
		do()
	}
}

func (s *beforeVersion) InsertKey(ctx ctx, k kms.Key, v kms.Version, revision int64, ev *audit.Event) error {
	s.once()
	return s.Store.InsertKey(ctx, k, v, revision, ev)
}

func (s *beforeVersion) UpdateKey(ctx ctx, k kms.Key, v *kms.Version, ev *audit.Event) error {
	s.once()
	return s.Store.UpdateKey(ctx, k, v, ev)
}

func TestMoveOfOneInstanceLeavesTheOthers(t *testing.T) {
	h := newHouse(t)
	neighbour := &house{Rig: h.Rig, Instance: h.NewInstance(t, account), owner: h.owner}
	ours, theirs := h.create(t, kms.NewKey{}), neighbour.create(t, kms.NewKey{})
	m := h.second(t)
	m.Instance = h.ID
	if moved := h.move(t, m); moved != (kms.Moved{InstanceKeys: 1, Versions: 1}) {
		t.Errorf("moved %+v", moved)
	}
	for in, want := range map[kms.InstanceID]int{h.ID: 2, neighbour.ID: 1} {
		if keys, err := h.DB.Keys().InstanceKeys(t.Context(), in); err != nil || len(keys) != want {
			t.Errorf("%d keys, %v; want %d", len(keys), err, want)
		}
	}
	for ref, want := range map[kms.Ref]uint32{ours: 2, theirs: 1} {
		if r, err := h.DB.Keys().Record(t.Context(), ref.Instance, kms.KeyID(ref.Key)); err != nil || r.Versions[0].Generation != want {
			t.Errorf("generation %d, %v; want %d", r.Versions[0].Generation, err, want)
		}
	}
}

// TestMoveThatIsInterruptedGoesOn ends the move at every transaction that it makes.
func TestMoveThatIsInterruptedGoesOn(t *testing.T) {
	h := newHouse(t)
	const keys = 230 // more than two batches
	refs := make([]kms.Ref, keys)
	wrapped := make([]string, keys)
	for i := range refs {
		refs[i] = h.create(t, kms.NewKey{})
		wrapped[i] = h.wrap(t, refs[i], fmt.Sprint(i))
	}
	m := h.second(t)
	interrupted := 0
	for ; ; interrupted++ {
		failing := &failingMoves{Store: h.DB.Keys(), after: interrupted % 2, applied: interrupted/2%2 == 0}
		s := kms.New(h.Config(func(c *kms.Config) { c.Store = failing }))
		if _, err := s.MoveKeys(t.Context(), m); err == nil {
			break
		} else if !errors.Is(err, errDown) {
			t.Fatal(err)
		}
	}
	if interrupted < 3 {
		t.Errorf("interrupted %d times", interrupted)
	}
	h.retire(t)
	for i, ref := range refs {
		if got := h.unwrap(t, ref, wrapped[i]); got != fmt.Sprint(i) {
			t.Errorf("key %d unwraps to %q", i, got)
		}
	}
}

// failingMoves fails a write of a move, having done it or not, as a crash at that moment would.
type failingMoves struct {
	kms.Store
	after   int // how many writes succeed before
	applied bool
}

func (s *failingMoves) fail() bool {
	s.after--
	return s.after < 0
}

func (s *failingMoves) MoveInstanceKey(ctx ctx, from uint32, k kms.InstanceKey) error {
	if !s.fail() {
		return s.Store.MoveInstanceKey(ctx, from, k)
	}
	if s.applied {
		_ = s.Store.MoveInstanceKey(ctx, from, k)
	}
	return errDown
}

func (s *failingMoves) MoveVersions(ctx ctx, from uint32, moved []kms.StoredVersion) (int, error) {
	if !s.fail() {
		return s.Store.MoveVersions(ctx, from, moved)
	}
	if s.applied {
		_, _ = s.Store.MoveVersions(ctx, from, moved)
	}
	return 0, errDown
}

// TestKeyThatDoesNotOpenKeepsNoOtherWaiting moves around a row that somebody has damaged.
func TestKeyThatDoesNotOpenKeepsNoOtherWaiting(t *testing.T) {
	h := newHouse(t)
	good, other := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, good, "data key")
	real := h.DB.Keys()
	swap := &swappedVersions{Store: real, victim: kms.KeyID(other.Key)}
	s := kms.New(h.Config(func(c *kms.Config) { c.Store = swap }))
	moved, err := s.MoveKeys(t.Context(), h.second(t))
	if !errors.Is(err, custody.ErrUnreadable) || moved.Versions != 1 {
		t.Errorf("moved %+v, %v", moved, err)
	}
	if got := h.unwrap(t, good, wrapped); got != "data key" {
		t.Errorf("unwraps to %q", got)
	}
	if err := h.DB.Masters().Retire(t.Context(), 1, masters.Retired, nil); !errors.Is(err, masters.ErrInUse) {
		t.Errorf("masters of a key that did not move were retired: %v", err)
	}
}

// swappedVersions reads one version damaged.
type swappedVersions struct {
	kms.Store
	victim kms.KeyID
}

func (s *swappedVersions) VersionsToMove(ctx ctx, m kms.Move, after kms.VersionPlace, limit int) ([]kms.StoredVersion, error) {
	page, err := s.Store.VersionsToMove(ctx, m, after, limit)
	for i := range page {
		if page[i].Key == s.victim {
			page[i].Sealed[len(page[i].Sealed)-1] ^= 1
		}
	}
	return page, err
}

// TestMovedKeyIsComparedBeforeItIsStored is a module that hands out another key than it was given.
func TestMovedKeyIsComparedBeforeItIsStored(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	m := h.second(t)
	forger := kms.New(h.Config(func(c *kms.Config) { c.Module = &forgingRack{Rack: h.Module} }))
	if moved, err := forger.MoveKeys(t.Context(), m); err == nil || moved != (kms.Moved{}) {
		t.Errorf("moved %+v, %v", moved, err)
	}
	if got := h.unwrap(t, ref, wrapped); got != "data key" {
		t.Errorf("unwraps to %q", got)
	}
}

// forgingRack makes a new key instead of moving the one it is given.
type forgingRack struct{ *custody.Rack }

func (f *forgingRack) Move(ctx context.Context, _ custody.Handle, b custody.Binding, _ custody.Sealed, to custody.Handle, generation uint32) (custody.Sealed, error) {
	b.Generation = generation
	h, sealed, err := f.Make(ctx, to, b)
	f.Unload(h)
	return sealed, err
}

// TestImportTokensLiveThroughAMove imports under a token from before, and makes one before the key
// of the instance was moved.
func TestImportTokensLiveThroughAMove(t *testing.T) {
	h := newHouse(t)
	token, err := h.CreateImportToken(t.Context(), h.owner, h.ref(""), kms.NewImportToken{})
	if err != nil {
		t.Fatal(err)
	}
	m := h.second(t)
	importUnder := func(token kms.ImportToken, generation uint32) {
		t.Helper()
		in, err := custody.SealTransported(token.Public, token.Nonce, custody.RandomSecret(32))
		if err != nil {
			t.Fatal(err)
		}
		ref := h.create(t, kms.NewKey{Transported: &in})
		r, err := h.DB.Keys().Record(t.Context(), h.ID, kms.KeyID(ref.Key))
		if err != nil || r.Versions[0].Generation != generation {
			t.Errorf("imported under generation %d, %v", r.Versions[0].Generation, err)
		}
		if h.unwrap(t, ref, h.wrap(t, ref, "data key")) != "data key" {
			t.Error("the imported key does not work")
		}
	}
	importUnder(token, 1)
	h.move(t, m)
	importUnder(token, 1)
	if err := h.DB.Masters().Retire(t.Context(), 1, masters.Retired, nil); !errors.Is(err, masters.ErrInUse) {
		t.Errorf("masters of an import token in force were retired: %v", err)
	}
	late := &house{Rig: h.Rig, Instance: h.NewInstance(t, account), owner: h.owner}
	m = kms.Move{From: 2, To: h.NextMasters(t, "software")}
	token, err = late.CreateImportToken(t.Context(), h.owner, late.ref(""), kms.NewImportToken{})
	if err != nil || token.Generation != m.To {
		t.Fatalf("a token of generation %d, %v", token.Generation, err)
	}
	h = late
	importUnder(token, m.To)
}

// TestKeysMoveWhileTheyAreUsed lets callers work through moves to ever newer masters, each of which
// ends with the old ones destroyed: no request fails.
func TestKeysMoveWhileTheyAreUsed(t *testing.T) {
	h := newHouse(t)
	for range 20 {
		h.create(t, kms.NewKey{})
	}
	const workers = 3
	var (
		wg    sync.WaitGroup
		stop  = make(chan struct{})
		began = make(chan struct{}, workers) // each of them sends once
	)
	for worker := range workers {
		wg.Go(func() {
			for i := 0; ; i++ {
				err := h.life(worker, i)
				if i == 0 {
					began <- struct{}{}
				}
				if err != nil {
					t.Error(err)
					return
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	for range workers {
		<-began
	}
	for from := uint32(1); from <= 3; from++ {
		to := h.NextMasters(t, "software")
		for deadline := time.Now().Add(5 * time.Minute); ; {
			if _, err := h.MoveKeys(t.Context(), kms.Move{From: from, To: to}); err != nil {
				t.Fatal(err)
			}
			err := h.DB.Masters().Retire(t.Context(), from, masters.Retired, nil)
			if err == nil {
				break
			}
			if !errors.Is(err, masters.ErrInUse) || time.Now().After(deadline) {
				t.Fatal(err)
			}
		}
		if err := h.Module.DestroyMasters(t.Context(), from); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	wg.Wait()
}

// life is that of one key, from its creation to its deletion.
func (h *house) life(worker, i int) error {
	ctx := context.Background()
	made, err := h.Create(ctx, h.owner, h.ref(""), kms.NewKey{Name: "key"})
	if err != nil {
		return fmt.Errorf("create: %w", err)
	}
	ref := h.ref(string(made.Key.ID))
	text := fmt.Sprint(worker, i)
	w, err := h.Wrap(ctx, h.owner, ref, secret(text), nil)
	if err != nil {
		return fmt.Errorf("wrap: %w", err)
	}
	if err := h.Rotate(ctx, h.owner, ref, kms.NewVersion{}); err != nil {
		return fmt.Errorf("rotate: %w", err)
	}
	u, err := h.Unwrap(ctx, h.owner, ref, w.Ciphertext, nil)
	if err != nil || string(u.Plaintext.Reveal()) != text {
		return fmt.Errorf("unwrap: %q, %w", u.Plaintext.Reveal(), err)
	}
	if i%2 == 0 {
		return nil
	}
	if _, err := h.Delete(ctx, h.owner, ref); err != nil {
		return fmt.Errorf("delete: %w", err)
	}
	return nil
}
