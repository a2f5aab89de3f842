package rig

import (
	"net/http"
	"strings"
	"testing"

	"strongroom/test/openapi"
)

// Describes says whether a path belongs to the interfaces that /openapi.json
// describes.
func Describes(path string) bool {
	return strings.HasPrefix(path, "/api/v2/") || strings.HasPrefix(path, "/strongroom/v1/")
}

// Description returns what the server says of its interface.
func (r *Rig) Description() *openapi.Document { return r.description }

func (r *Rig) readDescription(t *testing.T) {
	t.Helper()
	text := r.Must(t, Request{Method: http.MethodGet, Path: "/openapi.json"}, nil).Body
	var err error
	if r.description, err = openapi.Parse(text); err != nil {
		t.Fatal(err)
	}
}

// judge reports what deviates from the description.
func (r *Rig) judge(t *testing.T, q openapi.Request, a Answer) {
	t.Helper()
	if !Describes(q.Path) {
		return
	}
	if err := r.description.Judge(q, openapi.Answer{Status: a.Status, Header: a.Header, Body: a.Body}); err != nil {
		t.Errorf("not as described: %v\n%.600s\n%.600s", err, q.Body, a.Body)
	}
}
