package kms_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/custody/software"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

// sharedModule is a crypto module for all tests with import tokens, as a transport key takes
// seconds to make. Two of them take turns.
type sharedModule struct {
	custody.Module
	custody.Transport
	pairs [2]custody.TransportKey
	turn  atomic.Uint32
}

func (m *sharedModule) MakeTransport(ctx) (custody.TransportKey, error) {
	return m.pairs[m.turn.Add(1)%2], nil
}

var theSharedModule = sync.OnceValues(func() (*sharedModule, error) {
	dir, err := os.MkdirTemp("", "strongroom")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	module, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters"), KeyFile: filepath.Join(dir, "key"),
	})
	if err != nil {
		return nil, err
	}
	if _, err := module.MakeMasters(context.Background(), 1, custody.Recovery{}); err != nil {
		return nil, err
	}
	m := &sharedModule{Module: module, Transport: module}
	for i := range m.pairs {
		if m.pairs[i], err = module.MakeTransport(context.Background()); err != nil {
			return nil, err
		}
	}
	return m, nil
})

// newTokenHouse is newHouse on the shared module.
func newTokenHouse(t *testing.T) *house {
	t.Helper()
	m, err := theSharedModule()
	if err != nil {
		t.Fatal(err)
	}
	return newHouse(t, func(c *kms.Config) { c.Module = m })
}

// token gives the instance an import token and retrieves it.
func (h *house) token(t testing.TB, n kms.NewImportToken) kms.ImportToken {
	t.Helper()
	if _, err := h.CreateImportToken(t.Context(), h.owner, h.ref(""), n); err != nil {
		t.Fatal(err)
	}
	token, err := h.ImportToken(t.Context(), h.owner, h.ref(""))
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// transport encrypts material under a token.
func transport(t testing.TB, token kms.ImportToken, material string) *custody.Transported {
	t.Helper()
	in, err := custody.SealTransported(token.Public, token.Nonce, secret(material))
	if err != nil {
		t.Fatal(err)
	}
	return &in
}

const (
	material16 = "0123456789abcdef"
	material32 = "fedcba9876543210fedcba9876543210"
)

func TestMaterialComesUnderAnImportToken(t *testing.T) {
	h := newTokenHouse(t)
	token := h.token(t, kms.NewImportToken{})
	out, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "byok", Transported: transport(t, token, material16)})
	if err != nil || !out.Key.Imported || out.Key.Newest.Size != 16 {
		t.Fatalf("%+v, %v", out.Key, err)
	}
	ref, plain := h.ref(string(out.Key.ID)), h.create(t, kms.NewKey{Payload: secret(material16)})
	if got := h.unwrap(t, plain, h.wrap(t, ref, "data key")); got != "data key" {
		t.Errorf("a key with the same material unwraps to %q", got)
	}

	// One token serves several imports, also after its one retrieval.
	rotated := kms.NewVersion{Transported: transport(t, token, material32)}
	wantError(t, h.Rotate(t.Context(), h.owner, ref, rotated), nil)
	k, err := h.Metadata(t.Context(), h.owner, ref)
	id, ierr := custody.IdentifySecret(secret(material32))
	if err != nil || ierr != nil || k.Newest.Size != 32 || k.CheckValue != id.CheckValue() || len(k.CheckValue) != 8 {
		t.Errorf("%v, %v: size %d, check value %q, want %q", err, ierr, k.Newest.Size, k.CheckValue, id.CheckValue())
	}
	generated, err := h.Metadata(t.Context(), h.owner, h.create(t, kms.NewKey{}))
	if err != nil || generated.CheckValue != "" {
		t.Errorf("%v: generated material has the check value %q", err, generated.CheckValue)
	}
}

