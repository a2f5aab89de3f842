package keyprotect_test

import (
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzBodies sends any body to every operation that reads one.
func FuzzBodies(f *testing.F) {
	h := newHouse(f)
	id := h.root(f)
	wrapped := h.do(f, "POST", "/keys/"+id+"/actions/wrap", "").JSON["ciphertext"].(string)
	const keys, own = "/api/v2/keys", "/strongroom/v1/keys/"
	paths := []string{
		keys, keys + "/" + id + "/actions/wrap", keys + "/" + id + "/actions/unwrap", keys + "/" + id + "/actions/rewrap",
		keys + "/" + id + "?action=rotate", own + id + "/actions/generate", own + id + "/actions/transfer",
		own + id + "/batches/wrap", own + id + "/batches/unwrap", own + id + "/batches/rewrap",
	}
	for _, body := range []string{
		"", "null", "{}", "[]", "{", `"x"`, "\x00", `{"plaintext":"AAAA","aad":["a"]}`, `{"ciphertext":"` + wrapped + `"}`,
		`{"payload":"AAAA"}`, newKey(`"name":"ab","extractable":false`), newKey(`"name":"ab","tags":[null]`),
		newKey(`"name":"ab","payload":"AAAAAAAAAAAAAAAAAAAAAA=="`), newKey(`"expirationDate":"9999-99-99T00:00:00Z"`),
		`{"metadata":{"collectionTotal":1e99}}`, `{"payload":"AAAA","encryptedNonce":"AAAA","iv":"AAAAAAAAAAAAAAAA"}`,
		`{"resources":[{"plaintext":"AAAA"},{"ciphertext":"` + wrapped + `"},null]}`, `{"resources":[{"ciphertext":"x"}]}`,
		`{"ciphertext":"` + wrapped + `","targetKey":"` + id + `"}`, `{"expiration":600.0,"maxAllowedRetrievals":-1e300}`,
	} {
		for operation := range len(paths) {
			f.Add(operation, body)
		}
	}
	f.Fuzz(func(t *testing.T, operation int, body string) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", paths[uint(operation)%uint(len(paths))], strings.NewReader(body))
		r.Header.Set("Authorization", "Bearer owner")
		r.Header.Set(instance, string(h.ID))
		w := httptest.NewRecorder()
		h.router.ServeHTTP(w, r)
		if w.Code >= 500 {
			t.Errorf("%d: %s", w.Code, w.Body)
		}
		if w.Code != 204 && !json.Valid(w.Body.Bytes()) {
			t.Errorf("not JSON: %s", w.Body)
		}
	})
}

// FuzzPolicies sends any body to what sets policies.
func FuzzPolicies(f *testing.F) {
	h := newHouse(f)
	id := h.root(f)
	for _, body := range []string{
		"", "null", "{}", policies(), policies(`{}`), policies(`{"rotation":{"interval_month":1,"interval_day":30}}`, `{"dualAuthDelete":{"enabled":false}}`),
		policies(instancePolicy("rotation", true, `{"interval_day":14}`)), policies(instancePolicy("allowedIP", false, `{"allowed_ip":["::/0","10.0.0.0/8"]}`)),
		policies(instancePolicy("keyCreateImportAccess", true, `{"enforce_token":null}`)), policies(instancePolicy("allowedNetwork", false, `[]`)),
	} {
		for operation := range 4 {
			f.Add(operation, body)
		}
	}
	paths := []string{"/keys/" + id + "/policies", "/keys/" + id + "/policies?policy=rotation", "/instance/policies", "/instance/policies?policy=dualAuthDelete"}
	f.Fuzz(func(t *testing.T, operation int, body string) {
		if r := h.do(t, "PUT", paths[uint(operation)%uint(len(paths))], body); r.status >= 500 {
			t.Errorf("%d: %s", r.status, r.text)
		}
	})
}
