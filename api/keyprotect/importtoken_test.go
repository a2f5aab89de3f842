package keyprotect_test

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"testing"
	"time"

	"strongroom/custody"
)

// prepared is key material encrypted under an import token, as members of a key.
func prepared(t testing.TB, token reply, material string) string {
	t.Helper()
	text, err := base64.StdEncoding.DecodeString(token.JSON["payload"].(string))
	if err != nil {
		t.Fatal(err)
	}
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "PUBLIC KEY" || len(rest) > 0 {
		t.Fatalf("the payload is no PEM block of a public key: %q", text)
	}
	nonce, err := base64.StdEncoding.DecodeString(token.JSON["nonce"].(string))
	if err != nil || len(nonce) != 12 {
		t.Fatalf("nonce of %d bytes, %v", len(nonce), err)
	}
	in, err := custody.SealTransported(block.Bytes, nonce, custody.NewSecret([]byte(material)))
	if err != nil {
		t.Fatal(err)
	}
	members, err := json.Marshal(map[string]any{
		"payload": in.Material, "encryptedNonce": in.SealedNonce, "iv": in.IV[:], "encryptionAlgorithm": "RSAES_OAEP_SHA_256",
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(members[1 : len(members)-1])
}

func TestSecureImport(t *testing.T) {
	h := newHouse(t)
	h.do(t, "GET", "/import_token", "").want(t, 404, "IMPORT_TOKEN_NOT_FOUND_ERR")
	made := h.do(t, "POST", "/import_token", `{"expiration":600.0,"maxAllowedRetrievals":2.0}`).want(t, 200, "")
	if got := made.header.Get("Content-Type"); got != "application/vnd.ibm.kms.import_token+json" {
		t.Errorf("content type %s", got)
	}
	if made.JSON["maxAllowedRetrievals"] != 2.0 || made.JSON["remainingRetrievals"] != 2.0 || made.JSON["expirationDate"] != "2026-07-01T10:10:00Z" {
		t.Errorf("token %s", made.text)
	}
	only(t, made.JSON, "creationDate", "expirationDate", "maxAllowedRetrievals", "remainingRetrievals")
	token := h.do(t, "GET", "/import_token", "").want(t, 200, "")
	if token.JSON["maxAllowedRetrievals"] != 2.0 || token.JSON["remainingRetrievals"] != 1.0 {
		t.Errorf("token %s", token.text)
	}
	h.do(t, "GET", "/import_token", "").want(t, 200, "")
	h.do(t, "GET", "/import_token", "").want(t, 409, "IMPORT_TOKEN_EXPIRED_ERR")

	const root = `"name":"byok","extractable":false,`
	key := h.do(t, "POST", "/keys", newKey(root+prepared(t, token, "0123456789abcdef"))).want(t, 201, "").resource(t)
	if key["imported"] != true || len(key["checkValue"].(string)) != 8 {
		t.Errorf("key %v", key)
	}
	id := key["id"].(string)
	meta := h.do(t, "GET", "/keys/"+id+"/metadata", "").want(t, 200, "").resource(t)
	if meta["checkValue"] != key["checkValue"] || meta["algorithmBitSize"] != 128.0 {
		t.Errorf("metadata %v", meta)
	}
	h.do(t, "POST", "/keys/"+id+"/actions/rotate", "{"+prepared(t, token, "fedcba9876543210fedcba9876543210")+"}").want(t, 204, "")

	for name, c := range map[string]struct {
		fields string
		code   string
	}{
		"nonce alone":     {root + `"payload":"AAAA","encryptedNonce":"AAAA"`, "INVALID_FIELD_ERR"},
		"IV alone":        {root + `"payload":"AAAA","iv":"AAAA"`, "INVALID_FIELD_ERR"},
		"short IV":        {root + `"payload":"AAAA","iv":"AAAA","encryptedNonce":"AAAA"`, "INVALID_FIELD_ERR"},
		"other algorithm": {root + `"payload":"AAAA","encryptionAlgorithm":"RSAES_OAEP_SHA_1"`, "INVALID_FIELD_ERR"},
		"standard key":    {`"name":"std",` + prepared(t, token, "0123456789abcdef"), "INVALID_FIELD_ERR"},
	} {
		t.Run(name, func(t *testing.T) { h.do(t, "POST", "/keys", newKey(c.fields)).want(t, 400, c.code) })
	}
	var in map[string]any
	if err := json.Unmarshal([]byte("{"+prepared(t, token, "0123456789abcdef")+"}"), &in); err != nil {
		t.Fatal(err)
	}
	in["iv"] = base64.StdEncoding.EncodeToString(make([]byte, 12))
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	h.do(t, "POST", "/keys/"+id+"/actions/rotate", string(body)).want(t, 400, "INCORRECT_NONCE_IV_ERR")
	token.JSON["nonce"] = base64.StdEncoding.EncodeToString(make([]byte, 12))
	h.do(t, "POST", "/keys", newKey(root+prepared(t, token, "0123456789abcdef"))).want(t, 400, "INCORRECT_NONCE_ERR")
	h.Clock.Advance(10 * time.Minute)
	h.do(t, "POST", "/keys", newKey(root+prepared(t, token, "0123456789abcdef"))).want(t, 409, "IMPORT_TOKEN_EXPIRED_ERR")
}

func TestImportTokenLimits(t *testing.T) {
	h := newHouse(t)
	for _, body := range []string{
		`{"expiration":299}`, `{"expiration":86401}`, `{"expiration":600.5}`, `{"expiration":1e300}`, `{"expiration":-1}`,
		`{"maxAllowedRetrievals":501}`, `{"maxAllowedRetrievals":-1}`, `{"maxAllowedRetrievals":1.5}`,
	} {
		h.do(t, "POST", "/import_token", body).want(t, 400, "INVALID_FIELD_ERR")
	}
	h.do(t, "POST", "/import_token", `{"other":1}`).want(t, 400, "BAD_BODY_ERR")
	h.do(t, "POST", "/import_token", `{"other":1}`, "Authorization: Bearer reader").want(t, 401, "")
	h.do(t, "GET", "/import_token", "", "Authorization: Bearer stranger").want(t, 401, "")
}

func TestIdempotencyKey(t *testing.T) {
	h := newHouse(t)
	create := func(name, key string) reply {
		return h.do(t, "POST", "/keys", newKey(fmt.Sprintf(`"name":%q,"extractable":false`, name)), "Idempotency-Key: "+key)
	}
	first := create("one", "k1").want(t, 201, "").resource(t)
	if again := create("one", "k1").want(t, 201, "").resource(t); again["id"] != first["id"] {
		t.Errorf("the second is %v, the first %v", again["id"], first["id"])
	}
	r := create("two", "k1").want(t, 422, "IDEMPOTENCY_KEY_REUSED_ERR")
	if target := r.resource(t)["reasons"].([]any)[0].(map[string]any)["target"]; fmt.Sprint(target) != "map[name:Idempotency-Key type:header]" {
		t.Errorf("target %v", target)
	}
	create("one", "two words").want(t, 400, "INVALID_FIELD_ERR")
	create("one", "").want(t, 400, "INVALID_FIELD_ERR")
	id := first["id"].(string)
	for range 2 {
		h.do(t, "POST", "/keys/"+id+"/actions/rotate", "", "Idempotency-Key: k2").want(t, 204, "")
	}
	versions := h.do(t, "GET", "/keys/"+id+"/versions?totalCount=true", "").want(t, 200, "")
	if total := versions.JSON["metadata"].(map[string]any)["totalCount"]; total != 2.0 {
		t.Errorf("%v versions, want 2", total)
	}
}
