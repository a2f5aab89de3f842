package keyprotect_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strongroom/api/keyprotect"
	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

const account iam.AccountID = "0123456789abcdef0123456789abcdef"

const (
	absent   = "00000000-0000-4000-8000-000000000000"
	keyType  = "application/vnd.ibm.kms.key+json"
	action   = "application/vnd.ibm.kms.key_action+json"
	errType  = "application/vnd.ibm.kms.error+json"
	instance = "Bluemix-Instance"
)

// house is the face in front of a key service with one instance.
type house struct {
	*kmstest.Rig
	kms.Instance
	router *httpface.Router
	audit  *audit.Log
}

// identities knows callers by tokens that are their names.
type identities struct{}

func (identities) Authenticate(_ context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	who := iam.Caller{Identity: iam.IdentityID("IBMid-" + token), Kind: iam.KindUser, Account: account, Name: token, Trail: trail}
	switch token {
	case "owner":
		who.Owner = true
	case "stranger":
		who.Account, who.Owner = "fedcba9876543210fedcba9876543210", true
	case "reader", "colleague":
	case "storage":
		who.Kind, who.Owner = iam.KindInstance, true
		who.Instance = crn.Of("cloud-object-storage", "global", string(account), absent, "", "")
	default:
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	return who, nil
}

// signer signs checkpoints of the audit log.
type signer struct{ key *ecdsa.PrivateKey }

func (signer) KeyID() string { return "test" }

func (s signer) Sign(_ context.Context, digest []byte) ([]byte, error) {
	return ecdsa.SignASN1(rand.Reader, s.key, digest)
}

func newHouse(t testing.TB, configure ...func(*kms.Config)) *house {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	log, err := audit.Open(t.Context(), audit.Options{
		Dir: t.TempDir(), Server: "server-1", Signer: signer{key}, Now: time.Now, Sync: audit.SyncSecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close(context.Background()) })
	h := &house{audit: log, router: &httpface.Router{}}
	configure = append(configure, func(c *kms.Config) { c.Log = log })
	h.Rig = kmstest.New(t, configure...)
	h.Instance = h.NewInstance(t, account)
	httpface.Mount(h.router, keyprotect.New(keyprotect.Config{
		Keys: h.Service, Identities: identities{}, Log: log, Region: "us-south", Now: h.Clock.Now,
		Logger: slog.New(slog.DiscardHandler),
	}))
	return h
}

// reply is an answer, decoded.
type reply struct {
	status int
	header http.Header
	text   string
	JSON   map[string]any
}

// resource returns the first resource of a collection.
func (r reply) resource(t testing.TB) map[string]any {
	t.Helper()
	list, ok := r.JSON["resources"].([]any)
	if !ok || len(list) == 0 {
		t.Fatalf("no resources in %s", r.text)
	}
	return list[0].(map[string]any)
}

// code returns the first reason code of an error.
func (r reply) code() string {
	list, _ := r.JSON["resources"].([]any)
	if len(list) == 0 {
		return ""
	}
	reasons, _ := list[0].(map[string]any)["reasons"].([]any)
	if len(reasons) == 0 {
		return ""
	}
	return reasons[0].(map[string]any)["code"].(string)
}

// do sends a request as the owner; headers change it, given as "Name: value".
func (h *house) do(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	return h.send(t, method, "/api/v2"+path, body, headers...)
}

// send is do for any path.
func (h *house) send(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer owner")
	r.Header.Set(instance, string(h.ID))
	for _, header := range headers {
		name, value, _ := strings.Cut(header, ": ")
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.router.ServeHTTP(w, r)
	text, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	judge(t, r, []byte(body), w, text)
	out := reply{status: w.Code, header: w.Header(), text: string(text)}
	if len(text) > 0 {
		if err := json.Unmarshal(text, &out.JSON); err != nil {
			t.Fatalf("%s %s: not JSON: %s", method, path, text)
		}
	}
	return out
}

// want checks the status, and the reason code unless it is empty.
func (r reply) want(t testing.TB, status int, code string) reply {
	t.Helper()
	if r.status != status || r.code() != code {
		t.Errorf("got %d %s, want %d %s: %s", r.status, r.code(), status, code, r.text)
	}
	return r
}

// newKey is the body of a creation.
func newKey(fields string) string {
	return `{"metadata":{"collectionType":"` + keyType + `","collectionTotal":1},"resources":[{"type":"` + keyType + `",` + fields + `}]}`
}

// create makes a key and returns its ID.
func (h *house) create(t testing.TB, fields string) string {
	t.Helper()
	return h.do(t, "POST", "/keys", newKey(fields)).want(t, 201, "").resource(t)["id"].(string)
}

func (h *house) root(t testing.TB) string { return h.create(t, `"name":"root","extractable":false`) }

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// only fails unless the object has exactly these members.
func only(t testing.TB, object map[string]any, members ...string) {
	t.Helper()
	for _, m := range members {
		if _, ok := object[m]; !ok {
			t.Errorf("%s is missing in %v", m, object)
		}
		delete(object, m)
	}
	if len(object) > 0 {
		t.Errorf("unexpected members %v", object)
	}
}
