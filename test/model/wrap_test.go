package model_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

var unprocessable = outcome{http.StatusUnprocessableEntity, "UNPROCESSABLE_CIPHERTEXT_ERR"}

// wrapped is a data key that the service has wrapped.
type wrapped struct {
	plaintext, ciphertext, aad string
	key, version               string
}

// wrapping is what wrap, unwrap and rewrap answer.
type wrapping struct {
	Plaintext, Ciphertext           string
	KeyVersion, RewrappedKeyVersion struct{ ID string }
}

func decode(t *rapid.T, r reply) wrapping {
	t.Helper()
	var out wrapping
	if err := json.Unmarshal(r.body, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// openers are the versions of a key that open what a version has wrapped: that version, or else
// those of the same imported material.
func (m *model) openers(k *modelKey, version string) []string {
	if slices.Contains(k.versions, version) {
		return []string{version}
	}
	same := []string{}
	for _, v := range k.versions {
		if m.materials[v] != "" && m.materials[v] == m.materials[version] {
			same = append(same, v)
		}
	}
	return same
}

func (m *machine) wrap(t *rapid.T) {
	d := wrapped{plaintext: base64.StdEncoding.EncodeToString([]byte("data key")), aad: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "aad")}
	r := m.act(t, someone(t), "wrap", map[string]any{"plaintext": d.plaintext, "aad": []string{d.aad}})
	k, refused := m.model.use(r.caller, named(r), kms.ActionWrap, 1)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	out := decode(t, m.do(t, r, ok))
	d.ciphertext, d.key, d.version = out.Ciphertext, k.id, k.versions[0]
	if out.KeyVersion.ID != d.version || out.Plaintext != "" {
		t.Fatalf("wrapped by version %s, want %s; plaintext %q", out.KeyVersion.ID, d.version, out.Plaintext)
	}
	m.wrapped = append(m.wrapped, d)
}

func (m *machine) unwrap(t *rapid.T) { m.open(t, "unwrap") }
func (m *machine) rewrap(t *rapid.T) { m.open(t, "rewrap") }

// open asks for the opening of a wrapped data key, most often by the key that wrapped it.
func (m *machine) open(t *rapid.T, verb string) {
	if len(m.wrapped) == 0 {
		return
	}
	d := rapid.SampledFrom(m.wrapped).Draw(t, "wrapped")
	aad := d.aad
	if rapid.IntRange(0, 9).Draw(t, "other data") == 0 {
		aad = "c"
	}
	r := m.act(t, someone(t), verb, map[string]any{"ciphertext": d.ciphertext, "aad": []string{aad}})
	if rapid.IntRange(0, 3).Draw(t, "another key") > 0 {
		r.path = "/keys/" + d.key + "/actions/" + verb
	}
	action := kms.ActionUnwrap
	if verb == "rewrap" {
		action = kms.ActionRewrap
	}
	k, refused := m.model.use(r.caller, named(r), action, 1, 3)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	openers := m.model.openers(k, d.version)
	if len(openers) == 0 || aad != d.aad {
		m.do(t, r, unprocessable)
		return
	}
	out := decode(t, m.do(t, r, ok))
	by, newest := out.KeyVersion.ID, k.versions[0]
	if !slices.Contains(openers, by) {
		t.Fatalf("opened by version %s, want one of %s", by, openers)
	}
	if verb == "unwrap" && out.Plaintext != d.plaintext || verb == "rewrap" && out.Plaintext != "" {
		t.Fatalf("%s shows plaintext %q", verb, out.Plaintext)
	}
	if again := verb == "rewrap" || by != newest; again != (out.Ciphertext != "") || again && out.RewrappedKeyVersion.ID != newest {
		t.Fatalf("wrapped again %v, by %q; the newest version is %s", out.Ciphertext != "", out.RewrappedKeyVersion.ID, newest)
	}
	if out.Ciphertext != "" {
		d.ciphertext, d.key, d.version = out.Ciphertext, k.id, newest
		m.wrapped = append(m.wrapped, d)
	}
}

func (m *machine) versions(t *rapid.T) {
	r := request{caller: someone(t), method: http.MethodGet, path: "/keys/" + m.somekey(t) + "/versions"}
	states := []int{1}
	if rapid.Bool().Draw(t, "all states") {
		r.path, states = r.path+"?allKeyStates=true", []int{1, 2, 3, 5}
	}
	k, refused := m.model.use(r.caller, named(r), kms.ActionVersions, states...)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	ids := []string{}
	for _, v := range m.do(t, r, ok).keys() {
		ids = append(ids, v.ID)
	}
	if diff := cmp.Diff(k.versions, ids); diff != "" {
		t.Fatalf("versions of key %s (-model +service):\n%s", k.id, diff)
	}
}
