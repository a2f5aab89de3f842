package keyprotect_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/api/keyprotect"
	"strongroom/kms"
)

// reached is a failure that clients know by its code, and a way to it.
type reached struct {
	status int
	by     func(t *testing.T, h *house) reply
}

// to sends one request as the owner, on a new root key whose ID replaces {root}.
func to(status int, method, path, body string, headers ...string) reached {
	return reached{status, func(t *testing.T, h *house) reply {
		root := h.root(t)
		fill := func(s string) string { return strings.ReplaceAll(s, "{root}", root) }
		return h.do(t, method, fill(path), fill(body), headers...)
	}}
}

const registrationType = "application/vnd.ibm.kms.registration_input+json"

// registering is the body of a registration.
func registering(fields string) string {
	return `{"metadata":{"collectionType":"` + registrationType + `","collectionTotal":1},"resources":[{` + fields + `}]}`
}

// register says as a service that a key protects its bucket, and names the path of that.
func (h *house) register(t *testing.T, key, fields string) (path string) {
	t.Helper()
	path = "/keys/" + key + "/registrations/" + url.PathEscape(bucket("b"))
	h.do(t, "POST", path, registering(fields), asStorage).want(t, 201, "")
	return path
}

func bucket(name string) string {
	return "crn:v1:bluemix:public:cloud-object-storage:global:a/" + string(account) + ":" + absent + ":bucket:" + name
}

const asStorage = "Authorization: Bearer storage"

// done sends a request that has to be carried out.
func (h *house) done(t *testing.T, method, path, body string, headers ...string) {
	t.Helper()
	if r := h.do(t, method, path, body, headers...); r.status >= http.StatusBadRequest {
		t.Fatalf("%s %s: %d %s", method, path, r.status, r.text)
	}
}

// expiring makes a root key that has expired after an hour.
func (h *house) expiring(t *testing.T) string {
	t.Helper()
	return h.create(t, `"name":"short","extractable":false,"expirationDate":"`+h.Clock.Now().Add(time.Hour).Format(time.RFC3339)+`"`)
}

