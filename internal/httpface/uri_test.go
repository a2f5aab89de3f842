package httpface_test

import (
	"context"
	"net/http"
	"testing"

	"strongroom/internal/httpface"
)

func TestCredentialsInTheQueryAreNotRecorded(t *testing.T) {
	var got string
	var rec recording
	face := rec.face("/")
	face.Record = func(_ context.Context, c *httpface.Call, _ *caller, _ int, _ error) error {
		got = c.Trail.URI
		return nil
	}
	rt := new(httpface.Router)
	httpface.Mount(rt, face)
	for uri, want := range map[string]string{
		"/identity/token?grant_type=x&apikey=hunter2":     "/identity/token?grant_type=x&apikey=...",
		"/identity/token?API%4bEY=hunter2&limit=3":        "/identity/token?API%4bEY=...&limit=3",
		"/b/k?X-Amz-Date=1&X-Amz-Signature=0123456789abc": "/b/k?X-Amz-Date=1&X-Amz-Signature=...",
		"/keys?%zz=hunter2":                               "/keys?%zz=...",
		"/keys?limit=3&state=0,1&q":                       "/keys?limit=3&state=0,1&q",
		"/keys?":                                          "/keys?",
		"/keys/a%2Fb":                                     "/keys/a%2Fb",
	} {
		ask(rt, http.MethodPost, uri, "", nil)
		if got != want {
			t.Errorf("%s is recorded as %s, want %s", uri, got, want)
		}
	}
}