func TestWrongTransportIsRefused(t *testing.T) {
	h := newTokenHouse(t)
	good := func(token kms.ImportToken) *custody.Transported { return transport(t, token, material32) }
	create := func(in *custody.Transported) error {
		_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "byok", Transported: in})
		return err
	}
	token := h.token(t, kms.NewImportToken{})
	other := *good(token)
	other.IV[0]++
	forged := token
	forged.Nonce = bytes.Repeat([]byte{1}, custody.TransportNonce)
	garbled := *good(token)
	garbled.Material = make([]byte, custody.TransportedSize)
	short := *good(token)
	short.Material = short.Material[1:]
	nonce := *good(token)
	nonce.SealedNonce = nonce.SealedNonce[1:]
	for name, c := range map[string]struct {
		in   *custody.Transported
		want error
	}{
		"other IV": {&other, kms.ErrNonceSealing}, "other nonce": {good(forged), kms.ErrNonce},
		"garbled": {&garbled, kms.ErrField}, "short": {&short, kms.ErrField}, "short nonce": {&nonce, kms.ErrField},
	} {
		if err := create(c.in); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	standard := kms.NewKey{Name: "std", Extractable: true, Transported: good(token)}
	_, err := h.Create(t.Context(), h.owner, h.ref(""), standard)
	wantError(t, err, kms.ErrField)
	generated := h.create(t, kms.NewKey{})
	wantError(t, h.Rotate(t.Context(), h.owner, generated, kms.NewVersion{Transported: good(token)}), kms.ErrParameter)

	replaced := h.token(t, kms.NewImportToken{})
	wantError(t, create(good(token)), kms.ErrField) // to the key of the token before
	wantError(t, create(good(replaced)), nil)
	h.Clock.Advance(10 * time.Minute)
	wantError(t, create(good(replaced)), kms.ErrImportTokenExpired)
}

// Who has two things wrong hears of the place of the key before anything is decrypted.
func TestPlaceOfAKeyIsCheckedBeforeItsTransport(t *testing.T) {
	h := newTokenHouse(t)
	token := h.token(t, kms.NewImportToken{})
	h.create(t, kms.NewKey{Aliases: []string{"taken"}})
	h.Clock.Advance(10 * time.Minute)
	create := func(ring kms.RingID, aliases ...string) error {
		ref := h.ref("")
		ref.Ring = ring
		_, err := h.Create(t.Context(), h.owner, ref, kms.NewKey{
			Name: "byok", Aliases: aliases, Transported: transport(t, token, material32),
		})
		return err
	}
	wantError(t, create("absent"), kms.ErrRingNotFound)
	wantError(t, create("", "taken"), kms.ErrAliasTaken)
	wantError(t, create("", "free"), kms.ErrImportTokenExpired)
}

func TestImportTokensAreOfOneInstance(t *testing.T) {
	h := newTokenHouse(t)
	token := h.token(t, kms.NewImportToken{})
	there := kms.Ref{Instance: h.NewInstance(t, account).ID}
	_, err := h.Create(t.Context(), h.owner, there, kms.NewKey{Name: "byok", Transported: transport(t, token, material32)})
	wantError(t, err, kms.ErrImportTokenExpired)
	_, err = h.ImportToken(t.Context(), h.owner, there)
	wantError(t, err, kms.ErrNoImportToken)
	stranger := iamtest.Caller("ffffffffffffffffffffffffffffffff", "stranger")
	stranger.Owner = true
	if _, err := h.ImportToken(t.Context(), stranger, h.ref("")); err == nil {
		t.Error("a stranger was given the token")
	}
}

