package custodytest

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"testing"

	"strongroom/custody"
)

// testTransport tries what a module promises that receives keys under a transport key. A module
// without that ability passes.
func testTransport(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	module, ok := f.Module.(custody.Transport)
	if !ok {
		t.Skip("the module receives no keys under a transport key")
	}
	key, err := module.MakeTransport(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParsePKIXPublicKey(key.Public)
	public, ok := parsed.(*rsa.PublicKey)
	if err != nil || !ok || public.N.BitLen() != custody.TransportBits {
		t.Fatalf("public key %T, %v", parsed, err)
	}
	f.restart(t) // keys that were made ahead outlive the process
	f.instance = f.load(t, custody.Root, f.binding, f.sealed)
	module = f.Module.(custody.Transport)
	at := custody.TransportBinding{Account: "account-1", Instance: "instance-1", Token: "token-1", Generation: f.Info().Generation}
	private, err := module.BindTransport(t.Context(), key, f.instance, at)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiver{fixture: f, module: module, key: key, at: at, private: private, nonce: custody.RandomSecret(custody.TransportNonce).Reveal()}
	t.Run("EverySizeIsReceived", r.sizes)
	t.Run("WrongTransportIsRefused", r.refusals)
	t.Run("OtherBindingDoesNotOpen", r.bindings)
	t.Run("ChangedPairDoesNotOpen", r.tampering)
	t.Run("OlderGenerationReceives", r.rotated) // the last: it changes the generation
}

type receiver struct {
	*fixture
	module  custody.Transport
	key     custody.TransportKey
	at      custody.TransportBinding
	private custody.Sealed
	nonce   []byte
}

func (r *receiver) transported(t *testing.T, material []byte) custody.Transported {
	t.Helper()
	in, err := custody.SealTransported(r.key.Public, r.nonce, custody.NewSecret(material))
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func (r *receiver) receive(t *testing.T, in custody.Transported) (custody.Handle, custody.Sealed, error) {
	t.Helper()
	return r.module.Receive(t.Context(), r.instance, r.private, r.at, r.nonce, r.versionBinding(custody.OriginImported, 0), in)
}

func (r *receiver) sizes(t *testing.T) {
	for _, size := range sizes {
		material := custody.RandomSecret(size)
		h, sealed, err := r.receive(t, r.transported(t, material.Reveal()))
		if err != nil || h.Size() != size {
			t.Fatalf("key of %d bytes: handle of %d, %v", size, h.Size(), err)
		}
		plain, _, _ := r.importKey(t, bytes.Clone(material.Reveal()))
		loaded := r.load(t, r.instance, r.versionBinding(custody.OriginImported, size), sealed)
		if r.fingerprint(t, h) != r.fingerprint(t, plain) || r.fingerprint(t, loaded) != r.fingerprint(t, plain) {
			t.Errorf("received key of %d bytes is another one than the imported", size)
		}
		id, err := custody.Identify(t.Context(), r, h)
		if want, werr := custody.IdentifySecret(material); err != nil || werr != nil || id != want {
			t.Errorf("module identifies the key of %d bytes as %s, its owner as %s: %v, %v", size, id, want, err, werr)
		}
	}
}

func (r *receiver) refusals(t *testing.T) {
	material := bytes.Repeat([]byte{7}, 32)
	good := r.transported(t, material)
	parsed, err := x509.ParsePKIXPublicKey(r.key.Public)
	if err != nil {
		t.Fatal(err)
	}
	encrypted := func(b []byte) []byte {
		out, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, parsed.(*rsa.PublicKey), b, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	for name, c := range map[string]struct {
		change func(*custody.Transported)
		want   error
	}{
		"changed material":     {func(in *custody.Transported) { in.Material = flipped(in.Material, 256) }, custody.ErrTransported},
		"no material":          {func(in *custody.Transported) { in.Material = nil }, custody.ErrTransported},
		"material of 20 bytes": {func(in *custody.Transported) { in.Material = encrypted(make([]byte, 20)) }, custody.ErrTransported},
		"material of no bytes": {func(in *custody.Transported) { in.Material = encrypted(nil) }, custody.ErrTransported},
		"other material":       {func(in *custody.Transported) { in.Material = encrypted(make([]byte, 32)) }, custody.ErrNonceSealing},
		"changed nonce":        {func(in *custody.Transported) { in.SealedNonce = flipped(in.SealedNonce, 14) }, custody.ErrNonceSealing},
		"short nonce":          {func(in *custody.Transported) { in.SealedNonce = in.SealedNonce[:20] }, custody.ErrNonceSealing},
		"no nonce":             {func(in *custody.Transported) { in.SealedNonce = nil }, custody.ErrNonceSealing},
		"other IV":             {func(in *custody.Transported) { in.IV[0]++ }, custody.ErrNonceSealing},
	} {
		in := good
		c.change(&in)
		if h, sealed, err := r.receive(t, in); !errors.Is(err, c.want) || h != 0 || sealed != nil {
			t.Errorf("%s: handle %d, %v, want %v", name, h, err, c.want)
		}
	}
	other := *r
	other.nonce = make([]byte, custody.TransportNonce)
	if _, _, err := r.receive(t, other.transported(t, material)); !errors.Is(err, custody.ErrNonce) {
		t.Errorf("nonce of another token: %v, want ErrNonce", err)
	}
}

func (r *receiver) bindings(t *testing.T) {
	in := r.transported(t, bytes.Repeat([]byte{7}, 32))
	b := r.versionBinding(custody.OriginImported, 0)
	other, _ := r.make(t, custody.Root, r.instanceBinding("instance-2"))
	for name, change := range map[string]func(*custody.TransportBinding){
		"account":  func(at *custody.TransportBinding) { at.Account = "account-2" },
		"instance": func(at *custody.TransportBinding) { at.Instance = "instance-2" },
		"token":    func(at *custody.TransportBinding) { at.Token = "token-2" },
	} {
		at := r.at
		change(&at)
		if _, _, err := r.module.Receive(t.Context(), r.instance, r.private, at, r.nonce, b, in); !errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("other %s: %v, want ErrUnreadable", name, err)
		}
	}
	if _, _, err := r.module.Receive(t.Context(), other, r.private, r.at, r.nonce, b, in); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("other instance key: %v, want ErrUnreadable", err)
	}
	if _, _, err := r.module.Receive(t.Context(), r.instance, r.key.Sealed, r.at, r.nonce, b, in); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("key that belongs to nobody: %v, want ErrUnreadable", err)
	}
	if _, err := r.module.BindTransport(t.Context(), custody.TransportKey{Public: r.key.Public, Generation: r.key.Generation, Sealed: r.private}, other, r.at); !errors.Is(err, custody.ErrUnreadable) {
		t.Errorf("giving a key away that belongs to an instance: %v, want ErrUnreadable", err)
	}
	for name, at := range map[string]custody.TransportBinding{
		"no token":         {Account: "account-1", Instance: "instance-1", Generation: r.at.Generation},
		"other generation": {Account: "account-1", Instance: "instance-1", Token: "token-1", Generation: r.at.Generation + 1},
	} {
		if _, err := r.module.BindTransport(t.Context(), r.key, r.instance, at); !errors.Is(err, custody.ErrBinding) {
			t.Errorf("%s: %v, want ErrBinding", name, err)
		}
	}
	sized := b
	sized.Size = 32
	if _, _, err := r.module.Receive(t.Context(), r.instance, r.private, r.at, r.nonce, sized, in); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("size said before: %v, want ErrBinding", err)
	}
}

