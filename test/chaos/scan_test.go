package chaos_test

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	ground "strongroom/custody"
	"strongroom/test/process"
)

// TestNoKeyBytesAreLeftBehind brings known key material to a server in every way
// there is, well-formed and not, uses it in every way there is, and then
// searches all that the server has written: database, its log of changes, audit
// log, output, a backup, and every answer that is an error.
func TestNoKeyBytesAreLeftBehind(t *testing.T) {
	place := process.NewPlace(t, process.Build(t))
	server := place.Start(t)
	s := &scan{t: t, caller: newCaller(t, server, server.Token(t)), secrets: map[string][]byte{}}
	s.use()
	s.finish(server)
}

// scan is one such search.
type scan struct {
	t       *testing.T
	caller  *caller
	secrets map[string][]byte
	refused int      // number of answers that were errors
	found   []string // in such answers
}

func (s *scan) use() {
	s.useRootKeys()
	s.useStandardKeys()
	s.failInEveryWay()
	if s.refused == 0 {
		s.t.Error("nothing was refused, so no error answers were searched")
	}
}

// finish takes a backup, stops the server, and searches all that is written.
func (s *scan) finish(server *process.Server) {
	s.t.Helper()
	folder := filepath.Dir(server.Data)
	a := s.do(http.MethodPost, "/strongroom/v1/backups", nil)
	if a.status != http.StatusOK {
		s.t.Fatalf("no backup: %d %s", a.status, a.body)
	}
	if err := os.WriteFile(filepath.Join(folder, "backup"), a.body, 0o600); err != nil {
		s.t.Fatal(err)
	}
	running, files := searchTree(s.t, s.secrets, folder)
	if files < 5 {
		s.t.Errorf("searched only %d files", files)
	}
	server.Stop(s.t)
	stopped, _ := searchTree(s.t, s.secrets, folder)
	for _, found := range append(append(s.found, running...), stopped...) {
		s.t.Error(found)
	}
	s.t.Logf("searched %d files and %d error answers for %d secrets", files, s.refused, len(s.secrets))
}

// secret makes known material and returns it in base64.
func (s *scan) secret(name string, size int) string {
	b := make([]byte, size)
	_, _ = rand.Read(b)
	s.secrets[name] = b
	return base64.StdEncoding.EncodeToString(b)
}

