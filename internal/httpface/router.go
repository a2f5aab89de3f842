// Package httpface is the router and the adapter that every face uses.
//
// A face is a table of routes and four functions: who is calling, how a failure
// looks on its wire, how a request that reached no door is recorded, and what
// its request ID is called. The package does the rest the same way for all:
// it matches the escaped path without cleaning it, bounds the body before
// reading it, refuses unknown callers, turns panics into internal errors, and
// releases an answer only after the request was recorded.
package httpface

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxSegments bounds the depth of a path. The deepest route of any face has nine.
const maxSegments = 32

// endpoint is a route together with the face it belongs to.
type endpoint interface {
	serve(w http.ResponseWriter, r *http.Request, params []string)
}

// fallback answers what is no path of a table.
type fallback interface {
	elsewhere(w http.ResponseWriter, r *http.Request, status int, allow []string)
}

// node is one position in the tree of path segments.
type node struct {
	static  map[string]*node
	param   *node
	methods map[string]endpoint
}

// Router finds the route of a request among all mounted faces. Mount everything
// before serving; after that it is safe for concurrent use.
//
// Paths are matched segment by segment in their escaped form and decoded after
// splitting, so that an escaped slash belongs to a segment. Nothing is cleaned:
// "//" and ".." are literal. A literal segment wins over a parameter; a
// parameter matches any segment that is not empty.
type Router struct {
	root     node
	prefixes []prefix // longest first
	catchAll fallback
}

type prefix struct {
	path string
	face fallback
}

// ServeHTTP finds the route and serves it, or answers 404 or 405 in the shape
// of the face whose prefix the path has.
func (rt *Router) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.EscapedPath()
	segments := split(path)
	if len(segments) > maxSegments {
		rt.faceOf(path).elsewhere(w, r, http.StatusNotFound, nil)
		return
	}
	found, params := rt.root.find(segments, make([]string, 0, 4))
	if found == nil {
		rt.faceOf(path).elsewhere(w, r, http.StatusNotFound, nil)
		return
	}
	e, ok := found.methods[r.Method]
	if !ok {
		allow := make([]string, 0, len(found.methods))
		for m := range found.methods {
			allow = append(allow, m)
		}
		slices.Sort(allow)
		rt.faceOf(path).elsewhere(w, r, http.StatusMethodNotAllowed, allow)
		return
	}
	e.serve(w, r, params)
}

// find walks the tree, trying the literal before the parameter.
func (n *node) find(segments, params []string) (*node, []string) {
	if len(segments) == 0 {
		if n.methods == nil {
			return nil, nil
		}
		return n, params
	}
	if next := n.static[segments[0]]; next != nil {
		if found, p := next.find(segments[1:], params); found != nil {
			return found, p
		}
	}
	if n.param == nil || segments[0] == "" {
		return nil, nil
	}
	value, err := url.PathUnescape(segments[0])
	if err != nil {
		return nil, nil
	}
	return n.param.find(segments[1:], append(params, value))
}

// add puts a route into the tree and returns the names of its parameters. A
// table that names one route twice is a mistake in the program.
func (rt *Router) add(method, path string, e endpoint) {
	n := &rt.root
	for _, s := range split(path) {
		if isParam(s) {
			if n.param == nil {
				n.param = &node{}
			}
			n = n.param
			continue
		}
		if n.static == nil {
			n.static = map[string]*node{}
		}
		if n.static[s] == nil {
			n.static[s] = &node{}
		}
		n = n.static[s]
	}
	if n.methods == nil {
		n.methods = map[string]endpoint{}
	}
	if n.methods[method] != nil {
		panic("httpface: route declared twice: " + method + " " + path)
	}
	n.methods[method] = e
}

// own makes face answer what is unknown below the path.
func (rt *Router) own(path string, face fallback) {
	if path == "/" {
		rt.catchAll = face
		return
	}
	rt.prefixes = append(rt.prefixes, prefix{path, face})
	slices.SortStableFunc(rt.prefixes, func(a, b prefix) int { return len(b.path) - len(a.path) })
}

func (rt *Router) faceOf(path string) fallback {
	for _, p := range rt.prefixes {
		if rest, ok := strings.CutPrefix(path, p.path); ok && (rest == "" || rest[0] == '/') {
			return p.face
		}
	}
	if rt.catchAll == nil {
		return plain{}
	}
	return rt.catchAll
}

// plain answers for paths that belong to no face.
type plain struct{}

func (plain) elsewhere(w http.ResponseWriter, _ *http.Request, status int, allow []string) {
	if allow != nil {
		w.Header().Set("Allow", strings.Join(allow, ", "))
	}
	http.Error(w, http.StatusText(status), status)
}

func split(path string) []string { return strings.Split(strings.TrimPrefix(path, "/"), "/") }

func isParam(segment string) bool { return strings.HasPrefix(segment, "{") }

// paramNames lists the names in braces of a route's path.
func paramNames(path string) []string {
	var names []string
	for _, s := range split(path) {
		if isParam(s) {
			names = append(names, strings.Trim(s, "{}"))
		}
	}
	return names
}
