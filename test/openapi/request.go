package openapi

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// CheckRequest returns nil for a request that the description allows, else everything that deviates.
// Headers that are not described are allowed. Bodies are read as the description says in words: the
// names of members without regard to case, and null, as a member or as the whole, as nothing.
func (d *Document) CheckRequest(q Request) error {
	template, operation, err := d.operation(q)
	if err != nil {
		return err
	}
	err = errors.Join(
		d.checkSecurity(operation, q),
		d.checkParameters(template, operation, q),
		d.checkRequestBody(operation, q),
	)
	if err != nil {
		return fmt.Errorf("openapi: request %s %s: %w", q.Method, template, err)
	}
	return nil
}

// checkSecurity asks for a bearer token, the only scheme that lint lets pass.
func (d *Document) checkSecurity(operation object, q Request) error {
	demanded, ok := operation["security"].([]any)
	if !ok {
		demanded, _ = d.root["security"].([]any)
	}
	scheme, _, _ := strings.Cut(q.Header.Get("Authorization"), " ")
	if len(demanded) > 0 && !strings.EqualFold(scheme, "Bearer") {
		return errors.New("it has no bearer token")
	}
	return nil
}

// parameter is a described parameter of an operation.
type parameter struct {
	name, in string
	required bool
	schema   any
}

// parameters lists those of an operation, and of its path unless the operation has its own.
func (d *Document) parameters(template string, operation object) ([]parameter, error) {
	var all []parameter
	for _, from := range []object{d.paths[template], operation} {
		list, _ := from["parameters"].([]any)
		for _, described := range list {
			o, err := d.resolve(described)
			if err != nil {
				return nil, err
			}
			p := parameter{schema: o["schema"], required: o["required"] == true}
			p.name, _ = o["name"].(string)
			p.in, _ = o["in"].(string)
			all = slices.DeleteFunc(all, func(other parameter) bool { return other.name == p.name && other.in == p.in })
			all = append(all, p)
		}
	}
	return all, nil
}

func (d *Document) checkParameters(template string, operation object, q Request) error {
	described, err := d.parameters(template, operation)
	if err != nil {
		return err
	}
	query, err := url.ParseQuery(q.Query)
	if err != nil {
		return fmt.Errorf("its query: %w", err)
	}
	j := judge{document: d}
	undescribed := maps.Clone(query)
	for _, p := range described {
		var values []string
		switch p.in {
		case "path":
			values, err = inPath(template, q.Path, p.name)
			if err != nil {
				return err
			}
		case "query":
			values = query[p.name]
			delete(undescribed, p.name)
		case "header":
			values = q.Header.Values(p.name)
		}
		at := fmt.Sprintf("the %s parameter %s", p.in, p.name)
		if p.required && len(values) == 0 {
			j.deviates(at, "is missing")
		}
		for _, value := range values {
			j.parameter(at, p.schema, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(undescribed)) {
		j.deviates("the query parameter "+name, "is not described")
	}
	return errors.Join(j.found...)
}

// inPath returns the segment of a path that a parameter of its template stands for.
func inPath(template, path, name string) ([]string, error) {
	at := slices.Index(strings.Split(template, "/"), "{"+name+"}")
	value, err := url.PathUnescape(strings.Split(path, "/")[at])
	return []string{value}, err
}

// parameter holds the text of a parameter against a schema, which says what the text stands for.
func (j *judge) parameter(at string, schema any, text string) {
	s, err := j.document.resolve(schema)
	if err != nil {
		j.deviates(at, "cannot be judged: %v", err)
		return
	}
	value := any(text)
	switch s["type"] {
	case "integer", "number":
		if json.Valid([]byte(text)) {
			value = json.Number(text)
		}
	case "boolean":
		if text == "true" || text == "false" {
			value = text == "true"
		}
	}
	j.check(at, s, value)
}

func (d *Document) checkRequestBody(operation object, q Request) error {
	described, ok := operation["requestBody"]
	if !ok {
		if len(q.Body) > 0 {
			return fmt.Errorf("a body of %d bytes where none is described", len(q.Body))
		}
		return nil
	}
	request, err := d.resolve(described)
	if err != nil {
		return err
	}
	body, err := inflate(q.Header, q.Body)
	if err != nil {
		return err
	}
	if text := bytes.TrimSpace(body); len(text) == 0 || bytes.Equal(text, []byte("null")) {
		if request["required"] == true {
			return errors.New("the body is missing")
		}
		return nil
	}
	content, _ := request["content"].(object)
	media, err := mediaOf(content, q.Header.Get("Content-Type"))
	if err != nil {
		return err
	}
	schema, ok := media["schema"]
	if !ok {
		return nil // a body that is not read
	}
	return d.checkJSON(judge{document: d, request: true}, schema, body)
}

// anyType is the media range that describes bodies of every type, and of none.
const anyType = "*/*"

// mediaOf finds what is said of a body of a type: the type itself, else any.
func mediaOf(content object, kind string) (object, error) {
	if plain, _, err := mime.ParseMediaType(kind); err == nil {
		if media, ok := content[plain].(object); ok {
			return media, nil
		}
	}
	if media, ok := content[anyType].(object); ok {
		return media, nil
	}
	return nil, fmt.Errorf("the Content-Type is %q, not one of %q", kind, slices.Sorted(maps.Keys(content)))
}

// inflate undoes the encoding that a header announces.
func inflate(h http.Header, body []byte) ([]byte, error) {
	switch encoding := strings.ToLower(h.Get("Content-Encoding")); encoding {
	case "", "identity":
		return body, nil
	case "gzip":
		z, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, fmt.Errorf("the body is no gzip: %w", err)
		}
		defer z.Close()
		return io.ReadAll(z)
	default:
		return nil, fmt.Errorf("the Content-Encoding %q cannot be judged", encoding)
	}
}
