// Package openapi reads an OpenAPI 3.1 description and tells whether a request and its answer are
// what it describes. It is a judge for tests: what it does not understand in a description is an
// error, so that nothing passes because nobody looked.
//
// It is stricter than the specification in two points: a member that a schema does not name is a
// deviation, unless the schema says additionalProperties, and so is a query parameter without a
// description.
package openapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// Document is a description that has been checked in itself.
type Document struct {
	root  object
	paths map[string]object // by template
}

type object = map[string]any

// Request is what a client sent.
type Request struct {
	Method string
	Path   string // escaped
	Query  string // as in the URL, without its question mark
	Header http.Header
	Body   []byte // as it was sent
}

// Answer is what the server said to it.
type Answer struct {
	Status int
	Header http.Header
	Body   []byte
}

// Parse reads a description in JSON, and refuses one that is not sound: a reference that leads
// nowhere, a parameter of a path without a description, two operations with one name, a schema
// with a keyword that the judge does not know.
func Parse(text []byte) (*Document, error) {
	d := &Document{paths: map[string]object{}}
	if err := json.Unmarshal(text, &d.root); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	if version, _ := d.root["openapi"].(string); !strings.HasPrefix(version, "3.1.") {
		return nil, fmt.Errorf("openapi: version %q, want 3.1", version)
	}
	paths, _ := d.root["paths"].(object)
	for template, item := range paths {
		d.paths[template], _ = item.(object)
	}
	if err := d.lint(); err != nil {
		return nil, fmt.Errorf("openapi: %w", err)
	}
	return d, nil
}

// Operations lists what is described, each as "METHOD /path/{parameter}", sorted.
func (d *Document) Operations() []string {
	var all []string
	for template, item := range d.paths {
		for method := range item {
			if isMethod(method) {
				all = append(all, strings.ToUpper(method)+" "+template)
			}
		}
	}
	slices.Sort(all)
	return all
}

// Covers says whether a path is below those that are described: whether its first two segments are
// those of a template.
func (d *Document) Covers(path string) bool {
	for template := range d.paths {
		if _, ok := match(first(template), first(path)); ok {
			return true
		}
	}
	return false
}

// first returns the first two segments of a path, and what is before its first slash.
func first(path string) []string {
	const segments = 2
	parts := strings.Split(path, "/")
	return parts[:min(len(parts), segments+1)]
}

// Judge returns nil if the description allows the answer and, where the request was carried out,
// the request. A request for what is not described must have been answered with 404 or 405.
func (d *Document) Judge(q Request, a Answer) error {
	_, _, err := d.operation(q)
	switch {
	case err != nil && (a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed):
		return nil
	case a.Status/100 != 2:
		return d.CheckAnswer(q, a)
	}
	return errors.Join(d.CheckRequest(q), d.CheckAnswer(q, a))
}

// Operation names the operation that a request is for, as [Document.Operations] does.
func (d *Document) Operation(q Request) (name string, ok bool) {
	template, _, err := d.operation(q)
	return q.Method + " " + template, err == nil
}

// CheckAnswer returns nil for an answer that the description allows, else everything that deviates.
func (d *Document) CheckAnswer(q Request, a Answer) error {
	template, operation, err := d.operation(q)
	if err != nil {
		return err
	}
	response, err := d.response(operation, a.Status)
	if err == nil {
		err = d.checkResponse(response, q, a)
	}
	if err != nil {
		return fmt.Errorf("openapi: %s %s, status %d: %w", q.Method, template, a.Status, err)
	}
	return nil
}

// operation returns what is said of a request.
func (d *Document) operation(q Request) (template string, operation object, err error) {
	template, ok := d.find(q.Path)
	if !ok {
		return "", nil, fmt.Errorf("openapi: no path describes %s", q.Path)
	}
	operation, ok = d.paths[template][strings.ToLower(q.Method)].(object)
	if !ok {
		return "", nil, fmt.Errorf("openapi: %s does not describe %s", template, q.Method)
	}
	return template, operation, nil
}

// find returns the template of a path. A literal segment wins over a parameter.
func (d *Document) find(path string) (string, bool) {
	best, literals := "", -1
	segments := strings.Split(path, "/")
	for template := range d.paths {
		if n, ok := match(strings.Split(template, "/"), segments); ok && n > literals {
			best, literals = template, n
		}
	}
	return best, literals >= 0
}

// match counts the literal segments of a template that fits.
func match(template, path []string) (literals int, ok bool) {
	if len(template) != len(path) {
		return 0, false
	}
	for i, part := range template {
		switch {
		case part == path[i]:
			literals++
		case !strings.HasPrefix(part, "{") || path[i] == "":
			return 0, false
		}
	}
	return literals, true
}

// response finds what is said of a status: itself, else its range, else the default.
func (d *Document) response(operation object, status int) (object, error) {
	responses, _ := operation["responses"].(object)
	for _, name := range []string{fmt.Sprint(status), fmt.Sprintf("%dXX", status/100), "default"} {
		if found, ok := responses[name]; ok {
			return d.resolve(found)
		}
	}
	return nil, errors.New("the status is not described")
}

func (d *Document) checkResponse(response object, q Request, a Answer) error {
	var found []error
	headers, _ := response["headers"].(object)
	for name, header := range headers {
		described, err := d.resolve(header)
		if err != nil {
			return err
		}
		if described["required"] == true && a.Header.Get(name) == "" {
			found = append(found, fmt.Errorf("the header %s is missing", name))
		}
	}
	content, _ := response["content"].(object)
	switch {
	case q.Method == http.MethodHead:
	case len(content) == 0 && len(a.Body) > 0:
		found = append(found, fmt.Errorf("a body of %d bytes where none is described", len(a.Body)))
	case len(content) > 0:
		found = append(found, d.checkBody(content, a))
	}
	return errors.Join(found...)
}

func (d *Document) checkBody(content object, a Answer) error {
	kind := a.Header.Get("Content-Type")
	media, ok := content[kind].(object)
	if !ok {
		return fmt.Errorf("the Content-Type is %q, not one of %q", kind, slices.Sorted(maps.Keys(content)))
	}
	schema, ok := media["schema"]
	if !ok {
		return nil // a body that is not JSON
	}
	body, err := inflate(a.Header, a.Body)
	if err != nil {
		return err
	}
	return d.checkJSON(judge{document: d}, schema, body)
}

// checkJSON lets a judge hold a body against its schema.
func (d *Document) checkJSON(j judge, schema any, body []byte) error {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	j.check("", schema, value)
	return errors.Join(j.found...)
}

// resolve follows a reference, if v is one.
func (d *Document) resolve(v any) (object, error) {
	o, ok := v.(object)
	if !ok {
		return nil, fmt.Errorf("%v is no object", v)
	}
	ref, ok := o["$ref"].(string)
	if !ok {
		return o, nil
	}
	at, ok := strings.CutPrefix(ref, "#/")
	if !ok {
		return nil, fmt.Errorf("the reference %q leads outside", ref)
	}
	here := any(d.root)
	for name := range strings.SplitSeq(at, "/") {
		inside, _ := here.(object)
		if here, ok = inside[name]; !ok {
			return nil, fmt.Errorf("the reference %q leads nowhere", ref)
		}
	}
	return d.resolve(here)
}

func isMethod(name string) bool {
	return slices.Contains([]string{"get", "put", "post", "delete", "options", "head", "patch"}, name)
}
