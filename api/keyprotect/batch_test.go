package keyprotect_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"strongroom/kms"
)

// own sends a request for what IBM's service does not have.
func (h *house) own(t testing.TB, method, path, body string, headers ...string) reply {
	t.Helper()
	return h.send(t, method, "/strongroom/v1/keys"+path, body, headers...)
}

// objects returns all resources of a collection.
func (r reply) objects(t testing.TB) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, resource := range r.resources(t) {
		all = append(all, resource.(map[string]any))
	}
	return all
}

func TestDataKeyThatIsNeverShown(t *testing.T) {
	h := newHouse(t)
	from, to := h.root(t), h.root(t)
	made := h.own(t, "POST", "/"+from+"/actions/generate", `{"aad":["a"]}`).want(t, 200, "")
	wrapped := made.JSON["ciphertext"].(string)
	only(t, made.JSON, "ciphertext", "keyVersion")
	moved := h.own(t, "POST", "/"+from+"/actions/transfer", fmt.Sprintf(`{"ciphertext":%q,"aad":["a"],"targetKey":%q}`, wrapped, to)).want(t, 200, "")
	opened := h.do(t, "POST", "/keys/"+to+"/actions/unwrap", fmt.Sprintf(`{"ciphertext":%q,"aad":["a"]}`, moved.JSON["ciphertext"])).want(t, 200, "")
	same := h.do(t, "POST", "/keys/"+from+"/actions/unwrap", fmt.Sprintf(`{"ciphertext":%q,"aad":["a"]}`, wrapped)).want(t, 200, "")
	if opened.JSON["plaintext"] != same.JSON["plaintext"] {
		t.Error("the data key is another one after the transfer")
	}
	only(t, moved.JSON, "ciphertext", "keyVersion", "rewrappedKeyVersion")

	transfer := func(body string) reply { return h.own(t, "POST", "/"+from+"/actions/transfer", body) }
	transfer(`{"ciphertext":"AAAA"}`).want(t, 400, "INVALID_FIELD_ERR")
	transfer(fmt.Sprintf(`{"ciphertext":%q,"targetKey":%q,"targetInstance":"x"}`, wrapped, to)).want(t, 400, "INVALID_FIELD_ERR")
	transfer(fmt.Sprintf(`{"ciphertext":%q,"aad":["a"],"targetKey":%q}`, wrapped, absent)).want(t, 404, "KEY_NOT_FOUND_ERR")
	transfer(fmt.Sprintf(`{"ciphertext":%q,"aad":["a"],"targetKey":%q,"targetInstance":%q}`, wrapped, to, absent)).want(t, 401, "")
}

func TestBatches(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	r := h.own(t, "POST", "/"+id+"/batches/wrap",
		`{"resources":[{"plaintext":"`+b64("one")+`","aad":["a"]},{},{"plaintext":"`+base64.StdEncoding.EncodeToString(make([]byte, 7501))+`"},{"plaintext":"*"}]}`).want(t, 200, "")
	all := r.objects(t)
	if len(all) != 4 || all[0]["error"] != nil || all[2]["result"] != nil || all[3]["result"] != nil {
		t.Fatalf("outcomes %s", r.text)
	}
	first := all[0]["result"].(map[string]any)
	if first["plaintext"] != nil || all[1]["result"].(map[string]any)["plaintext"] == nil {
		t.Errorf("plaintexts: %v", all)
	}
	for _, failed := range all[2:] {
		if e := failed["error"].(map[string]any); e["code"] != "INVALID_FIELD_ERR" || e["status"] != 400.0 {
			t.Errorf("error %v", e)
		}
	}
	items := fmt.Sprintf(`{"resources":[{"ciphertext":%q,"aad":["a"]},{"ciphertext":%q},{"ciphertext":"x"}]}`, first["ciphertext"], first["ciphertext"])
	all = h.own(t, "POST", "/"+id+"/batches/unwrap", items).want(t, 200, "").objects(t)
	if all[0]["result"].(map[string]any)["plaintext"] != b64("one") {
		t.Errorf("unwrapped %v", all[0])
	}
	if e := all[1]["error"].(map[string]any); e["code"] != "UNPROCESSABLE_CIPHERTEXT_ERR" || e["status"] != 422.0 {
		t.Errorf("error %v", e)
	}
	all = h.own(t, "POST", "/"+id+"/batches/rewrap", items).want(t, 200, "").objects(t)
	if all[0]["result"].(map[string]any)["rewrappedKeyVersion"] == nil || all[2]["error"] == nil {
		t.Errorf("rewrapped %v", all)
	}

	wrap := func(key, body string, headers ...string) reply {
		return h.own(t, "POST", "/"+key+"/batches/wrap", body, headers...)
	}
	many := `{"resources":[{}` + strings.Repeat(`,{}`, kms.MaxBatch) + `]}`
	wrap(id, many).want(t, 400, "INVALID_FIELD_ERR")
	wrap(id, `{}`).want(t, 400, "INVALID_FIELD_ERR")
	wrap(id, `{"metadata":{"collectionTotal":2},"resources":[{}]}`).want(t, 400, "COLLECTION_TOTAL_MISMATCH_ERR")
	wrap(absent, `{"resources":[{}]}`).want(t, 404, "KEY_NOT_FOUND_ERR")
	wrap(id, `{"resources":[{}]}`, "Authorization: Bearer reader").want(t, 401, "")
	wrap(id, `{"resources":"`+strings.Repeat("x", 17<<20)+`"}`).want(t, 413, "BAD_BODY_ERR")
}