func TestImportTokenIsRetrievedOnlySoOften(t *testing.T) {
	h := newTokenHouse(t)
	const most = 5
	made, err := h.CreateImportToken(t.Context(), h.owner, h.ref(""), kms.NewImportToken{Lifetime: time.Hour, MaxRetrievals: most})
	if err != nil || made.Remaining != most || !made.Expires.Equal(h.Clock.Now().Add(time.Hour)) {
		t.Fatalf("%v: %+v", err, made)
	}
	var (
		wg  sync.WaitGroup
		got atomic.Int32
	)
	for range 4 * most {
		wg.Go(func() {
			token, err := h.ImportToken(t.Context(), h.owner, h.ref(""))
			if err == nil {
				got.Add(1)
			} else if !errors.Is(err, kms.ErrImportTokenExpired) || len(token.Nonce) > 0 {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if got.Load() != most {
		t.Errorf("retrieved %d times, want %d", got.Load(), most)
	}
}

func TestLimitsOfImportTokens(t *testing.T) {
	h := newTokenHouse(t)
	for _, n := range []kms.NewImportToken{
		{Lifetime: 299 * time.Second},
		{Lifetime: 86_401 * time.Second},
		{Lifetime: -time.Second},
		{MaxRetrievals: -1},
		{MaxRetrievals: 501},
	} {
		_, err := h.CreateImportToken(t.Context(), h.owner, h.ref(""), n)
		wantError(t, err, kms.ErrField)
	}
}

func TestExpiredTransportKeysAreForgotten(t *testing.T) {
	h := newTokenHouse(t)
	token := h.token(t, kms.NewImportToken{})
	wantError(t, h.ForgetTransportKeys(t.Context()), nil)
	kept, err := h.DB.Keys().ImportToken(t.Context(), h.ID)
	if err != nil || len(kept.Sealed) == 0 {
		t.Fatalf("%v: a token that is alive has %d bytes of private key", err, len(kept.Sealed))
	}
	h.Clock.Advance(10 * time.Minute)
	wantError(t, h.ForgetTransportKeys(t.Context()), nil)
	kept, err = h.DB.Keys().ImportToken(t.Context(), h.ID)
	if err != nil || len(kept.Sealed) != 0 || kept.ID != token.ID {
		t.Errorf("%v: %d bytes of private key are left", err, len(kept.Sealed))
	}
	_, err = h.ImportToken(t.Context(), h.owner, h.ref(""))
	wantError(t, err, kms.ErrImportTokenExpired)
}

func TestChangedImportTokenIsNotUsed(t *testing.T) {
	h := newTokenHouse(t)
	token := h.token(t, kms.NewImportToken{})
	h.Exec(t, `UPDATE import_tokens SET remaining = 100`)
	if _, err := h.ImportToken(t.Context(), h.owner, h.ref("")); err == nil {
		t.Error("the changed row was believed")
	}
	_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "byok", Transported: transport(t, token, material32)})
	if err == nil {
		t.Error("the changed row was used")
	}
}

func TestTransportKeysAreReadyBeforeTheyAreNeeded(t *testing.T) {
	shared, err := theSharedModule()
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(c *kms.Config) { c.Module, c.TransportKeys = shared, 1 })
	before := shared.turn.Load()
	made := func() uint32 { return shared.turn.Load() - before }
	for range 3 {
		wantError(t, h.PrepareTransport(t.Context()), nil)
	}
	if made() != 1 {
		t.Errorf("%d keys were made ahead, want 1", made())
	}
	h.token(t, kms.NewImportToken{})
	if made() != 1 {
		t.Errorf("%d keys were made for one token", made())
	}
	h.token(t, kms.NewImportToken{})
	if made() != 2 {
		t.Errorf("%d keys were made for two tokens", made())
	}
}

// TestReadyTransportKeysOutliveTheServer shows that a start finds what was made ahead, and that each
// key is taken once whoever asks.
func TestReadyTransportKeysOutliveTheServer(t *testing.T) {
	shared, err := theSharedModule()
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(c *kms.Config) { c.Module, c.TransportKeys = shared, 2 })
	for range 2 {
		wantError(t, h.PrepareTransport(t.Context()), nil)
	}
	before := shared.turn.Load()
	h.Service = kms.New(h.Config(func(c *kms.Config) { c.Module, c.TransportKeys = shared, 2 }))
	wantError(t, h.PrepareTransport(t.Context()), nil)
	first, second := h.token(t, kms.NewImportToken{}), h.token(t, kms.NewImportToken{})
	if n := shared.turn.Load() - before; n != 0 {
		t.Errorf("%d keys were made after the start", n)
	}
	if bytes.Equal(first.Public, second.Public) {
		t.Error("two tokens have one transport key")
	}
	in := kms.NewKey{Name: "byok", Transported: transport(t, second, material32)}
	_, err = h.Create(t.Context(), h.owner, h.ref(""), in)
	wantError(t, err, nil)
	if n := h.CountRows(t, `SELECT count(*) FROM ready_transport_keys`); n != 0 {
		t.Errorf("%d keys are still ready", n)
	}
}

