package custody_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"strongroom/custody"
	"strongroom/custody/recovery"
	"strongroom/custody/software"
)

// documented reads the vectors of that name from docs/formats.md: a fenced block whose first line
// says so.
func documented(t *testing.T, name string, v any) {
	t.Helper()
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, found := strings.Cut(string(doc), "```json "+name+"\n")
	block, _, closed := strings.Cut(block, "```")
	if !found || !closed {
		t.Fatalf("no vectors of %q in the document", name)
	}
	dec := json.NewDecoder(strings.NewReader(block))
	dec.DisallowUnknownFields()
	if err := dec.Decode(v); err != nil {
		t.Fatalf("vectors of %q: %v", name, err)
	}
}

// importKey loads a published key.
func importKey(t *testing.T, m custody.Module, key []byte) custody.Handle {
	t.Helper()
	h, _, err := m.Import(t.Context(), custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: m.Info().Generation, Origin: custody.OriginImported, Size: len(key),
	}, custody.NewSecret(key))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestContextIsAsDocumented(t *testing.T) {
	var vectors []struct {
		Fields  []string
		Encoded hexBytes
	}
	documented(t, "context", &vectors)
	for _, v := range vectors {
		if got := custody.Context(v.Fields...); !bytes.Equal(got, v.Encoded) {
			t.Errorf("context of %q = %x, want %x", v.Fields, got, v.Encoded)
		}
	}
	if len(vectors) < 5 {
		t.Errorf("only %d vectors", len(vectors))
	}
}

func TestSealIsAsDocumented(t *testing.T) {
	var vectors []struct {
		Key                             hexBytes
		Purpose                         custody.Purpose
		Context                         []string
		Blocks, PRK, Info, Derived, Box hexBytes
		Plaintext                       hexBytes
		Material                        custody.MaterialID
	}
	documented(t, "seal", &vectors)
	m := openModule(t)
	sizes := map[int]bool{}
	for i, v := range vectors {
		sizes[len(v.Key)] = true
		h := importKey(t, m, v.Key)
		box, err := custody.ParseBox(v.Box)
		if err != nil {
			t.Fatal(err)
		}
		got, err := custody.Open(t.Context(), m, h, v.Purpose, custody.Context(v.Context...), box)
		if err != nil || !bytes.Equal(got.Reveal(), v.Plaintext) {
			t.Errorf("%d: opened to %x, %v, want %x", i, got.Reveal(), err, v.Plaintext)
		}
		id, err := custody.Identify(t.Context(), m, h)
		if err != nil || id != v.Material {
			t.Errorf("%d: material ID = %s, %v, want %s", i, id, err, v.Material)
		}

		// The steps between, as far as they can be seen from outside.
		blocks := [2]custody.Block{custody.Block(v.Blocks[:16]), custody.Block(v.Blocks[16:])}
		if !bytes.Equal(blocks[0][4:], box.Salt[:]) || !bytes.Equal(blocks[1][4:], box.Salt[:]) {
			t.Errorf("%d: blocks are not made of the salt", i)
		}
		macs, err := m.CMAC(t.Context(), h, blocks)
		if err != nil || !bytes.Equal(append(macs[0][:], macs[1][:]...), v.PRK) {
			t.Errorf("%d: PRK = %x, %v, want %x", i, macs, err, v.PRK)
		}
		derived, err := custody.Expand(v.PRK, string(v.Info))
		if err != nil || !bytes.Equal(derived, v.Derived) || !bytes.Equal(derived[32:], box.Commitment[:]) {
			t.Errorf("%d: derived %x, %v, want %x", i, derived, err, v.Derived)
		}
	}
	if len(sizes) != 3 {
		t.Errorf("vectors have keys of %d sizes, want 3", len(sizes))
	}
}

