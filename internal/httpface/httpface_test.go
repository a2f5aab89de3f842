package httpface_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"strongroom/fault"
	"strongroom/internal/httpface"
)

type caller string

var errUnknown = fault.New(fault.Unauthenticated, "who are you")

// recording is what a face recorded of requests that reached no door.
type recording struct {
	events []string
	fail   error
}

func (r *recording) face(prefix string, routes ...httpface.Route[caller]) *httpface.Face[caller] {
	return &httpface.Face[caller]{
		Name: "test", Prefixes: []string{prefix}, Routes: routes, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Authenticate: func(_ context.Context, c *httpface.Call) (caller, error) {
			if token, ok := c.Bearer(); ok {
				return caller(token), nil
			}
			return "", errUnknown
		},
		Fail: func(_ *httpface.Call, err error) httpface.Answer {
			text, ok := fault.Explain(err)
			if !ok {
				text = "internal error"
			}
			return httpface.Answer{Status: fault.KindOf(err).Status(), Type: "text/plain", Bytes: []byte(prefix + " " + text)}
		},
		Record: func(_ context.Context, c *httpface.Call, who *caller, status int, _ error) error {
			name := "nobody"
			if who != nil {
				name = string(*who)
			}
			r.events = append(r.events, name+" "+c.Action+" "+http.StatusText(status))
			return r.fail
		},
		RequestID: []string{"Correlation-Id"},
	}
}

// say answers with what a route was given.
func say(_ context.Context, who caller, c *httpface.Call) (httpface.Answer, error) {
	return httpface.Answer{Type: "text/plain", Bytes: []byte(string(who) + " " + c.Route + " " + c.Path("id") + c.Path("sub"))}, nil
}

func ask(h http.Handler, method, target, token string, body io.Reader) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, body)
	if token != "" {
		r.Header.Set("Authorization", "bearer "+token)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestRouting(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/api/v2",
		httpface.Route[caller]{Method: "GET", Path: "/api/v2/keys", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/api/v2/keys/{id}", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/api/v2/keys/registrations", Handle: say},
		httpface.Route[caller]{Method: "POST", Path: "/api/v2/keys/{id}/actions/{sub}", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/v1/things/", Handle: say},
	))
	httpface.Mount(rt, rec.face("/"))

	for _, tc := range []struct {
		method, path string
		status       int
		body         string
	}{
		{"GET", "/api/v2/keys", 200, "me /api/v2/keys "},
		{"GET", "/api/v2/keys/abc", 200, "me /api/v2/keys/{id} abc"},
		{"GET", "/api/v2/keys/registrations", 200, "me /api/v2/keys/registrations "},
		{"GET", "/api/v2/keys/a%2Fb", 200, "me /api/v2/keys/{id} a/b"},
		{"GET", "/api/v2/keys/..", 200, "me /api/v2/keys/{id} .."},
		{"POST", "/api/v2/keys/registrations/actions/wrap", 200, "me /api/v2/keys/{id}/actions/{sub} registrationswrap"},
		{"GET", "/v1/things/", 200, "me /v1/things/ "},
		{"GET", "/v1/things", 404, "/ there is no such path: GET /v1/things"},
		{"GET", "/api/v2//keys", 404, "/api/v2 there is no such path: GET /api/v2//keys"},
		{"GET", "/api/v2/keys/", 404, "/api/v2 there is no such path: GET /api/v2/keys/"},
		{"PUT", "/api/v2/keys", 400, "/api/v2 the path does not know this method: PUT; it knows GET"},
		{"GET", "/api/v2" + strings.Repeat("/x", 100), 404, ""},
		{"GET", "/api/v22", 404, "/ there is no such path: GET /api/v22"},
	} {
		w := ask(rt, tc.method, tc.path, "me", nil)
		if w.Code != tc.status || (tc.body != "" && w.Body.String() != tc.body) {
			t.Errorf("%s %.80s: got %d %q, want %d %q", tc.method, tc.path, w.Code, w.Body, tc.status, tc.body)
		}
		if len(rec.events) == 0 {
			t.Errorf("%s %.80s: not recorded", tc.method, tc.path)
		}
		rec.events = nil
	}
}

func TestRouteWithoutOpenNeedsCaller(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/",
		httpface.Route[caller]{Method: "GET", Path: "/closed", Action: "look", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/open", Action: "peek", Open: func(context.Context, *httpface.Call) (httpface.Answer, error) {
			return httpface.Answer{Status: 204}, nil
		}},
	))
	if w := ask(rt, "GET", "/closed", "", nil); w.Code != 401 {
		t.Errorf("closed without a token: %d", w.Code)
	}
	if w := ask(rt, "GET", "/open", "", nil); w.Code != 204 {
		t.Errorf("open: %d", w.Code)
	}
	if got := strings.Join(rec.events, ", "); got != "nobody look Unauthorized, nobody peek No Content" {
		t.Errorf("recorded %s", got)
	}
}

