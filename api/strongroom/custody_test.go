package strongroom_test

import (
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/api/strongroom"
	"strongroom/server"
	"strongroom/test/rig"
)

// purgedPage is the answer of a list of what was purged.
type purgedPage struct {
	Purged []struct {
		Key          string
		State        string
		Generations  []int
		RecoverySets []string `json:"recovery_sets"`
		Seals        []string
		ShreddedAt   string `json:"shredded_at"`
		ExpectedAt   string `json:"shredding_expected_at"`
	}
	Next           string
	Total, Deleted int
	PurgedBy       string `json:"deleted_purged_by"`
}

// keyInstance returns the Key Protect instance of the first start, in which the owner may purge.
func keyInstance(t *testing.T, r *rig.Rig, token string) string {
	t.Helper()
	var owner struct {
		IAM string `json:"iam_id"`
	}
	r.Must(t, rig.Request{Method: http.MethodGet, Path: "/identity/userinfo", Token: token}, &owner)
	r.Grant(t, r.Operator, owner.IAM, "crn:v1:bluemix:public:kms::::serviceRole:KeyPurge", map[string]string{"serviceName": "kms"})
	var all struct{ Resources []struct{ GUID, Name string } }
	r.Must(t, rig.Request{Method: http.MethodGet, Path: "/v2/resource_instances", Token: token}, &all)
	for _, in := range all.Resources {
		if in.Name == "key-protect" {
			return in.GUID
		}
	}
	t.Fatal("no Key Protect instance")
	return ""
}

// purgeKey makes a key and deletes it, and then perhaps purges it.
func purgeKey(t *testing.T, r *rig.Rig, instance, token, name string, purge bool) (id string) {
	t.Helper()
	var made struct {
		Resources []struct{ ID string }
	}
	send := func(method, path string, body any, into any) {
		t.Helper()
		q := rig.Request{Method: method, Path: path, Token: token, Header: http.Header{"Bluemix-Instance": {instance}}}
		if body != nil {
			q.Body = rig.JSON(body)
		}
		r.Must(t, q, into)
	}
	const kind = "application/vnd.ibm.kms.key+json"
	send(http.MethodPost, "/api/v2/keys", map[string]any{
		"metadata":  map[string]any{"collectionType": kind, "collectionTotal": 1},
		"resources": []any{map[string]any{"type": kind, "name": name, "extractable": false}},
	}, &made)
	id = made.Resources[0].ID
	send(http.MethodDelete, "/api/v2/keys/"+id, nil, nil)
	if purge {
		r.Clock.Forward(time.Second)
		send(http.MethodDelete, "/api/v2/keys/"+id+"/purge", nil, nil)
	}
	return id
}

