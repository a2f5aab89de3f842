// Package openapi reads an OpenAPI 3.1 description and tells whether an answer is one that it
// describes. It is a judge for tests: what it does not understand in a description is an error, so
// that nothing passes because nobody looked.
//
// It is stricter than JSON Schema in one point: a member that a schema does not name is a deviation,
// unless the schema says additionalProperties.
package openapi

import (
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

// Answer is what a server said to a request.
type Answer struct {
	Method, Path string // the path escaped, without its query
	Status       int
	Header       http.Header
	Body         []byte
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

// Check returns nil for an answer that the description allows, else everything that deviates.
func (d *Document) Check(a Answer) error {
	template, ok := d.find(a.Path)
	if !ok {
		return fmt.Errorf("openapi: no path describes %s", a.Path)
	}
	operation, ok := d.paths[template][strings.ToLower(a.Method)].(object)
	if !ok {
		return fmt.Errorf("openapi: %s does not describe %s", template, a.Method)
	}
	response, err := d.response(operation, a.Status)
	if err == nil {
		err = d.checkResponse(response, a)
	}
	if err != nil {
		return fmt.Errorf("openapi: %s %s, status %d: %w", a.Method, template, a.Status, err)
	}
	return nil
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

func (d *Document) checkResponse(response object, a Answer) error {
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
	case a.Method == http.MethodHead:
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
	decoder := json.NewDecoder(strings.NewReader(string(a.Body)))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return fmt.Errorf("the body is not JSON: %w", err)
	}
	j := judge{document: d}
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
