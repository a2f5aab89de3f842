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

// judge reports an answer that deviates from the description. What no route
// serves is not described either.
func (r *Rig) judge(t *testing.T, req *http.Request, a Answer) {
	t.Helper()
	path := req.URL.EscapedPath()
	unrouted := a.Status == http.StatusMethodNotAllowed || a.Status == http.StatusNotFound && !r.routed(req.Method, path)
	if !Describes(path) || unrouted {
		return
	}
	err := r.description.Check(openapi.Answer{
		Method: req.Method, Path: path, Status: a.Status, Header: a.Header, Body: a.Body,
	})
	if err != nil {
		t.Errorf("the answer is not as described: %v\n%.600s", err, a.Body)
	}
}

// routed says whether a route matches.
func (r *Rig) routed(method, path string) bool {
	segments := strings.Split(path, "/")
	for _, route := range r.Routes {
		if route.Method == method && fits(strings.Split(route.Path, "/"), segments) {
			return true
		}
	}
	return false
}

func fits(template, path []string) bool {
	if len(template) != len(path) {
		return false
	}
	for i, part := range template {
		if part != path[i] && (!strings.HasPrefix(part, "{") || path[i] == "") {
			return false
		}
	}
	return true
}