// TestWrappedDataKeyIsAsDocumented opens what the text holds; its spelling is for package kms to test.
func TestWrappedDataKeyIsAsDocumented(t *testing.T) {
	var v struct {
		Key       hexBytes
		AAD       []string
		Text      []byte // base64
		Plaintext hexBytes
	}
	documented(t, "wrapped-data-key", &v)
	var text struct {
		Ciphertext, IV  []byte // base64
		Version, Handle string
		Material        custody.MaterialID
	}
	if err := json.Unmarshal(v.Text, &text); err != nil {
		t.Fatal(err)
	}
	m := openModule(t)
	h := importKey(t, m, v.Key)
	box := custody.Box{
		Salt: [12]byte(text.IV[:12]), Nonce: [12]byte(text.IV[12:]),
		Commitment: [32]byte(text.Ciphertext[:32]), Ciphertext: text.Ciphertext[32:],
	}
	got, err := custody.Open(t.Context(), m, h, custody.PurposeDataKey, custody.Context(v.AAD...), box)
	if err != nil || !bytes.Equal(got.Reveal(), v.Plaintext) {
		t.Errorf("opened to %x, %v, want %x", got.Reveal(), err, v.Plaintext)
	}
	if id, err := custody.Identify(t.Context(), m, h); err != nil || id != text.Material {
		t.Errorf("material ID = %s, %v, want %s", id, err, text.Material)
	}
}

// documentedKey is a stored key in the document.
type documentedKey struct {
	Binding         custody.Binding
	Context, Sealed hexBytes
	Material        custody.MaterialID
}

// load loads the key and compares it with the document.
func (k documentedKey) load(t *testing.T, m custody.Module, parent custody.Handle) custody.Handle {
	t.Helper()
	if got := k.Binding.Context(); !bytes.Equal(got, k.Context) {
		t.Errorf("context of %+v = %x, want %x", k.Binding, got, k.Context)
	}
	h, err := m.Load(t.Context(), parent, k.Binding, custody.Sealed(k.Sealed))
	if err != nil {
		t.Fatal(err)
	}
	if id := identify(t, m, h); id != k.Material {
		t.Errorf("material ID = %s, want %s", id, k.Material)
	}
	return h
}

// documentedModule is a software module in the document, with keys that it stored.
type documentedModule struct {
	KeyFile     hexBytes        `json:"key_file"`
	Passphrase  string          `json:"passphrase"`
	MasterFile  json.RawMessage `json:"master_file"`
	RecoveryKey hexBytes        `json:"recovery_key"`
	Escrows     []struct {
		Generation uint32
		Escrow     hexBytes
	}
	InstanceKey documentedKey `json:"instance_key"`
	KeyVersion  documentedKey `json:"key_version"`
}

