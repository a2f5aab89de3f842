package iamidentity_test

import (
	"bytes"
	"compress/gzip"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

func TestAPIKeyLife(t *testing.T) {
	r := newRig(t)
	expires := r.clock.Now().Add(time.Hour).Format("2006-01-02T15:04-0700")
	a := r.status(r.as(r.token, "POST", "/v1/apikeys", `{"name":"app","iam_id":"`+r.owner+`","account_id":"`+r.account+`",
		"description":"d","action_when_leaked":"disable","expires_at":"`+expires+`","unknown":1}`, "Entity-Lock", "true"), 201)
	id, tag := a.text("id"), a.header.Get("ETag")
	if len(a.text("apikey")) != 44 || tag == "" || tag != a.text("entity_tag") || a.body["locked"] != true || a.body["disabled"] != false {
		t.Errorf("created: %s", a.raw)
	}
	if want := "crn:v1:bluemix:public:iam-identity::a/" + r.account + "::apikey:" + id; a.text("crn") != want {
		t.Errorf("CRN is %s", a.text("crn"))
	}
	value := a.text("apikey")
	path := "/v1/apikeys/" + id

	a = r.status(r.as(r.token, "GET", path+"?include_activity=true&include_history=true", ""), 200)
	if v, ok := a.body["apikey"]; !ok || v != "" || a.header.Get("ETag") != tag || a.body["activity"] == nil || a.body["history"] == nil {
		t.Errorf("read: %s", a.raw)
	}
	a = r.status(r.as(r.token, "PUT", path, `{"name":"x"}`, "If-Match", tag), 409)
	if a.text("errors", 0, "code") != "conflict" || a.body["status_code"] != float64(409) || a.text("trace") == "" ||
		a.text("context", "operation") != "iam-identity.apikey.update" {
		t.Errorf("locked: %s", a.raw)
	}
	r.status(r.as(r.token, "DELETE", path+"/lock", ""), 204)
	r.status(r.as(r.token, "PUT", path, `{"name":"x"}`, "If-Match", tag), 409) // unlocking changed the tag
	a = r.status(r.as(r.token, "PUT", path, `{"name":"x"}`, "If-Match", "*"), 200)
	if a.text("name") != "x" || a.text("description") != "d" {
		t.Errorf("updated: %s", a.raw)
	}
	a = r.status(r.as(r.token, "PUT", path, `{"description":""}`, "If-Match", `"`+a.header.Get("ETag")+`"`), 200)
	if a.text("description") != "" || a.text("name") != "x" {
		t.Errorf("updated: %s", a.raw)
	}

	a = r.status(r.as(r.token, "GET", "/v1/apikeys/details", "", "IAM-ApiKey", value), 200)
	if a.text("id") != id || a.text("apikey") != "" {
		t.Errorf("details: %s", a.raw)
	}
	r.status(r.as(r.token, "GET", "/v1/apikeys/details", "", "IAM-ApiKey", "nobodys"), 404)
	r.status(r.as(r.token, "GET", "/v1/apikeys/details", ""), 404)

	r.status(r.as(r.token, "POST", path+"/disable", ""), 204)
	r.status(r.form(apiKeyGrant(value)), 400)
	r.status(r.as(r.token, "DELETE", path+"/disable", ""), 204)
	mine := r.login(value)
	r.status(r.as(mine, "DELETE", path, ""), 204)
	r.status(r.as(mine, "GET", path, ""), 401)
	r.status(r.as(r.token, "GET", path, ""), 404)
	r.status(r.as(r.token, "DELETE", path, ""), 404)
	r.status(r.form(apiKeyGrant(value)), 400)
}

func TestAPIKeyRequestsThatAreRefused(t *testing.T) {
	r := newRig(t)
	me := `"iam_id":"` + r.owner + `"`
	for name, c := range map[string]struct {
		body   string
		status int
	}{
		"not JSON":        {`{`, 400},
		"no body":         {``, 400},
		"no name":         {`{` + me + `}`, 400},
		"no identity":     {`{"name":"k"}`, 400},
		"value is stored": {`{"name":"k",` + me + `,"store_value":true}`, 400},
		"sessions":        {`{"name":"k",` + me + `,"support_sessions":true}`, 400},
		"short value":     {`{"name":"k",` + me + `,"apikey":"short"}`, 400},
		"no time":         {`{"name":"k",` + me + `,"expires_at":"tomorrow"}`, 400},
		"past":            {`{"name":"k",` + me + `,"expires_at":"2020-01-01T00:00+0000"}`, 400},
		"other account":   {`{"name":"k",` + me + `,"account_id":"f00"}`, 403},
		"nobody":          {`{"name":"k","iam_id":"IBMid-NOBODY"}`, 404},
	} {
		t.Run(name, func(t *testing.T) {
			a := r.as(r.token, "POST", "/v1/apikeys", c.body)
			if a.status != c.status || a.text("errors", 0, "message") == "" || strings.Contains(a.raw, `"errors":[]`) {
				t.Errorf("got %d %s", a.status, a.raw)
			}
			if a := r.send("POST", "/v1/apikeys", c.body); a.status != 401 {
				t.Errorf("without a token: %d %s", a.status, a.raw)
			}
		})
	}
	r.status(r.as(r.token, "POST", "/v1/apikeys", `{"name":"k",`+me+`}`, "Entity-Lock", "perhaps"), 400)
	r.status(r.as(r.token, "PATCH", "/v1/apikeys", `{}`), 405)
}

func TestGzippedBody(t *testing.T) {
	r := newRig(t)
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(`{"name":"zipped","iam_id":"` + r.owner + `"}`))
	r.must(err)
	r.must(z.Close())
	r.status(r.as(r.token, "POST", "/v1/apikeys/", b.String(), "Content-Encoding", "gzip"), 201)
}

