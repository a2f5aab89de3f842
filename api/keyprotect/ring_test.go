package keyprotect_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestRings(t *testing.T) {
	h := newHouse(t)
	made := h.do(t, "POST", "/key_rings/team-a", "null").want(t, 201, "")
	if made.text != "" || made.header.Get("Content-Type") != "" {
		t.Errorf("a new ring is answered %q of type %q: IBM's client needs nothing", made.text, made.header.Get("Content-Type"))
	}
	h.do(t, "POST", "/key_rings/team-b", "").want(t, 201, "")
	h.do(t, "POST", "/key_rings/team-a", "").want(t, 409, "KEY_RING_ID_NOT_UNIQUE_ERR")
	h.do(t, "POST", "/key_rings/a%20b", "").want(t, 400, "INVALID_FIELD_ERR")

	list := h.do(t, "GET", "/key_rings?totalCount=true", "").want(t, 200, "")
	if got := fmt.Sprint(list.JSON["metadata"]); got != "map[collectionTotal:3 collectionType:application/vnd.ibm.kms.key_ring+json totalCount:3]" {
		t.Errorf("metadata %s", got)
	}
	only(t, list.resource(t), "id")
	named := list.JSON["resources"].([]any)[1].(map[string]any)
	if named["id"] != "team-a" || named["createdBy"] != "IBMid-owner" {
		t.Errorf("%v", named)
	}
	only(t, named, "id", "creationDate", "createdBy")
	page := h.do(t, "GET", "/key_rings?limit=1&offset=2", "").want(t, 200, "")
	if page.resource(t)["id"] != "team-b" {
		t.Errorf("%s", page.text)
	}
	for _, query := range []string{"limit=0", "limit=5001", "offset=-1", "state=1"} {
		h.do(t, "GET", "/key_rings?"+query, "").want(t, 400, "INVALID_QUERY_PARAM_ERR")
	}

	id := h.do(t, "POST", "/keys", newKey(`"name":"mine"`), "X-Kms-Key-Ring: team-a").want(t, 201, "").resource(t)["id"].(string)
	h.do(t, "POST", "/keys", newKey(`"name":"mine"`), "X-Kms-Key-Ring: team-z").want(t, 404, "KEY_RING_NOT_FOUND_ERR")
	h.do(t, "DELETE", "/key_rings/team-a?force=true", "").want(t, 409, "KEY_RING_NOT_EMPTY_ERR")
	moved := h.do(t, "PATCH", "/keys/"+id, `{"KeyRingID":"team-b"}`, "X-Kms-Key-Ring: team-a").want(t, 200, "").resource(t)
	if moved["keyRingID"] != "team-b" {
		t.Errorf("%v", moved)
	}
	h.do(t, "DELETE", "/key_rings/team-a?force=false", "").want(t, 204, "")
	h.do(t, "DELETE", "/key_rings/team-a", "").want(t, 404, "KEY_RING_NOT_FOUND_ERR")
	h.do(t, "PATCH", "/keys/"+id, `{"keyRingID":"team-a"}`).want(t, 404, "KEY_RING_NOT_FOUND_ERR")
	h.do(t, "PATCH", "/keys/"+id, `{"name":"other"}`).want(t, 400, "BAD_BODY_ERR")
	h.do(t, "PATCH", "/keys/"+id, ``).want(t, 400, "INVALID_FIELD_ERR")
	h.do(t, "PATCH", "/keys/"+absent, `{"keyRingID":"team-b"}`).want(t, 404, "KEY_NOT_FOUND_ERR")

	// As Terraform does it: the keys are deleted, and then the ring with force.
	h.do(t, "DELETE", "/keys/"+id, "").want(t, 204, "")
	h.do(t, "DELETE", "/key_rings/team-b", "").want(t, 409, "KEY_RING_NOT_EMPTY_ERR")
	h.do(t, "DELETE", "/key_rings/team-b?force=true", "").want(t, 204, "")
	h.do(t, "DELETE", "/key_rings/default?force=true", "").want(t, 400, "INVALID_FIELD_ERR")
	if got := h.do(t, "GET", "/keys/"+id, "").want(t, 200, "").resource(t)["keyRingID"]; got != "default" {
		t.Errorf("the deleted key is in ring %v", got)
	}
}

