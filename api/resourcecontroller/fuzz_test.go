package resourcecontroller_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strongroom/api/resourcecontroller"
	"strongroom/resource/resourcetest"
)

// noDefect sends a request and wants an answer in the face's shape that blames
// the request, if anything.
func (r *rig) noDefect(t *testing.T, method, path, body string) {
	t.Helper()
	req := httptest.NewRequestWithContext(t.Context(), method, "/", strings.NewReader(body))
	req.URL.Path, req.URL.RawPath = "", ""
	u, err := req.URL.Parse(path)
	if err != nil || u.Host != "" || strings.ContainsAny(path, "?#") {
		t.Skip()
	}
	req.URL = u
	req.Header.Set("Authorization", "Bearer admin")
	w := httptest.NewRecorder()
	r.server.Config.Handler.ServeHTTP(w, req)
	res := w.Result()
	raw, _ := io.ReadAll(res.Body)
	if res.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s %q %q: %d %s", method, path, body, res.StatusCode, raw)
	}
	if len(raw) > 0 && res.Header.Get("Content-Type") != "application/json" && strings.HasPrefix(u.Path, "/v2/resource_instances") {
		t.Errorf("%s %q: %s %q", method, path, res.Header.Get("Content-Type"), raw)
	}
}

func FuzzCreateInstance(f *testing.F) {
	r := newRig(f)
	f.Add(fmt.Sprintf(`{"name":"n","target":"us-south","resource_group":%q,"resource_plan_id":%q,"tags":["a"],"parameters":{"x":1}}`, r.Group.ID, resourcetest.KeysPlan))
	f.Add(`{"parameters":{"onetime_credentials":"yes"}}`)
	f.Add(`{"target":"crn:v1:bluemix:public:globalcatalog::::deployment:%3A"}`)
	f.Fuzz(func(t *testing.T, body string) { r.noDefect(t, "POST", "/v2/resource_instances", body) })
}

func FuzzUpdateInstance(f *testing.F) {
	r := newRig(f)
	path := "/v2/resource_instances/" + r.newKeys(f, "one").text("guid")
	f.Add(`{"name":"x","allow_cleanup":true,"parameters":{"a":[1,2]}}`)
	f.Add(`{"resource_plan_id":"eedd3585-90c6-4c8f-be3d-062069e99fc3","parameters":null}`)
	f.Fuzz(func(t *testing.T, body string) { r.noDefect(t, "PATCH", path, body) })
}

func FuzzInstancePath(f *testing.F) {
	r := newRig(f)
	i := r.newKeys(f, "one")
	for _, id := range []string{i.text("guid"), escape(i.text("crn")), "crn:v1:::::::", "%2F%2e%2e", "a%00b", "crn:v1:bluemix:public:kms:us-south:a%2Fx:y:resource-key:z"} {
		f.Add("GET", id)
		f.Add("DELETE", id+"/lock")
	}
	f.Fuzz(func(t *testing.T, method, id string) {
		if method != "GET" && method != "DELETE" && method != "POST" {
			t.Skip()
		}
		r.noDefect(t, method, "/v2/resource_instances/"+id, "")
	})
}

func FuzzCreateKey(f *testing.F) {
	r := newRig(f)
	guid := r.newStore(f, "one").text("guid")
	f.Add(fmt.Sprintf(`{"name":"k","source":%q,"role":"Writer","parameters":{"HMAC":"true"}}`, guid))
	f.Add(`{"parameters":{"HMAC":7}}`)
	f.Fuzz(func(t *testing.T, body string) { r.noDefect(t, "POST", "/v2/resource_keys", body) })
}

func FuzzSearchQuery(f *testing.F) {
	f.Add(`crn:"crn:v1:bluemix:public:kms:us-south:a/x:y::" AND tags:"a:b"`)
	f.Add(`name:\"x\" AND *`)
	f.Fuzz(func(t *testing.T, query string) {
		if err := resourcecontroller.ParseSearch(query); err != nil && !strings.Contains(err.Error(), "query") {
			t.Errorf("%q: %v", query, err)
		}
	})
}
