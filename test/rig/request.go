package rig

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"

	"strongroom/test/openapi"
)

// Request is one request to the control APIs.
type Request struct {
	Method, Path string // the path escaped, with its query
	Token        string // bearer; empty for none
	Header       http.Header
	Body         string
}

// Answer is what came back.
type Answer struct {
	ID     string // of the request, where whoever sent it has given one
	Status int
	Header http.Header
	Body   []byte
}

// OK says whether the request was carried out.
func (a Answer) OK() bool { return a.Status/100 == 2 }

// Send sends a request, and holds it and its answer against the description of
// the interface.
func (r *Rig) Send(t *testing.T, q Request) Answer {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), q.Method, r.URL+q.Path, bytes.NewReader([]byte(q.Body)))
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range q.Header {
		req.Header[name] = values
	}
	if q.Token != "" {
		req.Header.Set("Authorization", "Bearer "+q.Token)
	}
	if q.Body != "" && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := r.Client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", q.Method, q.Path, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatalf("%s %s: %v", q.Method, q.Path, err)
	}
	a := Answer{Status: resp.StatusCode, Header: resp.Header, Body: body}
	r.judge(t, openapi.Request{
		Method: q.Method, Path: req.URL.EscapedPath(), Query: req.URL.RawQuery, Header: req.Header, Body: []byte(q.Body),
	}, a)
	return a
}

// Must sends a request that has to be carried out, and decodes the answer into v
// unless v is nil.
func (r *Rig) Must(t *testing.T, q Request, v any) Answer {
	t.Helper()
	a := r.Send(t, q)
	if !a.OK() {
		t.Fatalf("%s %s: %d %s", q.Method, q.Path, a.Status, a.Body)
	}
	if v != nil {
		if err := json.Unmarshal(a.Body, v); err != nil {
			t.Fatalf("%s %s: %v: %s", q.Method, q.Path, err, a.Body)
		}
	}
	return a
}

// Token exchanges an API key for an access token.
func (r *Rig) Token(t *testing.T, apiKey string) string {
	t.Helper()
	var answer struct {
		Token string `json:"access_token"`
	}
	r.Must(t, Request{
		Method: http.MethodPost, Path: "/identity/token",
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
		Body:   url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {apiKey}}.Encode(),
	}, &answer)
	return answer.Token
}

// Identity is a service ID with an API key.
type Identity struct {
	ID, IAM string // "ServiceId-…" and "iam-ServiceId-…"
	APIKey  string
	Token   string
}

// NewIdentity makes a service ID in an account, with a token and no access.
func (r *Rig) NewIdentity(t *testing.T, in Account, name string) Identity {
	t.Helper()
	owner := r.Token(t, in.APIKey)
	var made struct {
		ID     string `json:"id"`
		IAM    string `json:"iam_id"`
		APIKey struct {
			Value string `json:"apikey"`
		} `json:"apikey"`
	}
	r.Must(t, Request{
		Method: http.MethodPost, Path: "/v1/serviceids", Token: owner,
		Body: JSON(map[string]any{"account_id": in.ID, "name": name, "apikey": map[string]any{"name": name}}),
	}, &made)
	id := Identity{ID: made.ID, IAM: made.IAM, APIKey: made.APIKey.Value}
	id.Token = r.Token(t, id.APIKey)
	return id
}

// Grant gives an identity a role, by its CRN, on what the attributes say, and
// returns the ID of the policy.
func (r *Rig) Grant(t *testing.T, in Account, iamID, role string, on map[string]string) string {
	t.Helper()
	attributes := []map[string]string{{"key": "accountId", "operator": "stringEquals", "value": in.ID}}
	for key, value := range on {
		attributes = append(attributes, map[string]string{"key": key, "operator": "stringEquals", "value": value})
	}
	var made struct {
		ID string `json:"id"`
	}
	r.Must(t, Request{
		Method: http.MethodPost, Path: "/v2/policies", Token: r.Token(t, in.APIKey),
		Body: JSON(map[string]any{
			"type":     "access",
			"control":  map[string]any{"grant": map[string]any{"roles": []any{map[string]string{"role_id": role}}}},
			"subject":  map[string]any{"attributes": []any{map[string]string{"key": "iam_id", "operator": "stringEquals", "value": iamID}}},
			"resource": map[string]any{"attributes": attributes},
		}),
	}, &made)
	return made.ID
}

// JSON encodes a body.
func JSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // a mistake in the test
	}
	return string(b)
}

// readOperator reads from the credentials file what the first start has made.
func (r *Rig) readOperator(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		values[name] = strings.Trim(value, "'")
	}
	r.Operator = Account{
		ID: values["STRONGROOM_ACCOUNT_ID"], ResourceGroup: values["STRONGROOM_RESOURCE_GROUP_ID"],
		APIKey: values["STRONGROOM_API_KEY"],
	}
}
