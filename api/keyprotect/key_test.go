package keyprotect_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// Columns of key objects.
func minimalColumns() []string {
	return []string{"type", "id", "name", "state", "extractable", "crn", "imported", "keyRingID", "deleted"}
}

func fullColumns() []string {
	return append(minimalColumns(), "creationDate", "createdBy", "algorithmType", "algorithmMetadata",
		"algorithmBitSize", "algorithmMode", "lastUpdateDate", "dualAuthDelete")
}

func TestCreatedKeyIsMinimal(t *testing.T) {
	h := newHouse(t)
	r := h.do(t, "POST", "/keys", newKey(`"name":"payments-crk","extractable":false,"tags":["a"]`)).want(t, 201, "")
	if got := r.header.Get("Content-Type"); got != keyType {
		t.Errorf("content type %q", got)
	}
	k := r.resource(t)
	if want := fmt.Sprintf("crn:v1:bluemix:public:kms:us-south:a/%s:%s:key:%s", account, h.ID, k["id"]); k["crn"] != want {
		t.Errorf("CRN %v, want %s", k["crn"], want)
	}
	if k["state"] != 1.0 || k["imported"] != false || k["deleted"] != false || k["keyRingID"] != "default" {
		t.Errorf("%v", k)
	}
	only(t, k, minimalColumns()...)
}

func TestStandardKeyShowsItsPayloadOnlyWhenAsked(t *testing.T) {
	h := newHouse(t)
	body := newKey(`"name":"std","extractable":true,"payload":"` + b64("a secret") + `"`)
	if _, ok := h.do(t, "POST", "/keys", body).resource(t)["payload"]; ok {
		t.Error("shown without being asked")
	}
	k := h.do(t, "POST", "/keys", body, "Prefer: respond-async, return=representation").resource(t)
	if k["payload"] != b64("a secret") {
		t.Errorf("payload %v", k["payload"])
	}
	id := k["id"].(string)
	only(t, h.do(t, "GET", "/keys/"+id, "").want(t, 200, "").resource(t), append(fullColumns(), "keyVersion", "payload")...)
	only(t, h.do(t, "GET", "/keys/"+id+"/metadata", "").want(t, 200, "").resource(t), append(fullColumns(), "keyVersion")...)
	only(t, h.do(t, "GET", "/keys", "").want(t, 200, "").resource(t), fullColumns()...)
}

func TestKeyObjects(t *testing.T) {
	h := newHouse(t)
	id := h.create(t, `"name":"root","extractable":false,"aliases":["pay"],"description":"for payments","Tags":["team a"],`+
		`"expirationDate":"2026-08-01T02:00:00.5+02:00","payload":"`+b64("0123456789abcdef")+`"`)
	all := append(fullColumns(), "aliases", "description", "tags", "expirationDate", "keyVersion")
	for _, path := range []string{"/keys/" + id, "/keys/pay", "/keys/pay/metadata", "/keys"} {
		k := h.do(t, "GET", path, "").want(t, 200, "").resource(t)
		if k["id"] != id || k["expirationDate"] != "2026-08-01T00:00:00Z" || k["creationDate"] != "2026-07-01T10:00:00Z" ||
			k["algorithmBitSize"] != 128.0 || k["imported"] != true || k["algorithmMetadata"].(map[string]any)["bitLength"] != "128" ||
			k["lastUpdateDate"] != k["creationDate"] || k["createdBy"] != "IBMid-owner" {
			t.Errorf("%s: %v", path, k)
		}
		if path != "/keys" { // a list does not show it
			only(t, k, append(slices.Clone(all), "checkValue")...)
			continue
		}
		only(t, k, all...)
	}
	h.do(t, "POST", "/keys/pay/actions/rotate", `{"payload":"`+b64("0123456789abcdef0123456789abcdef")+`"}`).want(t, 204, "")
	k := h.do(t, "GET", "/keys/pay", "").resource(t)
	if k["algorithmBitSize"] != 256.0 {
		t.Errorf("%v", k)
	}
	only(t, k, append(all, "lastRotateDate", "checkValue")...)
}