func TestAPIKeyListsArePaged(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"a", "b", "c"} {
		r.clock.Advance(time.Second)
		r.status(r.as(r.token, "POST", "/v1/apikeys", `{"name":"`+name+`","iam_id":"`+r.owner+`"}`), 201)
	}
	path, seen := "/v1/apikeys?account_id="+r.account+"&scope=account&type=user&pagesize=3&sort=name&order=desc", ""
	for path != "" {
		a := r.status(r.as(r.token, "GET", path, ""), 200)
		if !strings.HasPrefix(a.text("first"), base+"/v1/apikeys?") || a.body["limit"] != float64(3) || a.body["offset"] != float64(0) {
			t.Fatalf("page: %s", a.raw)
		}
		keys, _ := a.body["apikeys"].([]any)
		for i := range keys {
			seen += a.text("apikeys", i, "name") + " "
		}
		next := a.text("next")
		if path = strings.TrimPrefix(next, base); next != "" {
			u, err := url.Parse(next)
			if err != nil || u.Query().Get("pagetoken") == "" {
				t.Fatalf("next is %q", next)
			}
		}
	}
	if seen != "owner c b a " {
		t.Errorf("seen %q", seen)
	}
	for _, query := range []string{"pagesize=0", "pagesize=101", "pagesize=x", "sort=digest", "order=up", "pagetoken=x", "filter=x", "scope=world", "type=robot"} {
		r.status(r.as(r.token, "GET", "/v1/apikeys?"+query, ""), 400)
	}
	r.status(r.as(r.token, "GET", "/v1/apikeys?account_id=f00", ""), 403)
}

func FuzzAPIKeyBody(f *testing.F) {
	r := newRig(f)
	for _, seed := range []string{
		`{"name":"k","iam_id":"` + r.owner + `"}`, `{}`, `[]`, `null`, `{"name":1}`, `{"name":"k","iam_id":"x","expires_at":"9999-99-99"}`,
		`{"name":"` + strings.Repeat("x", 300) + `"}`, "{\"name\":\"\\u0000\",\"iam_id\":\"" + r.owner + "\"}", `{"apikey":"` + strings.Repeat("ab", 30) + `"}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, route := range []string{"POST /v1/apikeys", "PUT /v1/apikeys/ApiKey-none", "POST /v1/serviceids/", "POST /v2/accounts/" + r.account + "/users"} {
			method, path, _ := strings.Cut(route, " ")
			req := httptest.NewRequest(method, path, strings.NewReader(body))
			req.Header.Set("Authorization", "Bearer "+r.token)
			req.Header.Set("If-Match", "*")
			w := httptest.NewRecorder()
			r.handler.ServeHTTP(w, req)
			if w.Code >= 500 {
				t.Errorf("%s %q: %d %s", route, body, w.Code, w.Body)
			}
		}
	})
}