// do sends a request and searches the answer if it is an error.
func (s *scan) do(method, path string, body any) answer {
	s.t.Helper()
	a, err := s.caller.do(s.t.Context(), method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	s.look(path, a)
	return a
}

func (s *scan) look(path string, a answer) {
	if a.status >= http.StatusBadRequest {
		s.refused++
		s.found = append(s.found, search(s.secrets, fmt.Sprintf("answer %d of %s", a.status, path), a.body)...)
	}
}

// must sends a request that has to work, and decodes the answer.
func (s *scan) must(method, path string, body, into any) {
	s.t.Helper()
	a := s.do(method, path, body)
	if a.status >= http.StatusBadRequest {
		s.t.Fatalf("%s %s: %d %s", method, path, a.status, a.body)
	}
	if into != nil {
		if err := a.decode(into); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *scan) create(name string, extractable bool, payload string) string {
	s.t.Helper()
	var made keys
	s.must(http.MethodPost, "/api/v2/keys", newKey(name, extractable, payload), &made)
	return "/api/v2/keys/" + made.Resources[0].ID
}

// useRootKeys lives through the life of imported and generated root keys.
func (s *scan) useRootKeys() {
	for _, size := range []int{16, 24, 32} {
		key := s.create("imported", false, s.secret(fmt.Sprintf("root key of %d bytes", size), size))
		s.wrapAndUnwrap(key, fmt.Sprintf("data key under %d bytes", size))
		s.must(http.MethodPost, key+"/actions/rotate",
			map[string]any{"payload": s.secret(fmt.Sprintf("second version of %d bytes", size), size)}, nil)
		s.wrapAndUnwrap(key, fmt.Sprintf("data key after rotation, under %d bytes", size))
		s.must(http.MethodGet, key, nil, nil)
		s.must(http.MethodGet, key+"/versions", nil, nil)
		s.must(http.MethodDelete, key, nil, nil)
		s.do(http.MethodPost, key+"/actions/wrap", map[string]any{"plaintext": s.secret("data key for a deleted key", 32)})
	}
	key := s.create("generated", false, "")
	s.wrapAndUnwrap(key, "data key under a generated key")
	s.must(http.MethodPost, key+"/actions/rotate", nil, nil)
	var made dataKey
	s.must(http.MethodPost, key+"/actions/wrap", nil, &made)
	generated, err := base64.StdEncoding.DecodeString(made.Plaintext)
	if err != nil {
		s.t.Fatal(err)
	}
	s.secrets["generated data key"] = generated
}

// wrapAndUnwrap wraps a known data key, and opens it rightly and wrongly.
func (s *scan) wrapAndUnwrap(key, name string) {
	s.t.Helper()
	plaintext := s.secret(name, 32)
	var out dataKey
	s.must(http.MethodPost, key+"/actions/wrap", dataKey{Plaintext: plaintext, AAD: []string{"a"}}, &out)
	s.must(http.MethodPost, key+"/actions/unwrap", dataKey{Ciphertext: out.Ciphertext, AAD: []string{"a"}}, nil)
	s.must(http.MethodPost, key+"/actions/rewrap", dataKey{Ciphertext: out.Ciphertext, AAD: []string{"a"}}, nil)
	s.must(http.MethodPost, key+"?action=unwrap", dataKey{Ciphertext: out.Ciphertext, AAD: []string{"a"}}, nil)
	s.do(http.MethodPost, key+"/actions/unwrap", dataKey{Ciphertext: out.Ciphertext, AAD: []string{"b"}})
}

func (s *scan) useStandardKeys() {
	key := s.create("imported", true, s.secret("standard key", 48))
	s.must(http.MethodGet, key, nil, nil)
	s.must(http.MethodGet, key+"/metadata", nil, nil)
	s.must(http.MethodGet, "/api/v2/keys", nil, nil)
	s.do(http.MethodPost, key+"/actions/wrap", dataKey{Plaintext: s.secret("data key for a standard key", 32)})
	s.must(http.MethodDelete, key, nil, nil)
}

// failInEveryWay sends known material where it does not belong.
func (s *scan) failInEveryWay() {
	key := s.create("generated", false, "")
	s.do(http.MethodPost, "/api/v2/keys", newKey("wrong size", false, s.secret("root key of a wrong size", 20)))
	s.do(http.MethodPost, "/api/v2/keys", newKey("x", false, s.secret("root key with a bad name", 32)))
	s.do(http.MethodPost, "/api/v2/keys", newKey("spoilt", false, "*"+s.secret("root key in spoilt base64", 32)))
	s.do(http.MethodPost, key+"/actions/rotate", map[string]any{"payload": s.secret("material for a generated key", 32)})
	s.do(http.MethodPost, key+"/actions/wrap", map[string]any{"plaintext": []string{s.secret("data key in a list", 32)}})
	s.do(http.MethodPost, key+"/actions/wrap", map[string]any{"plaintxt": s.secret("data key in an unknown field", 32)})
	s.do(http.MethodPost, key+"/actions/unwrap", dataKey{Ciphertext: s.secret("data key instead of a wrapped one", 32)})
	s.do(http.MethodPost, "/api/v2/keys/00000000-0000-4000-8000-000000000000/actions/wrap",
		dataKey{Plaintext: s.secret("data key for a key that is not there", 32)})

	stranger := *s.caller
	stranger.token = strings.Repeat("x", 100)
	a, err := stranger.do(s.t.Context(), http.MethodPost, "/api/v2/keys",
		newKey("from nobody", false, s.secret("root key from nobody", 32)))
	if err != nil {
		s.t.Fatal(err)
	}
	s.look("a request from nobody", a)
	for name, text := range map[string]string{
		"cut off":    `{"metadata":{"collectionTotal":1},"resources":[{"payload":"%s`,
		"not JSON":   `payload=%s&name=x`,
		"bad number": `{"metadata":{"collectionTotal":"%s"},"resources":[]}`,
	} {
		a, err := s.caller.send(s.t.Context(), http.MethodPost, "/api/v2/keys",
			fmt.Appendf(nil, text, s.secret("root key in a body that is "+name, 32)))
		if err != nil {
			s.t.Fatal(err)
		}
		s.look("a body that is "+name, a)
	}
}

// importSecurely brings material under an import token, and returns the path of the key.
func (s *scan) importSecurely(material ground.Secret) string {
	s.t.Helper()
	s.must(http.MethodPost, "/api/v2/import_token", map[string]any{"expiration": 600, "maxAllowedRetrievals": 5}, nil)
	var token struct{ Payload, Nonce []byte }
	s.must(http.MethodGet, "/api/v2/import_token", nil, &token)
	public, _ := pem.Decode(token.Payload)
	if public == nil {
		s.t.Fatalf("the public key is no PEM block: %s", token.Payload)
	}
	in, err := ground.SealTransported(public.Bytes, token.Nonce, material)
	if err != nil {
		s.t.Fatal(err)
	}
	text := base64.StdEncoding.EncodeToString
	var made keys
	s.must(http.MethodPost, "/api/v2/keys", map[string]any{
		"metadata": map[string]any{"collectionType": "application/vnd.ibm.kms.key+json", "collectionTotal": 1},
		"resources": []any{map[string]any{
			"type": "application/vnd.ibm.kms.key+json", "name": "secure", "extractable": false,
			"payload": text(in.Material), "encryptedNonce": text(in.SealedNonce), "iv": text(in.IV[:]),
		}},
	}, &made)
	return "/api/v2/keys/" + made.Resources[0].ID
}