// TestPurgedKeysAreShreddedWithTheirMasters follows two purged keys and a deleted one through a
// rotation, and a migration after which what sealed the old masters is destroyed.
func TestPurgedKeysAreShreddedWithTheirMasters(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.key")
	r := rig.Start(t, func(c *server.Config) {
		c.Keys.PurgeWait = 1
		c.Custody.Modules = []server.CryptoModule{{Name: "other", Software: &server.Software{KeyFile: other}}}
	})
	token := r.Token(t, r.Operator.APIKey)
	in := keyInstance(t, r, token)
	keys := []string{purgeKey(t, r, in, token, "one", true), purgeKey(t, r, in, token, "two", true)}
	purgeKey(t, r, in, token, "three", false)
	list := func(query string) (p purgedPage) {
		t.Helper()
		r.Must(t, rig.Request{Method: http.MethodGet, Path: "/strongroom/v1/custody/purged" + query, Token: token}, &p)
		return p
	}
	p := list("")
	if p.Total != 2 || p.Deleted != 1 || p.PurgedBy == "" || len(p.Purged) != 2 {
		t.Fatalf("before: %+v", p)
	}
	for i, is := range p.Purged {
		if is.Key != keys[i] || is.State != "purged" || !cmp.Equal(is.Generations, []int{1}) || is.ExpectedAt == "" || is.ShreddedAt != "" {
			t.Errorf("before: %+v", is)
		}
	}
	first := list("?limit=1")
	if second := list("?limit=1&cursor=" + first.Next); len(first.Purged) != 1 || len(second.Purged) != 1 || second.Purged[0].Key != keys[1] {
		t.Errorf("page by page: %+v, %+v", first, second)
	}

	post := func(path string, body any) int {
		t.Helper()
		return r.Send(t, rig.Request{Method: http.MethodPost, Path: "/strongroom/v1/custody" + path, Token: token, Body: rig.JSON(body)}).Status
	}
	if got := post("/rotations", map[string]any{}); got != http.StatusCreated {
		t.Fatalf("rotation: %d", got)
	}
	for deadline := time.Now().Add(5 * time.Minute); post("/retirements", map[string]any{"generation": 1}) != http.StatusNoContent; {
		if time.Now().After(deadline) {
			t.Fatal("the masters are not retired")
		}
		time.Sleep(20 * time.Millisecond)
	}
	late := purgeKey(t, r, in, token, "four", true)
	p = list("")
	for i, is := range p.Purged {
		switch {
		// The masters are gone, but backups hold the file that they were in, and its seal is in use.
		case i < 2 && (is.State != "purged" || len(is.Generations) != 0 || !cmp.Equal(is.Seals, []string{"software"})):
			t.Errorf("after: %+v", is)
		case i == 2 && (is.State != "purged" || is.Key != late || !cmp.Equal(is.Generations, []int{2})):
			t.Errorf("purged under the new masters: %+v", is)
		}
	}
	if got := post("/retirements", map[string]any{"seal_of": "software"}); got != http.StatusConflict {
		t.Errorf("giving up a seal in use: %d", got)
	}
	if got := post("/retirements", map[string]any{"seal_of": "other"}); got != http.StatusNotFound {
		t.Errorf("giving up a seal that never was: %d", got)
	}
	if got := post("/migrations", map[string]any{"module": "other"}); got != http.StatusCreated {
		t.Fatalf("migration: %d", got)
	}
	for deadline := time.Now().Add(5 * time.Minute); post("/retirements", map[string]any{"generation": 2}) != http.StatusNoContent; {
		if time.Now().After(deadline) {
			t.Fatal("the masters are not retired")
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := post("/retirements", map[string]any{"seal_of": "software"}); got != http.StatusNoContent {
		t.Errorf("giving up the old seal: %d", got)
	}
	for _, is := range list("").Purged {
		if is.State != "shredded" || is.ShreddedAt == "" || is.ExpectedAt != "" || len(is.Generations)+len(is.Seals) != 0 {
			t.Errorf("with the seal destroyed: %+v", is)
		}
	}
}

func TestBadCustodyRequestsAreRefused(t *testing.T) {
	r := rig.Start(t)
	token := r.Token(t, r.Operator.APIKey)
	for _, q := range []rig.Request{
		{Method: http.MethodPost, Path: "/rotations", Body: rig.JSON(map[string]any{"module": "software"})},
		{Method: http.MethodPost, Path: "/migrations", Body: rig.JSON(map[string]any{})},
		{Method: http.MethodPost, Path: "/migrations", Body: rig.JSON([]any{})},
		{Method: http.MethodPost, Path: "/retirements", Body: rig.JSON(map[string]any{})},
		{Method: http.MethodPost, Path: "/retirements", Body: rig.JSON(map[string]any{"generation": -1})},
		{Method: http.MethodPost, Path: "/retirements", Body: rig.JSON(map[string]any{"generation": 1, "recovery_set": "x"})},
		{Method: http.MethodGet, Path: "/purged?limit=0"},
		{Method: http.MethodGet, Path: "/purged?cursor=forged"},
		{Method: http.MethodGet, Path: "/purged?state=shredded"},
	} {
		q.Path, q.Token = "/strongroom/v1/custody"+q.Path, token
		if a := r.Send(t, q); a.Status != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", q.Method, q.Path, a.Status, a.Body)
		}
	}
	for path, want := range map[string]int{
		`{"generation":9}`: http.StatusNotFound, `{"recovery_set":"none"}`: http.StatusNotFound, `{"generation":1}`: http.StatusConflict,
	} {
		a := r.Send(t, rig.Request{Method: http.MethodPost, Path: "/strongroom/v1/custody/retirements", Token: token, Body: path})
		if a.Status != want {
			t.Errorf("%s: %d %s, want %d", path, a.Status, a.Body, want)
		}
	}
}

func FuzzPurgedCursor(f *testing.F) {
	f.Add("MTc4Mjk0OTkxMDAwMDAwMCBpIGs")
	f.Add("")
	f.Add("IA")
	f.Fuzz(func(t *testing.T, text string) {
		if again, ok := strongroom.ReadCursor(text); ok {
			if once, ok := strongroom.ReadCursor(again); !ok || once != again {
				t.Errorf("%q is read as %q, and that as %q", text, again, once)
			}
		}
	})
}