// open opens the module from its files.
func (v documentedModule) open(t *testing.T) *software.Module {
	t.Helper()
	dir := t.TempDir()
	o := software.Options{MasterFile: filepath.Join(dir, "masters.json"), Passphrase: custody.NewSecret([]byte(v.Passphrase))}
	if len(v.KeyFile) > 0 {
		o.KeyFile = filepath.Join(dir, "master.key")
		if err := os.WriteFile(o.KeyFile, v.KeyFile, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(o.MasterFile, v.MasterFile, 0o600); err != nil {
		t.Fatal(err)
	}
	m, err := software.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// documentedModules returns the two of the document, of which the second has a recovery key.
func documentedModules(t *testing.T) []documentedModule {
	t.Helper()
	var vectors []documentedModule
	documented(t, "module", &vectors)
	if len(vectors) != 2 || vectors[0].RecoveryKey != nil || vectors[1].RecoveryKey == nil {
		t.Fatalf("%d modules, want one without and one with a recovery key", len(vectors))
	}
	return vectors
}

func TestStoredKeysAreAsDocumented(t *testing.T) {
	ways := map[custody.Protection]bool{}
	for _, v := range documentedModules(t) {
		m := v.open(t)
		ways[m.Info().Protection] = true
		v.KeyVersion.load(t, m, v.InstanceKey.load(t, m, custody.Root))
	}
	if len(ways) != 2 {
		t.Errorf("vectors are sealed in %d ways, want 2", len(ways))
	}
}

func TestTransportKeyIsAsDocumented(t *testing.T) {
	var v struct { // in base64
		Public, Sealed []byte
		Token          string
		Bound          []byte
		Material       []byte
		SealedNonce    []byte `json:"sealed_nonce"`
		IV, Nonce      []byte
		ID             custody.MaterialID
	}
	documented(t, "transport-key", &v)
	module := documentedModules(t)[0]
	m := module.open(t)
	parent := module.InstanceKey.load(t, m, custody.Root)
	at := custody.TransportBinding{Account: "account-1", Instance: "instance-1", Token: v.Token, Generation: 1}
	b := module.KeyVersion.Binding
	b.Size = 0
	in := custody.Transported{Material: v.Material, SealedNonce: v.SealedNonce, IV: [12]byte(v.IV)}
	again, err := m.BindTransport(t.Context(), custody.TransportKey{Public: v.Public, Generation: 1, Sealed: v.Sealed}, parent, at)
	if err != nil {
		t.Fatal(err)
	}
	for what, private := range map[string]custody.Sealed{"the pair in the document": v.Bound, "the pair that was bound here": again} {
		h, _, err := m.Receive(t.Context(), parent, private, at, v.Nonce, b, in)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		if id := identify(t, m, h); id != v.ID {
			t.Errorf("%s: material ID = %s, want %s", what, id, v.ID)
		}
	}
}

// TestRecoveryIsAsDocumented goes from printed shares to the keys of the second module, without its
// master file.
func TestRecoveryIsAsDocumented(t *testing.T) {
	var v struct {
		Set              string
		Threshold, Count int
		Shares           []struct {
			Value   hexBytes
			Printed []string
		}
		RecoveryKey hexBytes `json:"recovery_key"`
	}
	documented(t, "recovery-share", &v)
	var shares []recovery.Share
	for i, printed := range v.Shares {
		s, err := recovery.Parse(custody.NewSecret([]byte(strings.Join(printed.Printed, "\n"))))
		if err != nil {
			t.Fatal(err)
		}
		if s.Set != v.Set || s.Index != i+1 || s.Threshold != v.Threshold || s.Count != v.Count || !bytes.Equal(s.Value.Reveal(), printed.Value) {
			t.Errorf("share %d reads as %v", i+1, s)
		}
		shares = append(shares, s)
	}
	module := documentedModules(t)[1]
	escrows := map[uint32]custody.Escrow{}
	for _, e := range module.Escrows {
		escrows[e.Generation] = custody.Escrow(e.Escrow)
	}
	for skipped := range shares {
		key, err := recovery.Combine(append(slices.Clone(shares[:skipped]), shares[skipped+1:]...))
		if err != nil || key.Set != v.Set || !bytes.Equal(key.Key.Reveal(), v.RecoveryKey) || !bytes.Equal(v.RecoveryKey, module.RecoveryKey) {
			t.Fatalf("without share %d: set %q, %v", skipped+1, key.Set, err)
		}
		m, err := software.Recover("recovered", key, escrows)
		if err != nil {
			t.Fatal(err)
		}
		module.KeyVersion.load(t, m, module.InstanceKey.load(t, m, custody.Root))
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRowMACIsAsDocumented keeps the vector right; the store's own tests hold the code to it.
func TestRowMACIsAsDocumented(t *testing.T) {
	var v struct {
		Key     hexBytes
		Table   string
		Columns []hexBytes
		MAC     hexBytes
	}
	documented(t, "row-mac", &v)
	fields := []string{v.Table}
	for _, c := range v.Columns {
		fields = append(fields, string(c))
	}
	mac := hmac.New(sha256.New, v.Key)
	mac.Write(custody.Context(fields...))
	if got := mac.Sum(nil); !bytes.Equal(got, v.MAC) {
		t.Errorf("MAC = %x, want %x", got, v.MAC)
	}
}