func TestTransferBatch(t *testing.T) {
	h := newHouse(t)
	from, to := h.root(t), h.root(t)
	made := h.own(t, "POST", "/"+from+"/actions/generate", `{"aad":["a"]}`).want(t, 200, "").JSON["ciphertext"].(string)
	item := func(more string) string { return fmt.Sprintf(`{"ciphertext":%q,"aad":["a"]%s}`, made, more) }
	items := []string{
		item(`,"targetKey":"` + to + `","targetAAD":["b"]`), item(``), item(`,"targetKey":"` + absent + `"`),
		item(`,"targetKey":"` + to + `","targetInstance":"x"`), item(`,"targetKey":"` + to + `","targetInstance":"` + absent + `"`),
	}
	all := h.own(t, "POST", "/"+from+"/batches/transfer", `{"resources":[`+strings.Join(items, ",")+`]}`).want(t, 200, "").objects(t)
	if len(all) != len(items) || all[0]["error"] != nil {
		t.Fatalf("outcomes %v", all)
	}
	result := all[0]["result"].(map[string]any)
	h.do(t, "POST", "/keys/"+to+"/actions/unwrap", fmt.Sprintf(`{"ciphertext":%q,"aad":["b"]}`, result["ciphertext"])).want(t, 200, "")
	only(t, result, "ciphertext", "keyVersion", "rewrappedKeyVersion")
	for i, want := range []string{"INVALID_FIELD_ERR", "KEY_NOT_FOUND_ERR", "INVALID_FIELD_ERR", "UNAUTHORIZED_ERR"} {
		if e, _ := all[i+1]["error"].(map[string]any); e["code"] != want {
			t.Errorf("item %d: %v, want %s", i+1, all[i+1], want)
		}
	}
	h.own(t, "POST", "/"+absent+"/batches/transfer", `{"resources":[`+items[0]+`]}`).want(t, 404, "KEY_NOT_FOUND_ERR")
	h.own(t, "POST", "/"+from+"/batches/transfer", `{"resources":[]}`).want(t, 400, "INVALID_FIELD_ERR")
}

func TestCensus(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	h.do(t, "POST", "/keys/"+id+"/actions/wrap", `{}`).want(t, 200, "")
	h.do(t, "POST", "/keys/"+id+"/actions/rotate", ``).want(t, 204, "")
	all := h.own(t, "GET", "/"+id+"/versions/census", "").want(t, 200, "").objects(t)
	if len(all) != 2 || all[0]["lastWrap"] != nil || all[1]["id"] != id {
		t.Fatalf("census %v", all)
	}
	use := all[1]["lastWrap"].(map[string]any)
	if use["by"] != "IBMid-owner" || use["date"] != "2026-07-01T10:00:00.000Z" || all[1]["registrations"] != 0.0 {
		t.Errorf("census %v", all[1])
	}
	h.own(t, "GET", "/"+id+"/versions/census?limit=1", "").want(t, 400, "INVALID_QUERY_PARAM_ERR")
	h.own(t, "GET", "/"+id+"/versions/census", "", "Authorization: Bearer reader").want(t, 401, "")
	h.own(t, "PUT", "/"+id+"/versions/"+id+"/data", `{"objects":1,"bytes":2}`).want(t, 403, "SERVICE_ONLY_ERR")
	standard := h.create(t, `"name":"std"`)
	h.own(t, "GET", "/"+standard+"/versions/census", "").want(t, 400, "KEY_ROOT_REQ_ERR")
}