func TestKnownCallerOfUnknownPathIsRecorded(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/", httpface.Route[caller]{Method: "GET", Path: "/x", Handle: say}))
	ask(rt, "GET", "/y", "me", nil)
	ask(rt, "PUT", "/x", "me", nil)
	ask(rt, "GET", "/y", "", nil)
	if got := strings.Join(rec.events, ", "); got != "me  Not Found, me  Bad Request, nobody  Not Found" {
		t.Errorf("recorded %s", got)
	}
}

func TestWhatCannotBeRecordedIsRefused(t *testing.T) {
	rec := recording{fail: fault.New(fault.Unavailable, "log is full")}
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/", httpface.Route[caller]{Method: "GET", Path: "/x", Handle: say}))
	if w := ask(rt, "GET", "/x", "me", nil); w.Code != 503 || strings.Contains(w.Body.String(), "me") {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestPanicIsInternal(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/", httpface.Route[caller]{Method: "GET", Path: "/x", Handle: func(context.Context, caller, *httpface.Call) (httpface.Answer, error) {
		panic("the secret is 42")
	}}))
	if w := ask(rt, "GET", "/x", "me", nil); w.Code != 500 || w.Body.String() != "/ internal error" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestObserverHearsAfterTheAnswer(t *testing.T) {
	var rec recording
	face := rec.face("/",
		httpface.Route[caller]{Method: "GET", Path: "/said", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/panics", Handle: func(context.Context, caller, *httpface.Call) (httpface.Answer, error) {
			panic("oh")
		}},
	)
	now := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
	face.Now = func() time.Time { now = now.Add(time.Second); return now }
	var heard string
	w := httptest.NewRecorder()
	face.Observe = func(c *httpface.Call, who *caller, status int, took time.Duration) {
		heard = fmt.Sprint(c.R.URL.Path, " ", who != nil, " ", status, " ", took, " ", w.Code == status)
	}
	rt := new(httpface.Router)
	httpface.Mount(rt, face)
	for path, want := range map[string]string{
		"/said":   "/said true 200 1s true",
		"/panics": "/panics true 500 1s true",
		"/absent": "/absent true 404 1s true",
	} {
		heard, w = "", httptest.NewRecorder()
		r := httptest.NewRequest("GET", path, nil)
		r.Header.Set("Authorization", "Bearer me")
		rt.ServeHTTP(w, r)
		if heard != want {
			t.Errorf("heard %q, want %q", heard, want)
		}
	}
}

func TestRequestID(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/"))
	for _, tc := range []struct {
		sent string
		kept bool
	}{{uuid.NewString(), true}, {"", false}, {"{" + uuid.NewString() + "}", false}, {"x\ty", false}} {
		r := httptest.NewRequest("GET", "/x", nil)
		r.Header.Set("Correlation-Id", tc.sent)
		w := httptest.NewRecorder()
		rt.ServeHTTP(w, r)
		got := w.Header().Get("Correlation-Id")
		if (got == tc.sent) != tc.kept || uuid.Validate(got) != nil {
			t.Errorf("sent %q, got %q", tc.sent, got)
		}
	}
}

// echo decodes a body with a limit of 100 bytes.
func echo(t *testing.T, fields httpface.Fields) http.Handler {
	t.Helper()
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/", httpface.Route[caller]{
		Method: "POST", Path: "/x", MaxBody: 100,
		Handle: func(_ context.Context, _ caller, c *httpface.Call) (httpface.Answer, error) {
			var v struct {
				Name string `json:"name"`
				N    int    `json:"n"`
			}
			if err := c.JSON(&v, fields); err != nil {
				return httpface.Answer{}, err
			}
			return httpface.Answer{Body: v}, nil
		},
	}))
	return rt
}

func zipped(s string) string {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write([]byte(s))
	_ = z.Close()
	return b.String()
}