// tampering changes a sample of the bytes of the sealed private key, which has some 2,500.
func (r *receiver) tampering(t *testing.T) {
	in := r.transported(t, bytes.Repeat([]byte{7}, 32))
	b := r.versionBinding(custody.OriginImported, 0)
	refused := func(what string, private custody.Sealed) {
		t.Helper()
		if _, _, err := r.module.Receive(t.Context(), r.instance, private, r.at, r.nonce, b, in); !errors.Is(err, custody.ErrUnreadable) {
			t.Errorf("%s: %v, want ErrUnreadable", what, err)
		}
	}
	for i := 0; i < len(r.private); i += 1 + i/16 {
		refused(fmt.Sprintf("byte %d changed", i), flipped(r.private, i))
	}
	refused("last byte changed", flipped(r.private, len(r.private)-1))
	refused("cut", r.private[:len(r.private)-8])
	refused("nothing", nil)
}

// rotated receives under a pair of an older generation, once as a key of that, once as one of the newer.
func (r *receiver) rotated(t *testing.T) {
	masters, ok := r.Module.(custody.Masters)
	if !ok {
		t.Skip("the module makes no masters")
	}
	old := r.Info().Generation
	if _, err := masters.MakeMasters(t.Context(), old+1, custody.Recovery{}); err != nil {
		t.Fatal(err)
	}
	material := custody.RandomSecret(32)
	in := r.transported(t, material.Reveal())
	for generation := old; generation <= old+1; generation++ {
		b := r.versionBinding(custody.OriginImported, 0)
		b.Generation = generation
		h, sealed, err := r.module.Receive(t.Context(), r.instance, r.private, r.at, r.nonce, b, in)
		if err != nil {
			t.Fatalf("receiving a key of generation %d: %v", generation, err)
		}
		b.Size = 32
		if r.fingerprint(t, h) != r.fingerprint(t, r.load(t, r.instance, b, sealed)) {
			t.Errorf("key of generation %d is another one after loading", generation)
		}
	}
	b := r.versionBinding(custody.OriginImported, 0)
	b.Generation = old + 2
	if _, _, err := r.module.Receive(t.Context(), r.instance, r.private, r.at, r.nonce, b, in); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("receiving a key of masters that nobody has: %v, want ErrBinding", err)
	}
	at := r.at
	at.Generation++
	if _, err := r.module.BindTransport(t.Context(), r.key, r.instance, at); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("binding a pair to another generation: %v, want ErrBinding", err)
	}

	pair, err := r.module.MakeTransport(t.Context())
	if err != nil || pair.Generation != old+1 {
		t.Fatalf("pair of generation %d, %v, want the newest", pair.Generation, err)
	}
	private, err := r.module.BindTransport(t.Context(), pair, r.instance, at)
	if err != nil {
		t.Fatal(err)
	}
	if in, err = custody.SealTransported(pair.Public, r.nonce, material); err != nil {
		t.Fatal(err)
	}
	b.Generation = old
	if _, _, err := r.module.Receive(t.Context(), r.instance, private, at, r.nonce, b, in); !errors.Is(err, custody.ErrBinding) {
		t.Errorf("receiving a key of an older generation than the pair: %v, want ErrBinding", err)
	}
}
