package keyprotect_test

import (
	"strings"
	"testing"
)

func TestWrapUnwrapRewrap(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	for _, form := range []string{"/actions/", "?action="} {
		path := "/keys/" + id + form
		for _, empty := range []string{"", "null", "{}"} {
			r := h.do(t, "POST", path+"wrap", empty).want(t, 200, "")
			if r.header.Get("Content-Type") != action || len(r.JSON["plaintext"].(string)) != 44 {
				t.Errorf("%s %v", r.text, r.header)
			}
			only(t, r.JSON, "plaintext", "ciphertext", "keyVersion")
		}
		r := h.do(t, "POST", path+"wrap", `{"PLAINTEXT":"`+b64("data key")+`","aad":["a","b"]}`).want(t, 200, "")
		body := `{"ciphertext":"` + r.JSON["ciphertext"].(string) + `","aad":["a","b"]}`
		only(t, r.JSON, "ciphertext", "keyVersion")
		r = h.do(t, "POST", path+"unwrap", body).want(t, 200, "")
		if r.JSON["plaintext"] != b64("data key") {
			t.Errorf("%s", r.text)
		}
		only(t, r.JSON, "plaintext", "keyVersion")
		h.do(t, "POST", path+"unwrap", strings.Replace(body, `"a","b"`, `"b","a"`, 1)).want(t, 422, "UNPROCESSABLE_CIPHERTEXT_ERR")

		h.do(t, "POST", path+"rotate", "null").want(t, 204, "")
		r = h.do(t, "POST", path+"unwrap", body).want(t, 200, "")
		only(t, r.JSON, "plaintext", "keyVersion", "ciphertext", "rewrappedKeyVersion")
		r = h.do(t, "POST", path+"rewrap", body).want(t, 200, "")
		if r.JSON["keyVersion"].(map[string]any)["id"] == r.JSON["rewrappedKeyVersion"].(map[string]any)["id"] {
			t.Errorf("%s", r.text)
		}
		only(t, r.JSON, "ciphertext", "keyVersion", "rewrappedKeyVersion")
	}
}

// A decoder that mends texts makes different ones equal, and what they bind open to either.
func TestAdditionalDataThatIsNoTextIsRefused(t *testing.T) {
	h := newHouse(t)
	path := "/keys/" + h.root(t)
	for _, aad := range []string{"\xff", `\ud800`, `\udfff\ud800`} {
		h.do(t, "POST", path+"/actions/wrap", `{"aad":["`+aad+`"]}`).want(t, 400, "BAD_BODY_ERR")
	}
	r := h.do(t, "POST", path+"/actions/wrap", `{"plaintext":"`+b64("data key")+`","aad":["`+"\ufffd"+`"]}`).want(t, 200, "")
	body := `{"ciphertext":"` + r.JSON["ciphertext"].(string) + `","aad":["TEXT"]}`
	h.do(t, "POST", path+"/actions/unwrap", strings.Replace(body, "TEXT", "\xff", 1)).want(t, 400, "BAD_BODY_ERR")
	h.do(t, "POST", path+"/actions/unwrap", strings.Replace(body, "TEXT", "\ufffd", 1)).want(t, 200, "")
}

func TestRotateByRepresentationHasNoBody(t *testing.T) {
	h := newHouse(t)
	r := h.do(t, "POST", "/keys/"+h.root(t)+"/actions/rotate", "", "Prefer: return=representation").want(t, 204, "")
	if r.text != "" {
		t.Errorf("body %q", r.text)
	}
}
