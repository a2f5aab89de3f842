// Package custodytest is the suite that every crypto module passes: what custody.Module promises,
// tried from outside. A module runs it from its own test file.
package custodytest

import (
	"errors"
	"testing"

	"strongroom/custody"
)

// Subject is a module under test.
type Subject struct {
	Module custody.Module // holds one generation, without a recovery key

	// Reopen opens the same masters again, as the next process would, after the suite has closed
	// Module. It may be called more than once; each module that it returns is closed first.
	Reopen func(t *testing.T) custody.Module

	// Other opens a module of another kind, with masters of its own, for transfers between the two.
	// It may be nil: transfers are always tried between two modules of the same kind.
	Other func(t *testing.T) custody.Module

	// Restart interrupts what the module works with (its agent, its token) while keys are loaded and
	// in use, and returns when it is there again or on its way. It is nil for a module that nothing
	// can interrupt.
	Restart func(t *testing.T)
}

// Run runs the suite. Each call of open returns a module with masters of its own, which the suite
// closes. What a module need not be able to do (custody.Masters, custody.Transport, custody.Source
// with custody.Destination, custody.Anchors) is skipped when it is not.
func Run(t *testing.T, open func(t *testing.T) Subject) {
	for _, test := range []struct {
		name string
		run  func(t *testing.T, open func(t *testing.T) Subject)
	}{
		{"InfoDescribesTheModule", testInfo},
		{"MadeKeysLoad", testMake},
		{"ImportedKeysLoad", testImport},
		{"ReopenedModuleLoads", testReopen},
		{"OtherModuleDoesNotLoad", testOtherModule},
		{"OtherBindingDoesNotLoad", testBinding},
		{"OtherParentDoesNotLoad", testParent},
		{"ChangedSealedKeyDoesNotLoad", testTampering},
		{"IncompleteBindingIsRefused", testBadBinding},
		{"UnloadedHandlesAreErrors", testUnload},
		{"ClosedModuleGivesErrors", testClose},
		{"CMACEqualsPublishedVectors", testCMAC},
		{"SealOpens", testSeal},
		{"ChangedBoxDoesNotOpen", testBoxTampering},
		{"MaterialIDFollowsMaterial", testMaterialID},
		{"SealedFormsHideMaterial", testNoLeak},
		{"TransportedKeysAreReceived", testTransport},
		{"GenerationsStandSideBySide", testGenerations},
		{"RecoveryKeyOpensEverySecondCopy", testRecovery},
		{"IncompleteRecoveryIsRefused", testBadRecovery},
		{"DestroyedMastersLoadNothing", testDestroy},
		{"RewrappedKeysLoad", testRewrap},
		{"MastersChangeWhileKeysAreUsed", testMastersConcurrency},
		{"KeysGoToAnotherModule", testTransfer},
		{"AnchorsAreKept", testAnchors},
		{"ConcurrentUse", testConcurrency},
		{"ClosedInTheMiddle", testCloseInTheMiddle},
		{"RestartedInTheMiddle", testRestartInTheMiddle},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, open) })
	}
}

// sizes are those of all keys, in bytes.
var sizes = []int{16, 24, 32}

// fixture is an open module with an instance key.
type fixture struct {
	custody.Module
	subject  Subject
	instance custody.Handle
	binding  custody.Binding // of the instance key
	sealed   custody.Sealed  // form of the instance key
}

func newFixture(t *testing.T, open func(t *testing.T) Subject) *fixture {
	t.Helper()
	s := open(t)
	f := &fixture{Module: s.Module, subject: s}
	t.Cleanup(func() { _ = f.Close() })
	f.binding = f.instanceBinding("instance-1")
	f.instance, f.sealed = f.make(t, custody.Root, f.binding)
	return f
}

// restart closes the module and opens it again, without any loaded keys.
func (f *fixture) restart(t *testing.T) {
	t.Helper()
	if err := f.Close(); err != nil {
		t.Fatalf("closing the module: %v", err)
	}
	f.Module = f.subject.Reopen(t)
}

func (f *fixture) instanceBinding(id string) custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account-1", Instance: id,
		Generation: f.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	}
}

func (f *fixture) versionBinding(origin custody.Origin, size int) custody.Binding {
	return custody.Binding{
		Purpose: custody.PurposeKeyVersion, Account: "account-1", Instance: "instance-1",
		Key: "key-1", Version: "version-1",
		Generation: f.Info().Generation, Origin: origin, Size: size,
	}
}

func (f *fixture) make(t *testing.T, parent custody.Handle, b custody.Binding) (custody.Handle, custody.Sealed) {
	t.Helper()
	h, sealed, err := f.Make(t.Context(), parent, b)
	if err != nil {
		t.Fatalf("Make: %v", err)
	}
	return h, sealed
}

// importKey imports material under the instance key.
func (f *fixture) importKey(t *testing.T, material []byte) (custody.Handle, custody.Binding, custody.Sealed) {
	t.Helper()
	b := f.versionBinding(custody.OriginImported, len(material))
	h, sealed, err := f.Import(t.Context(), f.instance, b, custody.NewSecret(material))
	if err != nil {
		t.Fatalf("Import: %v", err)
	}
	return h, b, sealed
}

func (f *fixture) load(t *testing.T, parent custody.Handle, b custody.Binding, s custody.Sealed) custody.Handle {
	t.Helper()
	h, err := f.Load(t.Context(), parent, b, s)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return h
}

// refused reports an error unless a loading of s fails with ErrUnreadable.
func (f *fixture) refused(t *testing.T, what string, parent custody.Handle, b custody.Binding, s custody.Sealed) {
	t.Helper()
	if h, err := f.Load(t.Context(), parent, b, s); !errors.Is(err, custody.ErrUnreadable) || h != 0 {
		t.Errorf("%s: Load: handle %d, %v, want ErrUnreadable", what, h, err)
	}
}

// fingerprint is a CMAC that two handles share if and only if they name the same key.
func (f *fixture) fingerprint(t *testing.T, h custody.Handle) custody.Block {
	t.Helper()
	out, err := f.CMAC(t.Context(), h, [2]custody.Block{})
	if err != nil {
		t.Fatalf("CMAC: %v", err)
	}
	return out[0]
}
