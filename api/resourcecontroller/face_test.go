package resourcecontroller_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/api/resourcecontroller"
	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/httpface"
	"strongroom/resource"
	"strongroom/resource/resourcetest"
)

const (
	publicURL = "https://127.0.0.1:8443"
	s3URL     = "https://127.0.0.1:9443"
)

// rig is the face on a house, with callers whose token is their name.
type rig struct {
	*resourcetest.House
	resources *resource.Service
	server    *httptest.Server
	callers   map[string]iam.Caller
}

func newRig(t testing.TB) *rig {
	t.Helper()
	h := resourcetest.New(t)
	r := &rig{House: h, resources: h.Service(), callers: map[string]iam.Caller{"admin": resourcetest.Admin()}}
	foreign := iamtest.Caller(resourcetest.OtherAccount, "0000000009")
	foreign.Owner = true
	r.callers["foreign"] = foreign
	router := &httpface.Router{}
	httpface.Mount(router, resourcecontroller.New(resourcecontroller.Config{
		Resources: r.resources, Identities: r, Log: h.Log, PublicURL: publicURL, S3URL: s3URL, Region: resourcetest.Region,
		Now: h.Clock.Now, Logger: slog.New(slog.DiscardHandler),
	}))
	r.server = httptest.NewServer(router)
	t.Cleanup(r.server.Close)
	return r
}

// Authenticate implements resourcecontroller.Identities.
func (r *rig) Authenticate(_ context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	who, ok := r.callers[token]
	if !ok {
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	who.Trail = trail
	return who, nil
}

// user adds a caller of Account with these grants.
func (r *rig) user(name string, grants ...resourcetest.Grant) {
	who := iamtest.Caller(resourcetest.Account, "000000"+name)
	r.Access.Give(who, grants...)
	r.callers[name] = who
}

// object is a JSON object of an answer.
type object map[string]any

// at follows a path of members and indexes, as "errors.0.code".
func (o object) at(path string) any {
	var v any = map[string]any(o)
	for _, part := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			member, ok := x[part]
			if !ok {
				return missing{}
			}
			v = member
		case []any:
			var n int
			if _, err := fmt.Sscan(part, &n); err != nil || n >= len(x) {
				return missing{}
			}
			v = x[n]
		default:
			return missing{}
		}
	}
	return v
}

// missing is what at returns for a member that is not there.
type missing struct{}

func (o object) text(path string) string {
	s, _ := o.at(path).(string)
	return s
}

// do sends a request as the caller whose token it is, and wants the status.
func (r *rig) do(t testing.TB, token, method, path, body string, want int) object {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.server.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		req.Header.Set("Authorization", "bearer "+token)
	}
	return r.send(t, req, want)
}

func (r *rig) send(t testing.TB, req *http.Request, want int) object {
	t.Helper()
	res, err := r.server.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != want {
		t.Fatalf("%s %s: %d, want %d: %s", req.Method, req.URL.Path, res.StatusCode, want, raw)
	}
	if uuid.Validate(res.Header.Get("Transaction-Id")) != nil {
		t.Errorf("%s %s: transaction ID is %q", req.Method, req.URL.Path, res.Header.Get("Transaction-Id"))
	}
	if len(raw) == 0 {
		return nil
	}
	if got := res.Header.Get("Content-Type"); got != "application/json" {
		t.Errorf("%s %s: content type is %q", req.Method, req.URL.Path, got)
	}
	var o object
	if err := json.Unmarshal(raw, &o); err != nil {
		t.Fatalf("%s %s: %v: %s", req.Method, req.URL.Path, err, raw)
	}
	return o
}

// escape writes a name as one segment of a path, as the SDKs do.
func escape(name string) string { return url.PathEscape(name) }

// newInstance makes an instance over the wire, a second after the one before.
func (r *rig) newInstance(t testing.TB, plan, location, name string) object {
	t.Helper()
	r.Clock.Advance(time.Second)
	return r.do(t, "admin", "POST", "/v2/resource_instances", fmt.Sprintf(
		`{"name":%q,"parameters":{},"resource_group":%q,"resource_plan_id":%q,"target":"crn:v1:bluemix:public:globalcatalog::::deployment:%s%%3A%s"}`,
		name, r.Group.ID, plan, plan, location), http.StatusCreated)
}

func (r *rig) newKeys(t testing.TB, name string) object {
	t.Helper()
	return r.newInstance(t, resourcetest.KeysPlan, resourcetest.Region, name)
}

func (r *rig) newStore(t testing.TB, name string) object {
	t.Helper()
	return r.newInstance(t, resourcetest.StorePlan, resource.Global, name)
}
