package httpface_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strongroom/internal/httpface"
)

// found is a face that finds its only route by a header, and answers as the handler says.
func found(rec *recording, handle func(context.Context, caller, *httpface.Call) (httpface.Answer, error)) http.Handler {
	face := rec.face("/", httpface.Route[caller]{Method: "ANY", Path: "by header", Status: 201, Handle: handle})
	face.Find = func(c *httpface.Call) (*httpface.Route[caller], error) {
		if c.R.Header.Get("X-Want") == "" {
			return nil, httpface.ErrNoRoute
		}
		c.Found = c.R.Header.Get("X-Want")
		return &face.Routes[0], nil
	}
	face.Headers = http.Header{"X-Always": {"here"}}
	face.OwnHeaders = true
	rt := new(httpface.Router)
	httpface.Mount(rt, face)
	return rt
}

func wanting(what string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/a//../b", nil)
	r.Header.Set("Authorization", "Bearer me")
	if what != "" {
		r.Header.Set("X-Want", what)
	}
	return r
}

func TestFaceFindsItsRoutesItself(t *testing.T) {
	var rec recording
	h := found(&rec, func(_ context.Context, _ caller, c *httpface.Call) (httpface.Answer, error) {
		return httpface.Answer{Bytes: []byte(c.Found.(string) + " at " + c.R.URL.Path)}, nil
	})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, wanting("this"))
	if w.Code != 201 || w.Body.String() != "this at /a//../b" || w.Header().Get("X-Always") != "here" || w.Header().Get("Cache-Control") != "" {
		t.Errorf("%d %s %v", w.Code, w.Body, w.Header())
	}
	w = httptest.NewRecorder()
	h.ServeHTTP(w, wanting(""))
	if w.Code != 404 || w.Header().Get("X-Always") != "here" || len(rec.events) != 2 {
		t.Errorf("%d %s %v, %d events", w.Code, w.Body, w.Header(), len(rec.events))
	}
}

// content tells whether it was closed, and may break off.
type content struct {
	io.Reader
	closed bool
}

func (c *content) Close() error {
	c.closed = true
	return nil
}

// TestContentThatBreaksOff: a client must not take what it got for the whole.
func TestContentThatBreaksOff(t *testing.T) {
	for _, tc := range []struct {
		name  string
		from  io.Reader
		whole bool
	}{
		{"whole", strings.NewReader("0123456789"), true},
		{"broken off", io.MultiReader(strings.NewReader("01234"), failing{}), false},
	} {
		var rec recording
		sent := &content{Reader: tc.from}
		server := httptest.NewServer(found(&rec, func(context.Context, caller, *httpface.Call) (httpface.Answer, error) {
			return httpface.Answer{Content: sent}, nil
		}))
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header = wanting("this").Header
		resp, err := http.DefaultClient.Do(r)
		if err == nil {
			_, err = io.ReadAll(resp.Body)
			resp.Body.Close()
		}
		server.Close() // waits for the handler
		if (err == nil) != tc.whole || !sent.closed {
			t.Errorf("%s: %v, closed: %v", tc.name, err, sent.closed)
		}
	}
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("broken") }
