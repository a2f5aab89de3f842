package kms_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/lease"
	"strongroom/kms"
)

func TestWrappedDataKeyUnwraps(t *testing.T) {
	h := newHouse(t)
	for name, n := range map[string]kms.NewKey{
		"generated":    {},
		"imported 128": {Payload: secret("0123456789abcdef")},
		"imported 192": {Payload: secret("0123456789abcdef01234567")},
		"imported 256": {Payload: secret("0123456789abcdef0123456789abcdef")},
	} {
		t.Run(name, func(t *testing.T) {
			ref := h.create(t, n)
			for _, size := range []int{1, 16, 24, 32, 7500} {
				plaintext := strings.Repeat("p", size)
				if got := h.unwrap(t, ref, h.wrap(t, ref, plaintext, "a", "b"), "a", "b"); got != plaintext {
					t.Errorf("%d bytes came back as %q", size, got)
				}
			}
		})
	}
}

func TestWrapDrawsDataKey(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	a, err := h.Wrap(t.Context(), h.owner, ref, custody.Secret{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	b, err := h.Wrap(t.Context(), h.owner, ref, custody.Secret{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if a.Drawn.Len() != kms.DataKeySize || a.Drawn.Equal(b.Drawn) {
		t.Errorf("drawn keys of %d and %d bytes, equal: %v", a.Drawn.Len(), b.Drawn.Len(), a.Drawn.Equal(b.Drawn))
	}
	if got := h.unwrap(t, ref, a.Ciphertext); got != string(a.Drawn.Reveal()) {
		t.Error("the drawn key is not what was wrapped")
	}
}

func TestAdditionalDataIsBound(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key", "a", "bc")
	for _, aad := range [][]string{nil, {}, {"a"}, {"bc", "a"}, {"ab", "c"}, {"abc"}, {"a", "bc", ""}} {
		_, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, aad)
		wantError(t, err, kms.ErrUnreadable)
		_, err = h.Rewrap(t.Context(), h.owner, ref, wrapped, aad)
		wantError(t, err, kms.ErrUnreadable)
	}
	if got := h.unwrap(t, ref, h.wrap(t, ref, "x"), []string{}...); got != "x" {
		t.Error("no list and an empty list of additional data differ")
	}
}

// TestChangedByteIsDetected changes every character of the text in turn.
func TestChangedByteIsDetected(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	h.create(t, kms.NewKey{}) // another key, so that not everything unknown is an error of its own
	wrapped := h.wrap(t, ref, "data key")
	for i := range wrapped {
		for _, flip := range []byte{1, 2, 32} {
			changed := []byte(wrapped)
			changed[i] ^= flip
			u, err := h.Unwrap(t.Context(), h.owner, ref, string(changed), nil)
			if !errors.Is(err, kms.ErrUnreadable) && !errors.Is(err, kms.ErrField) {
				t.Fatalf("character %d changed by %d: %v, %d bytes", i, flip, err, u.Plaintext.Len())
			}
		}
	}
	for _, text := range []string{"", "wdek", wrapped + "=", wrapped + "\n", wrapped[:8], strings.Repeat("A", 20<<10)} {
		_, err := h.Unwrap(t.Context(), h.owner, ref, text, nil)
		wantError(t, err, kms.ErrField)
	}
}

// TestFlippedSealingIsUnprocessable changes the sealed part alone, whose text stays well-formed.
func TestFlippedSealingIsUnprocessable(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	inner, err := base64.StdEncoding.DecodeString(h.wrap(t, ref, "data key"))
	if err != nil {
		t.Fatal(err)
	}
	first := bytes.IndexByte(inner, ':') + 2
	for i := first; i < first+60; i++ {
		changed := bytes.Clone(inner)
		if changed[i]++; !strings.ContainsRune("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", rune(changed[i])) {
			changed[i] = 'A'
		}
		_, err := h.Unwrap(t.Context(), h.owner, ref, base64.StdEncoding.EncodeToString(changed), nil)
		wantError(t, err, kms.ErrUnreadable)
	}
}

func TestOtherKeysDoNotUnwrap(t *testing.T) {
	h := newHouse(t)
	wrapped := h.wrap(t, h.create(t, kms.NewKey{}), "data key")
	other := h.create(t, kms.NewKey{})
	_, err := h.Unwrap(t.Context(), h.owner, other, wrapped, nil)
	wantError(t, err, kms.ErrUnreadable)
}

func TestIdenticalImportedMaterialUnwrapsAnywhere(t *testing.T) {
	h := newHouse(t)
	material := func() custody.Secret { return secret("0123456789abcdef01234567") }
	here := h.create(t, kms.NewKey{Payload: material()})
	wrapped := h.wrap(t, here, "data key", "aad")

	stranger := iamtest.Caller("fedcba9876543210fedcba9876543210", "stranger")
	stranger.Owner = true
	there := kms.Ref{Instance: h.NewInstance(t, stranger.Account).ID}
	made, err := h.Create(t.Context(), stranger, there, kms.NewKey{Name: "moved", Payload: secret("fedcba9876543210")})
	if err != nil {
		t.Fatal(err)
	}
	there.Key = string(made.Key.ID)
	_, err = h.Unwrap(t.Context(), stranger, there, wrapped, []string{"aad"})
	wantError(t, err, kms.ErrUnreadable)
	for _, m := range []custody.Secret{material(), secret("fedcba9876543210fedcba9876543210")} {
		if err := h.Rotate(t.Context(), stranger, there, kms.NewVersion{Payload: m}); err != nil {
			t.Fatal(err)
		}
	}
	u, err := h.Unwrap(t.Context(), stranger, there, wrapped, []string{"aad"})
	if err != nil || string(u.Plaintext.Reveal()) != "data key" {
		t.Fatalf("got %d bytes, %v", u.Plaintext.Len(), err)
	}
	if u.Version == u.RewrappedVersion || u.Rewrapped == "" {
		t.Errorf("wrapped by version %s, again by %s", u.Version, u.RewrappedVersion)
	}
}

func TestUnwrapOfOlderVersionWrapsAgain(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	old := h.wrap(t, ref, "data key", "aad")
	if u, err := h.Unwrap(t.Context(), h.owner, ref, old, []string{"aad"}); err != nil || u.Rewrapped != "" || u.RewrappedVersion != "" {
		t.Errorf("of the newest version: %q by %q, %v", u.Rewrapped, u.RewrappedVersion, err)
	}
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)

	u, err := h.Unwrap(t.Context(), h.owner, ref, old, []string{"aad"})
	if err != nil || string(u.Plaintext.Reveal()) != "data key" || string(u.Version) != ref.Key {
		t.Fatalf("%v: by version %s", err, u.Version)
	}
	again, err := h.Unwrap(t.Context(), h.owner, ref, u.Rewrapped, []string{"aad"})
	if err != nil || string(again.Plaintext.Reveal()) != "data key" || again.Version != u.RewrappedVersion || again.Rewrapped != "" {
		t.Errorf("%v: wrapped again by %s, announced %s", err, again.Version, u.RewrappedVersion)
	}
	r, err := h.Rewrap(t.Context(), h.owner, ref, old, []string{"aad"})
	if err != nil || r.Version != u.Version || r.Newest != again.Version || h.unwrap(t, ref, r.Ciphertext, "aad") != "data key" {
		t.Errorf("rewrap: %v, from %s to %s", err, r.Version, r.Newest)
	}
}

func TestWrapLimits(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	long := strings.Repeat("ä", 255)
	for _, c := range []struct {
		size int
		aad  []string
		want error
	}{
		{7500, nil, nil},
		{7501, nil, kms.ErrField},
		{1, []string{long}, nil},
		{1, []string{long + "x"}, kms.ErrField},
		{1, make([]string, 255), nil},
		{1, make([]string, 256), kms.ErrField},
	} {
		w, err := h.Wrap(t.Context(), h.owner, ref, custody.RandomSecret(c.size), c.aad)
		wantError(t, err, c.want)
		if err != nil {
			continue
		}
		_, err = h.Unwrap(t.Context(), h.owner, ref, w.Ciphertext, c.aad)
		wantError(t, err, nil)
	}
}

// TestSteadyStateMakesNoStatement is the promise of the hot path.
func TestSteadyStateMakesNoStatement(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Aliases: []string{"by-name"}})
	old := h.wrap(t, ref, "data key")
	wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
	round := func() {
		for _, ref := range []kms.Ref{ref, h.ref("by-name")} {
			h.wrap(t, ref, "data key")
			h.unwrap(t, ref, old)
			if _, err := h.Rewrap(t.Context(), h.owner, ref, old, nil); err != nil {
				t.Fatal(err)
			}
			if _, err := h.Metadata(t.Context(), h.owner, ref); err != nil {
				t.Fatal(err)
			}
		}
	}
	round()
	before := h.DB.Statements()
	round()
	if n := h.DB.Statements() - before; n != 0 {
		t.Errorf("%d statements in the steady state", n)
	}
}