func TestAliases(t *testing.T) {
	h := newHouse(t)
	id := h.root(t)
	made := h.do(t, "POST", "/keys/"+id+"/aliases/pay", "").want(t, 201, "")
	if made.header.Get("Content-Type") != "application/vnd.ibm.kms.alias+json" {
		t.Errorf("content type %s", made.header.Get("Content-Type"))
	}
	only(t, made.resource(t), "keyId", "alias", "createdBy", "creationDate")
	if got := h.do(t, "GET", "/keys/pay", "").want(t, 200, "").resource(t)["id"]; got != id {
		t.Errorf("the alias finds %v", got)
	}
	other := h.root(t)
	h.do(t, "POST", "/keys/"+other+"/aliases/pay", "").want(t, 409, "KEY_ALIAS_NOT_UNIQUE_ERR")
	h.do(t, "POST", "/keys/"+other+"/aliases/registrations", "").want(t, 400, "INVALID_FIELD_ERR")
	h.do(t, "DELETE", "/keys/"+other+"/aliases/pay", "").want(t, 404, "KEY_ALIAS_NOT_FOUND_ERR")
	for i := range 4 {
		h.do(t, "POST", fmt.Sprintf("/keys/pay/aliases/pay-%d", i), "").want(t, 201, "")
	}
	h.do(t, "POST", "/keys/pay/aliases/pay-4", "").want(t, 409, "KEY_ALIAS_QUOTA_ERR")
	h.do(t, "DELETE", "/keys/pay/aliases/pay", "").want(t, 204, "")
	h.do(t, "GET", "/keys/pay", "").want(t, 404, "KEY_NOT_FOUND_ERR")
}

func TestListFiltersAndSearches(t *testing.T) {
	h := newHouse(t)
	for _, fields := range []string{
		`"name":"Payments root","extractable":false,"aliases":["pay"]`, `"name":"billing root","extractable":false`, `"name":"a note","extractable":true`,
	} {
		h.create(t, fields)
	}
	now := h.Clock.Now().Format("2006-01-02T15:04:05Z07:00")
	for query, want := range map[string]string{
		"":                                       "Payments root,a note,billing root",
		"search=ROOT":                            "Payments root,billing root",
		"search=root,":                           "Payments root,billing root",
		"search=not:alias:pay":                   "a note,billing root",
		"search=exact:name:A+note":               "a note",
		"filter=+extractable%3Dtrue":             "a note",
		"filter=state%3D1+lastRotateDate%3Dnone": "Payments root,a note,billing root",
		"filter=state%3D2":                       "",
		"filter=creationDate%3D%22" + now + "%22":      "Payments root,a note,billing root",
		"filter=creationDate%3Dgt%3A%22" + now + "%22": "",
		"filter=extractable%3Dfalse&search=pay":        "Payments root",
	} {
		list := h.do(t, "GET", "/keys?totalCount=true&"+query, "").want(t, 200, "")
		var got []string
		for _, k := range list.JSON["resources"].([]any) {
			got = append(got, k.(map[string]any)["name"].(string))
		}
		wanted := strings.Split(want, ",")
		if want == "" {
			wanted = nil
		}
		metadata := list.JSON["metadata"].(map[string]any)
		if !sameSet(got, wanted) || metadata["totalCount"] != float64(len(wanted)) {
			t.Errorf("%s: got %v of %v, want %v", query, got, metadata["totalCount"], wanted)
		}
		if !strings.Contains(query, "search") {
			if _, ok := metadata["searchQuery"]; ok {
				t.Errorf("%s: %v", query, metadata)
			}
			if total := h.do(t, "HEAD", "/keys?"+query, "").header.Get("Key-Total"); total != fmt.Sprint(len(wanted)) {
				t.Errorf("%s: counted %s", query, total)
			}
		}
	}
	found := h.do(t, "GET", "/keys?search=not:exact:alias:pay", "").want(t, 200, "")
	if got := fmt.Sprint(found.JSON["metadata"].(map[string]any)["searchQuery"]); got != "map[exact:true not:true query:pay scopes:[alias]]" {
		t.Errorf("searchQuery %s", got)
	}
	for _, query := range []string{
		"filter=x", "filter=state%3D1&state=1", "filter=extractable%3Dtrue&extractable=true", "search=", "search=not:",
		"filter=creationDate%3Dlt%3Anone",
	} {
		h.do(t, "GET", "/keys?"+query, "").want(t, 400, "INVALID_QUERY_PARAM_ERR")
	}
	if r := h.do(t, "HEAD", "/keys?search=x", ""); r.status != 400 {
		t.Errorf("HEAD knows no search, and answers %d", r.status)
	}
}

func sameSet(a, b []string) bool {
	seen := map[string]int{}
	for _, s := range a {
		seen[s]++
	}
	for _, s := range b {
		seen[s]--
	}
	for _, n := range seen {
		if n != 0 {
			return false
		}
	}
	return true
}