func TestDelete(t *testing.T) {
	h := newHouse(t)
	first, second := h.root(t), h.root(t)
	if r := h.do(t, "DELETE", "/keys/"+first, "", "Prefer: return=minimal").want(t, 204, ""); r.text != "" {
		t.Errorf("body %q", r.text)
	}
	h.do(t, "DELETE", "/keys/"+first, "").want(t, 410, "KEY_DELETED_ERR")
	deletion := []string{"deletionDate", "deletedBy", "restoreExpirationDate", "restoreAllowed", "purgeAllowed", "purgeAllowedFrom", "purgeScheduledOn"}
	r := h.do(t, "DELETE", "/keys/"+second+"?force=true", "", "Prefer: return=representation").want(t, 200, "")
	for _, k := range []map[string]any{r.resource(t), h.do(t, "GET", "/keys/"+second, "").resource(t)} {
		if k["state"] != 5.0 || k["deleted"] != true || k["restoreAllowed"] != true || k["purgeAllowed"] != false ||
			k["purgeAllowedFrom"] != "2026-07-01T14:00:00Z" || k["restoreExpirationDate"] != "2026-07-31T10:00:00Z" ||
			k["purgeScheduledOn"] != "2026-09-29T10:00:00Z" {
			t.Errorf("%v", k)
		}
		only(t, k, append(append(fullColumns(), "keyVersion"), deletion...)...)
	}
	h.Clock.Advance(31 * 24 * time.Hour)
	if k := h.do(t, "GET", "/keys/"+second, "").resource(t); k["restoreAllowed"] != false || k["purgeAllowed"] != true {
		t.Errorf("%v", k)
	}
}

func TestList(t *testing.T) {
	h := newHouse(t)
	if r := h.do(t, "GET", "/keys", "").want(t, 200, ""); !strings.Contains(r.text, `"resources":[]`) {
		t.Errorf("an empty list is %s", r.text)
	}
	for i := range 5 {
		h.create(t, fmt.Sprintf(`"name":"k%d","extractable":%v`, i, i == 0))
		h.Clock.Advance(time.Second)
	}
	deleted := h.create(t, `"name":"deleted","extractable":false`)
	h.do(t, "DELETE", "/keys/"+deleted, "").want(t, 204, "")
	for _, c := range []struct {
		query, names, total string
	}{
		{"?sort=creationDate", "k0 k1 k2 k3 k4", "5"},
		{"?sort=-creationDate&limit=2&offset=1", "k3 k2", "5"},
		{"?sort=extractable,-creationDate", "k4 k3 k2 k1 k0", "5"},
		{"?sort=creationDate&extractable=true", "k0", "1"},
		{"?sort=creationDate&extractable=false&state=0,1", "k1 k2 k3 k4", "4"},
		{"?state=5", "deleted", "1"},
		{"?sort=creationDate&state=1,5", "k0 k1 k2 k3 k4 deleted", "6"},
		{"?state=0", "", "0"},
		{"?limit=5000&offset=5", "", "5"},
	} {
		r := h.do(t, "GET", "/keys"+c.query+"&totalCount=true", "").want(t, 200, "")
		names := []string{}
		for _, k := range r.JSON["resources"].([]any) {
			names = append(names, k.(map[string]any)["name"].(string))
		}
		metadata := r.JSON["metadata"].(map[string]any)
		if strings.Join(names, " ") != c.names || fmt.Sprint(metadata["totalCount"]) != c.total || metadata["collectionTotal"] != float64(len(names)) {
			t.Errorf("%s: %v, %v", c.query, names, metadata)
		}
	}
	if metadata := h.do(t, "GET", "/keys", "").JSON["metadata"].(map[string]any); metadata["totalCount"] != nil {
		t.Errorf("counted without being asked: %v", metadata)
	}
	r := h.do(t, "HEAD", "/keys?extractable=false", "")
	if r.status != 200 || r.header.Get("Key-Total") != "4" || r.text != "" {
		t.Errorf("HEAD: %d, %v", r.status, r.header)
	}
	if r := h.do(t, "GET", "/keys", "", "X-Kms-Key-Ring: no-such-ring").want(t, 200, ""); len(r.JSON["resources"].([]any)) != 0 {
		t.Errorf("an unknown ring holds %s", r.text)
	}
}

func TestVersions(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	for range 3 {
		h.Clock.Advance(time.Hour)
		h.do(t, "POST", "/keys/"+id+"/actions/rotate", "{}").want(t, 204, "")
	}
	r := h.do(t, "GET", "/keys/"+id+"/versions?totalCount=true", "").want(t, 200, "")
	list := r.JSON["resources"].([]any)
	dates := []string{}
	for _, v := range list {
		dates = append(dates, v.(map[string]any)["creationDate"].(string))
	}
	if len(list) != 4 || list[3].(map[string]any)["id"] != id || !slices.IsSortedFunc(dates, func(a, b string) int { return strings.Compare(b, a) }) ||
		r.JSON["metadata"].(map[string]any)["totalCount"] != 4.0 {
		t.Errorf("%s", r.text)
	}
	if r := h.do(t, "GET", "/keys/"+id+"/versions?limit=1&offset=3", ""); r.resource(t)["id"] != id {
		t.Errorf("%s", r.text)
	}
	h.do(t, "DELETE", "/keys/"+id, "")
	h.do(t, "GET", "/keys/"+id+"/versions", "").want(t, 410, "KEY_DELETED_ERR")
	h.do(t, "GET", "/keys/"+id+"/versions?allKeyStates=true", "").want(t, 200, "")
}