func TestEvictedHandlesAreReloaded(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.LoadedKeys = 2 })
	wrapped := map[kms.Ref]string{}
	for range 8 {
		ref := h.create(t, kms.NewKey{})
		wrapped[ref] = h.wrap(t, ref, "of "+ref.Key)
	}
	for range 3 {
		for ref, w := range wrapped {
			if got := h.unwrap(t, ref, w); got != "of "+ref.Key {
				t.Errorf("got %q", got)
			}
		}
	}
}

// forgetful is a module that has unloaded everything but the masters before each second use.
type forgetful struct {
	custody.Module
	handles []custody.Handle
	loads   int
}

func (f *forgetful) Load(ctx ctx, parent custody.Handle, b custody.Binding, s custody.Sealed) (custody.Handle, error) {
	h, err := f.Module.Load(ctx, parent, b, s)
	f.handles, f.loads = append(f.handles, h), f.loads+1
	return h, err
}

func TestHandleUnloadedUnderARequestIsReloaded(t *testing.T) {
	var module *forgetful
	h := newHouse(t, func(c *kms.Config) {
		module = &forgetful{Module: c.Module}
		c.Module = module
	})
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	for _, handle := range module.handles {
		module.Unload(handle)
	}
	loads := module.loads
	if got := h.unwrap(t, ref, wrapped); got != "data key" || module.loads == loads {
		t.Errorf("got %q after %d loads", got, module.loads-loads)
	}
}

