package openapi

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// keywords are those of a schema that the judge obeys, or that say nothing about values.
func keywords() []string {
	return []string{
		"$ref", "oneOf", "type", "enum", "const", "properties", "required", "additionalProperties", "items",
		"minItems", "maxItems", "minLength", "maxLength", "pattern", "format", "contentEncoding", "minimum", "maximum",
		"title", "description", "default", "examples", "deprecated", "writeOnly",
	}
}

// lint collects what is not sound in the description itself.
func (d *Document) lint() error {
	l := &linter{document: d, ids: map[string]string{}}
	for _, name := range d.Operations() {
		method, template, _ := strings.Cut(name, " ")
		item := d.paths[template]
		operation, _ := item[strings.ToLower(method)].(object)
		l.operation(name, template, item, operation)
	}
	components, _ := d.root["components"].(object)
	schemas, _ := components["schemas"].(object)
	for name, schema := range schemas {
		l.schema("schema "+name, schema)
	}
	l.security(components)
	l.references(d.root)
	return errors.Join(l.found...)
}

type linter struct {
	document *Document
	ids      map[string]string // operationId → operation
	found    []error
}

func (l *linter) unsound(format string, args ...any) {
	l.found = append(l.found, fmt.Errorf(format, args...))
}

func (l *linter) operation(name, template string, item, operation object) {
	id, _ := operation["operationId"].(string)
	if other, taken := l.ids[id]; id == "" || taken {
		l.unsound("%s: operationId %q is missing or that of %s", name, id, other)
	}
	l.ids[id] = name
	for _, member := range []string{"summary", "tags"} {
		if operation[member] == nil {
			l.unsound("%s: no %s", name, member)
		}
	}
	l.parameters(name, template, item, operation)
	responses, _ := operation["responses"].(object)
	if len(responses) == 0 {
		l.unsound("%s: no responses", name)
	}
	for status, r := range responses {
		response, err := l.document.resolve(r)
		if err != nil {
			l.unsound("%s: %s: %v", name, status, err)
			continue
		}
		if response["description"] == nil {
			l.unsound("%s: %s: no description", name, status)
		}
		l.content(name+" "+status, response["content"])
	}
	if body, ok := operation["requestBody"]; ok {
		request, err := l.document.resolve(body)
		if err != nil {
			l.unsound("%s: body: %v", name, err)
		}
		l.content(name+" body", request["content"])
	}
}

// parameters holds those of the path against its template.
func (l *linter) parameters(name, template string, item, operation object) {
	var described []string
	for _, from := range []object{item, operation} {
		list, _ := from["parameters"].([]any)
		for _, p := range list {
			parameter, err := l.document.resolve(p)
			if err != nil {
				l.unsound("%s: %v", name, err)
				continue
			}
			at := fmt.Sprintf("%s parameter %v", name, parameter["name"])
			l.schema(at, parameter["schema"])
			l.scalar(at, parameter["schema"])
			if !slices.Contains([]any{"path", "query", "header"}, parameter["in"]) {
				l.unsound("%s: the judge does not look for it in %v", at, parameter["in"])
			}
			if parameter["in"] == "path" {
				described = append(described, fmt.Sprint(parameter["name"]))
			}
		}
	}
	var wanted []string
	for _, found := range regexp.MustCompile(`\{([^}]+)\}`).FindAllStringSubmatch(template, -1) {
		wanted = append(wanted, found[1])
	}
	slices.Sort(described)
	slices.Sort(wanted)
	if !slices.Equal(described, wanted) {
		l.unsound("%s: parameters of the path %v, described %v", name, wanted, described)
	}
}

// scalar refuses the schema of a parameter that is not one piece of text.
func (l *linter) scalar(at string, schema any) {
	s, err := l.document.resolve(schema)
	if err != nil {
		l.unsound("%s: %v", at, err)
		return
	}
	if kind, ok := s["type"]; ok && !slices.Contains([]any{"string", "integer", "number", "boolean"}, kind) {
		l.unsound("%s: the judge does not read parameters of type %v", at, kind)
	}
}

// security refuses schemes other than a bearer token.
func (l *linter) security(components object) {
	schemes, _ := components["securitySchemes"].(object)
	for name, s := range schemes {
		if scheme, _ := s.(object); scheme["type"] != "http" || scheme["scheme"] != "bearer" {
			l.unsound("security scheme %s: the judge knows bearer tokens only", name)
		}
	}
}

func (l *linter) content(at string, content any) {
	types, _ := content.(object)
	for kind, m := range types {
		if media, ok := m.(object); ok && media["schema"] != nil {
			l.schema(at+" "+kind, media["schema"])
		}
	}
}

func (l *linter) schema(at string, schema any) {
	s, ok := schema.(object)
	if !ok {
		l.unsound("%s: %v is no schema", at, schema)
		return
	}
	for name := range s {
		if !slices.Contains(keywords(), name) {
			l.unsound("%s: the judge does not know the keyword %q", at, name)
		}
	}
	properties, _ := s["properties"].(object)
	for name, inner := range properties {
		l.schema(at+"."+name, inner)
	}
	required, _ := s["required"].([]any)
	for _, name := range required {
		if _, ok := properties[name.(string)]; !ok {
			l.unsound("%s: requires %q, which it does not describe", at, name)
		}
	}
	if items, ok := s["items"]; ok {
		l.schema(at+"[]", items)
	}
	if rest, ok := s["additionalProperties"].(object); ok {
		l.schema(at+".*", rest)
	}
	alternatives, _ := s["oneOf"].([]any)
	for _, a := range alternatives {
		l.schema(at+"|", a)
	}
}

// references follows every reference of the document.
func (l *linter) references(v any) {
	switch v := v.(type) {
	case object:
		if _, ok := v["$ref"].(string); ok {
			if _, err := l.document.resolve(v); err != nil {
				l.found = append(l.found, err)
			}
		}
		for _, inner := range v {
			l.references(inner)
		}
	case []any:
		for _, inner := range v {
			l.references(inner)
		}
	}
}