// newerMasters is the shared module as it would be with masters of another generation.
type newerMasters struct{ *sharedModule }

func (m newerMasters) Info() custody.Info {
	info := m.sharedModule.Info()
	info.Generation++
	return info
}

func (m newerMasters) MakeTransport(ctx ctx) (custody.TransportKey, error) {
	k, err := m.sharedModule.MakeTransport(ctx)
	k.Generation++
	return k, err
}

func TestReadyTransportKeysOfOtherMastersAreLeftAlone(t *testing.T) {
	shared, err := theSharedModule()
	if err != nil {
		t.Fatal(err)
	}
	h := newHouse(t, func(c *kms.Config) { c.Module, c.TransportKeys = shared, 1 })
	other := kms.New(h.Config(func(c *kms.Config) { c.Module, c.TransportKeys = newerMasters{shared}, 1 }))
	wantError(t, other.PrepareTransport(t.Context()), nil)
	before := shared.turn.Load()
	h.token(t, kms.NewImportToken{})
	if n := shared.turn.Load() - before; n != 1 {
		t.Errorf("%d keys were made for the token, want 1", n)
	}
	if n := h.CountRows(t, `SELECT count(*) FROM ready_transport_keys`); n != 1 {
		t.Errorf("%d keys are left of the other masters", n)
	}
}

// slowModule draws a transport key only when it is told to.
type slowModule struct {
	*sharedModule
	begun, finish chan struct{}
}

func (m slowModule) MakeTransport(ctx ctx) (custody.TransportKey, error) {
	m.begun <- struct{}{}
	<-m.finish
	return m.sharedModule.MakeTransport(ctx)
}

// A server that stops, and a caller who leaves, do not wait for a transport key; it is there for
// the next who needs one.
func TestNobodyWaitsForATransportKeyLongerThanHeLikes(t *testing.T) {
	shared, err := theSharedModule()
	if err != nil {
		t.Fatal(err)
	}
	slow := slowModule{shared, make(chan struct{}), make(chan struct{})}
	h := newHouse(t, func(c *kms.Config) { c.Module, c.TransportKeys = slow, 1 })
	stopping, stop := context.WithCancel(t.Context())
	prepared := make(chan error)
	go func() { prepared <- h.PrepareTransport(stopping) }()
	<-slow.begun
	stop()
	wantError(t, <-prepared, context.Canceled)
	wantError(t, h.PrepareTransport(t.Context()), nil) // the key is still being made
	_, err = h.CreateImportToken(stopping, h.owner, h.ref(""), kms.NewImportToken{})
	wantError(t, err, context.Canceled)

	before := shared.turn.Load()
	close(slow.finish)
	h.token(t, kms.NewImportToken{})
	if n := shared.turn.Load() - before; n != 1 {
		t.Errorf("%d keys were made, want the one that was begun", n)
	}
}

// deafModule receives no keys under a transport key.
type deafModule struct{ custody.Module }

func TestModuleThatReceivesNoKeysSaysSo(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.Module = deafModule{c.Module} })
	_, err := h.CreateImportToken(t.Context(), h.owner, h.ref(""), kms.NewImportToken{})
	wantError(t, err, kms.ErrNoTransport)
	wantError(t, h.PrepareTransport(t.Context()), nil)
}