// leased gives the service a hub whose lease a test takes away.
func leased(t *testing.T) (*house, *lease.Hub, *atomicDuration) {
	t.Helper()
	clock := &atomicDuration{}
	hub := lease.Leased(clock.load)
	h := newHouse(t, func(c *kms.Config) { c.Hub = hub })
	return h, hub, clock
}

func TestWithoutLeaseTheStoreIsAsked(t *testing.T) {
	h, hub, clock := leased(t)
	hub.Extend(1)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	h.wrap(t, ref, "data key")
	// Another server deletes the key, and this one does not hear of it.
	other := kms.New(h.Config())
	if _, err := other.Delete(t.Context(), h.owner, ref); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, nil); err != nil {
		t.Errorf("while the lease is held: %v", err)
	}
	clock.store(2)
	_, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, nil)
	wantError(t, err, kms.ErrDeleted)
}

// losing is a module during whose work the lease is lost.
type losing struct {
	custody.Module
	lose func()
}

func (l *losing) CMAC(ctx ctx, h custody.Handle, blocks [2]custody.Block) ([2]custody.Block, error) {
	if l.lose != nil {
		l.lose()
	}
	return l.Module.CMAC(ctx, h, blocks)
}

func TestLeaseLostDuringTheWork(t *testing.T) {
	clock := &atomicDuration{}
	hub := lease.Leased(clock.load)
	hub.Extend(1)
	module := &losing{}
	store := &unreachable{}
	h := newHouse(t, func(c *kms.Config) {
		module.Module, store.Store = c.Module, c.Store
		c.Hub, c.Module, c.Store = hub, module, store
	})
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	module.lose = func() { clock.store(2) }
	if got := h.unwrap(t, ref, wrapped); got != "data key" {
		t.Errorf("got %q", got)
	}

	clock.store(0)
	store.down = true
	_, err := h.Unwrap(t.Context(), h.owner, ref, wrapped, nil)
	if fault.KindOf(err) != fault.Unavailable {
		t.Errorf("with the store out of reach: %v", err)
	}
}

func TestUnrecordableUseIsRefused(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	h.Log.Break(true)
	_, err := h.Wrap(t.Context(), h.owner, ref, custody.Secret{}, nil)
	wantError(t, err, iam.ErrUnrecordable)
}

func BenchmarkWrap(b *testing.B) {
	h := newHouse(b)
	ref := h.create(b, kms.NewKey{})
	dek := custody.RandomSecret(32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Wrap(b.Context(), h.owner, ref, dek, nil); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnwrap(b *testing.B) {
	h := newHouse(b)
	ref := h.create(b, kms.NewKey{})
	wrapped := h.wrap(b, ref, "0123456789abcdef0123456789abcdef")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.Unwrap(b.Context(), h.owner, ref, wrapped, nil); err != nil {
			b.Fatal(err)
		}
	}
}