func TestBodies(t *testing.T) {
	for _, tc := range []struct {
		name, body, encoding string
		fields               httpface.Fields
		status               int
		want                 string
	}{
		{"object", `{"name":"a","n":1}`, "", httpface.KnownFields, 200, `{"name":"a","n":1}`},
		{"case", `{"NAME":"a"}`, "", httpface.KnownFields, 200, `{"name":"a","n":0}`},
		{"empty", ``, "", httpface.KnownFields, 200, `{"name":"","n":0}`},
		{"null", ` null `, "", httpface.KnownFields, 200, `{"name":"","n":0}`},
		{"unknown refused", `{"x":"s3cret"}`, "", httpface.KnownFields, 400, `json: unknown field "x"`},
		{"unknown ignored", `{"x":1}`, "", httpface.AnyFields, 200, `{"name":"","n":0}`},
		{"wrong type", `{"n":"s3cret"}`, "", httpface.AnyFields, 400, `field "n"`},
		{"not JSON", `s3cret`, "", httpface.AnyFields, 400, "syntax error"},
		{"short", `{"name":"s3cret`, "", httpface.AnyFields, 400, "ends too early"},
		{"pair of escapes", `{"name":"\ud83d\udd11\ufffd \\ud800"}`, "", httpface.AnyFields, 200, "{\"name\":\"🔑\ufffd \\\\ud800\",\"n\":0}"},
		{"not UTF-8", "{\"name\":\"s3cret\xff\"}", "", httpface.AnyFields, 400, "not Unicode"},
		{"first half alone", `{"name":"s3cret\ud83d"}`, "", httpface.AnyFields, 400, "not Unicode"},
		{"first half before another escape", `{"name":"s3cret\ud83d\u0041"}`, "", httpface.AnyFields, 400, "not Unicode"},
		{"first half twice", `{"name":"s3cret\ud83d\ud83d\udd11"}`, "", httpface.AnyFields, 400, "not Unicode"},
		{"second half alone", `{"name":"s3cret\udd11"}`, "", httpface.AnyFields, 400, "not Unicode"},
		{"short escape", `{"name":"s3cret\ud8`, "", httpface.AnyFields, 400, "ends too early"},
		{"trailing", `{} {"s3cret":1}`, "", httpface.AnyFields, 400, "more after the end"},
		{"too large", `{"name":"` + strings.Repeat("a", 100) + `"}`, "", httpface.AnyFields, 413, "larger"},
		{"gzip", zipped(`{"name":"z"}`), "gzip", httpface.AnyFields, 200, `{"name":"z","n":0}`},
		{"gzip bomb", zipped(`{"name":"` + strings.Repeat("a", 10000) + `"}`), "gzip", httpface.AnyFields, 413, "larger"},
		{"no gzip", `{}`, "gzip", httpface.AnyFields, 400, "gzip"},
	} {
		r := httptest.NewRequest("POST", "/x", strings.NewReader(tc.body))
		r.Header.Set("Authorization", "Bearer me")
		r.Header.Set("Content-Encoding", tc.encoding)
		w := httptest.NewRecorder()
		echo(t, tc.fields).ServeHTTP(w, r)
		if w.Code != tc.status || !strings.Contains(w.Body.String(), tc.want) || strings.Contains(w.Body.String(), "s3cret") {
			t.Errorf("%s: got %d %s, want %d %s", tc.name, w.Code, w.Body, tc.status, tc.want)
		}
	}
}

func TestChunkedBodyIsBounded(t *testing.T) {
	body := io.MultiReader(strings.NewReader(`{"name":"`), strings.NewReader(strings.Repeat("a", 200)))
	w := ask(echo(t, httpface.AnyFields), "POST", "/x", "me", body)
	if w.Code != 413 {
		t.Errorf("got %d %s", w.Code, w.Body)
	}
}

func TestStreamIsRecordedFirst(t *testing.T) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/", httpface.Route[caller]{Method: "GET", Path: "/x", Handle: func(context.Context, caller, *httpface.Call) (httpface.Answer, error) {
		return httpface.Answer{Stream: func(w io.Writer) error {
			if len(rec.events) != 1 {
				return errors.New("streaming before recording")
			}
			_, err := io.WriteString(w, "data")
			return err
		}}, nil
	}}))
	if w := ask(rt, "GET", "/x", "me", nil); w.Body.String() != "data" {
		t.Errorf("got %q", w.Body)
	}
}

func FuzzRouter(f *testing.F) {
	var rec recording
	rt := new(httpface.Router)
	httpface.Mount(rt, rec.face("/",
		httpface.Route[caller]{Method: "GET", Path: "/a/{id}/b", Handle: say},
		httpface.Route[caller]{Method: "GET", Path: "/a/x/{id}", Handle: say},
	))
	f.Add("/a/x/b")
	f.Add("/a/%2F/b")
	f.Add("/a//b")
	f.Fuzz(func(t *testing.T, path string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.URL.Path, r.URL.RawPath = path, path
		rt.ServeHTTP(httptest.NewRecorder(), r)
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"name":"a","n":1}`))
	f.Add([]byte(`{"n":1e999}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		var v struct {
			Name string `json:"name"`
			N    int    `json:"n"`
		}
		err := httpface.Decode(body, &v, httpface.KnownFields)
		if err != nil && fault.KindOf(err) == fault.Internal {
			t.Errorf("%v cannot be shown to a caller", err)
		}
	})
}
