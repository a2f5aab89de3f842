package custodytest

import (
	"errors"
	"slices"
	"testing"

	"strongroom/custody"
)

const recoverySet = "set-1"

// testRecovery opens keys by the recovery key and the escrow alone, on paper.
func testRecovery(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	f.masters(t)
	first := f.Info().Generation
	key := custody.RandomSecret(custody.RecoveryKeySize)
	recovery := slices.Clone(key.Reveal())
	escrow := f.makeMasters(t, first+1, custody.Recovery{Set: recoverySet, Key: key})
	if !slices.Equal(key.Reveal(), recovery) {
		t.Error("the caller's recovery key was changed")
	}
	key.Wipe()
	if got := f.Info(); got.Generation != first+1 || got.Recovery != recoverySet {
		t.Errorf("Info() = %+v, want the new generation and its recovery key", got)
	}
	want := []custody.Generation{{Number: first}, {Number: first + 1, Recovery: recoverySet}}
	if got := f.generations(t); !slices.Equal(got, want) {
		t.Errorf("generations %v, want %v", got, want)
	}
	f.checkRecovery(t, openEscrow(t, first+1, recovery, escrow))

	// The module keeps the recovery key for later generations, also in the next process.
	f.restart(t)
	m := f.masters(t)
	escrow = f.makeMasters(t, first+2, custody.Recovery{Set: recoverySet})
	r := openEscrow(t, first+2, recovery, escrow)
	f.checkRecovery(t, r)

	// What was stored without a second copy gets one when it is rewrapped.
	rewrapped, err := m.Rewrap(t.Context(), custody.Root, f.binding, f.sealed, first+2)
	if err != nil {
		t.Fatalf("Rewrap: %v", err)
	}
	b := f.binding
	b.Generation = first + 2
	f.sameOnPaper(t, "rewrapped instance key", f.load(t, custody.Root, b, rewrapped), r.open(t, custody.Root, b, rewrapped))

	// And the other way round: a generation without a recovery key makes none.
	f.makeMasters(t, first+3, custody.Recovery{})
	bare := f.instanceBinding("instance-4")
	_, sealed := f.make(t, custody.Root, bare)
	f.tamper(t, custody.Root, bare, sealed)
	if got := f.Info().Recovery; got != "" {
		t.Errorf("Info() names recovery key %q in a generation without one", got)
	}
	if s, err := m.Rewrap(t.Context(), custody.Root, b, rewrapped, first+3); err != nil || len(s) != len(sealed) {
		t.Errorf("rewrapped without a second copy: %d bytes, %v, want %d", len(s), err, len(sealed))
	}
}

// checkRecovery makes keys in every way under the newest generation and opens their second copies.
func (f *fixture) checkRecovery(t *testing.T, r recovered) {
	t.Helper()
	b := f.instanceBinding("instance-1")
	instance, sealed := f.make(t, custody.Root, b)
	material := r.open(t, custody.Root, b, sealed)
	f.sameOnPaper(t, "instance key", instance, material)
	f.tamper(t, custody.Root, b, sealed)
	r.learn(instance, material)
	for _, size := range sizes {
		b := f.versionBinding(custody.OriginGenerated, size)
		h, sealed := f.make(t, instance, b)
		f.sameOnPaper(t, "made key", h, r.open(t, instance, b, sealed))
		f.sameOnPaper(t, "loaded key", f.load(t, instance, b, sealed), r.open(t, instance, b, sealed))

		b.Origin = custody.OriginImported
		brought := custody.RandomSecret(size)
		h, sealed, err := f.Import(t.Context(), instance, b, brought)
		if err != nil {
			t.Fatalf("Import: %v", err)
		}
		copied := r.open(t, instance, b, sealed)
		f.sameOnPaper(t, "imported key", h, copied)
		if !copied.Equal(brought) {
			t.Errorf("second copy of an imported key of %d bytes is another one", size)
		}
	}
}

// sameOnPaper compares a loaded key with its second copy.
func (f *fixture) sameOnPaper(t *testing.T, what string, h custody.Handle, material custody.Secret) {
	t.Helper()
	want, err := custody.IdentifySecret(material)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := custody.Identify(t.Context(), f, h); err != nil || got != want {
		t.Errorf("%s has material %s, %v, its second copy %s", what, got, err, want)
	}
}

func testBadRecovery(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	m := f.masters(t)
	before := f.generations(t)
	for name, r := range map[string]custody.Recovery{
		"no name":     {Key: custody.RandomSecret(custody.RecoveryKeySize)},
		"unknown set": {Set: "unknown"},
		"short key":   {Set: recoverySet, Key: custody.RandomSecret(custody.RecoveryKeySize - 1)},
		"long key":    {Set: recoverySet, Key: custody.RandomSecret(custody.RecoveryKeySize + 1)},
	} {
		if _, err := m.MakeMasters(t.Context(), f.Info().Generation+1, r); !errors.Is(err, custody.ErrRecovery) {
			t.Errorf("%s: MakeMasters: %v, want ErrRecovery", name, err)
		}
	}
	f.restart(t)
	if got := f.generations(t); !slices.Equal(got, before) {
		t.Errorf("generations after refusals %v, want %v", got, before)
	}
}