// reasonRows has a row for each code that the face emits. Those that are reached in several ways
// have their other rows in the tests of their subjects.
func reasonRows() map[string]reached {
	return map[string]reached{
		"BAD_BODY_ERR":                  to(400, "POST", "/keys", `{`),
		"NO_BODY_ERR":                   to(400, "POST", "/keys/{root}/actions/unwrap", ``),
		"COLLECTION_TOTAL_MISMATCH_ERR": to(400, "POST", "/keys", strings.Replace(newKey(`"name":"key"`), `"collectionTotal":1`, `"collectionTotal":2`, 1)),
		"INVALID_FIELD_ERR":             to(400, "POST", "/keys", newKey(`"name":"x"`)),
		"INVALID_QUERY_PARAM_ERR":       to(400, "GET", "/keys?limit=0", ``),
		"BODY_QUERY_PARAM_MISMATCH_ERR": to(400, "PUT", "/instance/policies?policy=metrics", policies(`{"policy_type":"dualAuthDelete","policy_data":{"enabled":true}}`)),
		"NUM_COLLECTION_RESOURCE_ERR": to(400, "PUT", "/instance/policies?policy=metrics",
			policies(`{"policy_type":"metrics","policy_data":{"enabled":true}}`, `{"policy_type":"dualAuthDelete","policy_data":{"enabled":true}}`)),
		"KEY_NOT_FOUND_ERR":          to(404, "GET", "/keys/"+absent, ``),
		"KEY_RING_NOT_FOUND_ERR":     to(404, "POST", "/keys", newKey(`"name":"key"`), "X-Kms-Key-Ring: none"),
		"KEY_ALIAS_NOT_FOUND_ERR":    to(404, "DELETE", "/keys/{root}/aliases/none", ``),
		"IMPORT_TOKEN_NOT_FOUND_ERR": to(404, "GET", "/import_token", ``),
		"SERVICE_ONLY_ERR":           to(403, "POST", "/keys/{root}/registrations/"+url.PathEscape(bucket("b")), registering(``)),
		"RESOURCE_OWNER_ERR": to(403, "POST", "/keys/{root}/registrations/"+
			url.PathEscape(strings.Replace(bucket("b"), absent, "11111111-0000-4000-8000-000000000000", 1)), registering(``), asStorage),
		"REGISTRATION_NOT_FOUND_ERR":   to(404, "PATCH", "/keys/{root}/registrations/"+url.PathEscape(bucket("b")), registering(``), asStorage),
		"NOT_DUAL_AUTH_ERR":            to(409, "POST", "/keys/{root}/actions/setKeyForDeletion", `null`),
		"KEY_ACTION_INVALID_STATE_ERR": to(409, "POST", "/keys/{root}/actions/enable", `null`),
		"KEY_PAYLOAD_REQ_ERR": {400, func(t *testing.T, h *house) reply {
			id := h.create(t, `"name":"imported","extractable":false,"payload":"`+b64(strings.Repeat("m", 32))+`"`)
			return h.do(t, "POST", "/keys/"+id+"/actions/rotate", `{}`)
		}},
		"KEY_ROOT_REQ_ERR": {400, func(t *testing.T, h *house) reply {
			return h.do(t, "POST", "/keys/"+h.create(t, `"name":"standard"`)+"/actions/wrap", `{}`)
		}},
		"UNPROCESSABLE_CIPHERTEXT_ERR": {422, func(t *testing.T, h *house) reply {
			w := h.do(t, "POST", "/keys/"+h.root(t)+"/actions/wrap", `{}`)
			return h.do(t, "POST", "/keys/"+h.root(t)+"/actions/unwrap", fmt.Sprintf(`{"ciphertext":%q}`, w.JSON["ciphertext"]))
		}},
		"KEY_DELETED_ERR": {410, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.done(t, "DELETE", "/keys/"+root, ``)
			return h.do(t, "DELETE", "/keys/"+root, ``)
		}},
		"KEY_EXPIRED_ERR": {400, func(t *testing.T, h *house) reply {
			root := h.expiring(t)
			h.done(t, "DELETE", "/keys/"+root, ``)
			h.Clock.Advance(time.Hour)
			return h.do(t, "POST", "/keys/"+root+"/restore", ``)
		}},
		"KEY_RESTORE_EXPIRED": {400, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.done(t, "DELETE", "/keys/"+root, ``)
			h.Clock.Advance(30 * 24 * time.Hour)
			return h.do(t, "POST", "/keys/"+root+"/restore", ``)
		}},
		"REQ_TOO_EARLY_ERR": {409, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.done(t, "POST", "/keys/"+root+"/actions/disable", `null`)
			return h.do(t, "POST", "/keys/"+root+"/actions/enable", `null`)
		}},
		"KEY_ROTATION_NOT_PERMITTED": {409, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.done(t, "POST", "/keys/"+root+"/actions/rotate", `{}`)
			return h.do(t, "POST", "/keys/"+root+"/actions/rotate", `{}`)
		}},
		"AUTHORIZATIONS_NOT_MET": {409, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.done(t, "PUT", "/keys/"+root+"/policies", policies(`{"dualAuthDelete":{"enabled":true}}`))
			return h.do(t, "DELETE", "/keys/"+root, ``)
		}},
		"KEY_ALIAS_NOT_UNIQUE_ERR": {409, func(t *testing.T, h *house) reply {
			h.create(t, `"name":"first","aliases":["taken"]`)
			return h.do(t, "POST", "/keys/"+h.root(t)+"/aliases/taken", ``)
		}},
		"KEY_ALIAS_QUOTA_ERR": {409, func(t *testing.T, h *house) reply {
			id := h.create(t, `"name":"named","aliases":["a1","a2","a3","a4","a5"]`)
			return h.do(t, "POST", "/keys/"+id+"/aliases/a6", ``)
		}},
		"KEY_RING_ID_NOT_UNIQUE_ERR": {409, func(t *testing.T, h *house) reply {
			h.done(t, "POST", "/key_rings/team-a", ``)
			return h.do(t, "POST", "/key_rings/team-a", ``)
		}},
		"KEY_RING_QUOTA_ERR": {409, func(t *testing.T, h *house) reply {
			for i := range ringsInTests {
				h.done(t, "POST", "/key_rings/ring-"+strconv.Itoa(i), ``)
			}
			return h.do(t, "POST", "/key_rings/one-more", ``)
		}},
		"KEY_RING_NOT_EMPTY_ERR": {409, func(t *testing.T, h *house) reply {
			h.done(t, "POST", "/key_rings/team-a", ``)
			h.done(t, "POST", "/keys", newKey(`"name":"key"`), "X-Kms-Key-Ring: team-a")
			return h.do(t, "DELETE", "/key_rings/team-a", ``)
		}},
		"PROTECTED_RESOURCE_ERR": {409, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.register(t, root, ``)
			return h.do(t, "DELETE", "/keys/"+root, ``)
		}},
		"PREV_KEY_DEL_ERR": {409, func(t *testing.T, h *house) reply {
			root := h.root(t)
			h.register(t, root, `"preventKeyDeletion":true`)
			return h.do(t, "DELETE", "/keys/"+root+"?force=true", ``)
		}},
		"REGISTRATION_NOT_UNIQUE_ERR": {409, func(t *testing.T, h *house) reply {
			return h.do(t, "POST", h.register(t, h.root(t), ``), registering(``), asStorage)
		}},
		"KEY_INVALID_STATE_ERR": {422, func(t *testing.T, h *house) reply {
			root := h.root(t)
			path := h.register(t, root, ``)
			h.done(t, "POST", "/keys/"+root+"/actions/disable", `null`)
			return h.do(t, "PATCH", path, registering(``), asStorage)
		}},
		"KEY_ROOT_REQ_REG_ERR": {422, func(t *testing.T, h *house) reply {
			id := h.create(t, `"name":"standard"`)
			return h.do(t, "POST", "/keys/"+id+"/registrations/"+url.PathEscape(bucket("b")), registering(``), asStorage)
		}},
		"KEY_VERSION_INVALID": {422, func(t *testing.T, h *house) reply {
			root := h.root(t)
			return h.do(t, "PATCH", h.register(t, root, ``), registering(`"keyVersionId":"`+root+`"`), asStorage)
		}},
		"KEY_CREATE_IMPORT_ACCESS_ERR": {409, func(t *testing.T, h *house) reply {
			h.done(t, "PUT", "/instance/policies", policies(`{"policy_type":"keyCreateImportAccess","policy_data":{"enabled":true,"attributes":{"create_root_key":false}}}`))
			return h.do(t, "POST", "/keys", newKey(`"name":"root","extractable":false`))
		}},
		"IDEMPOTENCY_KEY_REUSED_ERR": {422, func(t *testing.T, h *house) reply {
			h.done(t, "POST", "/keys", newKey(`"name":"first"`), "Idempotency-Key: once")
			return h.do(t, "POST", "/keys", newKey(`"name":"second"`), "Idempotency-Key: once")
		}},
		"IMPORT_TOKEN_EXPIRED_ERR": {409, func(t *testing.T, h *house) reply {
			h.token(t)
			return h.do(t, "GET", "/import_token", ``)
		}},
		"INCORRECT_NONCE_ERR": {400, func(t *testing.T, h *house) reply {
			token := h.token(t)
			token.nonce[0] ^= 1
			return h.do(t, "POST", "/keys", newKey(`"name":"imported","extractable":false,`+token.seal(t, nil)))
		}},
		"INCORRECT_NONCE_IV_ERR": {400, func(t *testing.T, h *house) reply {
			return h.do(t, "POST", "/keys", newKey(`"name":"imported","extractable":false,`+h.token(t).seal(t, []byte("another IV !"))))
		}},
	}
}

// notReached says of each code that the test cannot reach why.
func notReached() map[string]string {
	return map[string]string{
		"IMPORT_TOKEN_UNSUPPORTED_ERR": "for crypto modules that receive no keys under a transport key; the module of the tests does",
	}
}

// ringsInTests is how many key rings an instance can have here, besides the default one.
const ringsInTests = 3

// TestEveryReasonIsReached reaches each code through HTTP, and knows of every code.
func TestEveryReasonIsReached(t *testing.T) {
	rows := reasonRows()
	emitted := keyprotect.ReasonCodes()
	slices.Sort(emitted)
	known := slices.Sorted(maps.Keys(rows))
	known = slices.AppendSeq(known, maps.Keys(notReached()))
	slices.Sort(known)
	if diff := cmp.Diff(slices.Compact(emitted), known); diff != "" {
		t.Errorf("codes (-emitted +in the table):\n%s", diff)
	}
	for code, row := range rows {
		t.Run(code, func(t *testing.T) {
			h := newHouse(t, func(c *kms.Config) {
				c.EnableWait, c.RotationWait, c.MaxRings = 30*time.Second, time.Hour, ringsInTests
			})
			row.by(t, h).want(t, row.status, code)
		})
	}
}

// importToken is a retrieved import token.
type importToken struct {
	public *rsa.PublicKey
	nonce  []byte
}

// token makes an import token and retrieves it, which can be done once.
func (h *house) token(t *testing.T) importToken {
	t.Helper()
	h.done(t, "POST", "/import_token", `{}`)
	r := h.do(t, "GET", "/import_token", ``).want(t, 200, "")
	text := decode64(t, r.JSON["payload"])
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatalf("the payload is no PEM: %s", text)
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return importToken{public: public.(*rsa.PublicKey), nonce: decode64(t, r.JSON["nonce"])}
}

func decode64(t *testing.T, text any) []byte {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(text.(string))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// seal encrypts material and the nonce as an owner does, and returns the fields of the request; with
// an initialization vector that is given, the wrong one is sent.
func (i importToken) seal(t *testing.T, sent []byte) string {
	t.Helper()
	material, iv := make([]byte, 32), []byte("initial IV !")
	if _, err := rand.Read(material); err != nil {
		t.Fatal(err)
	}
	payload, err := rsa.EncryptOAEP(sha256.New(), rand.Reader, i.public, material, nil)
	if err != nil {
		t.Fatal(err)
	}
	if sent == nil {
		sent = iv
	}
	return fmt.Sprintf(`"payload":%q,"encryptedNonce":%q,"iv":%q,"encryptionAlgorithm":"RSAES_OAEP_SHA_256"`,
		base64.StdEncoding.EncodeToString(payload), base64.StdEncoding.EncodeToString(sealGCM(t, material, iv, i.nonce)),
		base64.StdEncoding.EncodeToString(sent))
}

func sealGCM(t *testing.T, key, iv, plaintext []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	return aead.Seal(nil, iv, plaintext, nil)
}
