package openapi

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"
)

// judge holds a value against a schema and remembers every deviation.
type judge struct {
	document *Document
	request  bool // the value is the body of a request, which is read as [Document.CheckRequest] says
	found    []error
}

func (j *judge) deviates(at, format string, args ...any) {
	if at == "" {
		at = "the body"
	}
	j.found = append(j.found, fmt.Errorf("%s "+format, append([]any{at}, args...)...))
}

func (j *judge) check(at string, schema, value any) {
	s, err := j.document.resolve(schema)
	if err != nil {
		j.deviates(at, "cannot be judged: %v", err)
		return
	}
	if alternatives, ok := s["oneOf"].([]any); ok {
		j.oneOf(at, alternatives, value)
		return
	}
	kind := kindOf(value)
	if !allows(s["type"], kind) {
		j.deviates(at, "is of type %s, not %v", kind, s["type"])
		return
	}
	if allowed, ok := s["enum"].([]any); ok && !slices.ContainsFunc(allowed, func(a any) bool { return same(a, value) }) {
		j.deviates(at, "is %v, not one of %v", value, allowed)
	}
	if constant, ok := s["const"]; ok && !same(constant, value) {
		j.deviates(at, "is %v, not %v", value, constant)
	}
	switch v := value.(type) {
	case object:
		j.object(at, s, v)
	case []any:
		j.array(at, s, v)
	case string:
		j.text(at, s, v)
	case json.Number:
		j.number(at, s, v)
	}
}

func (j *judge) oneOf(at string, alternatives []any, value any) {
	fitting := 0
	var last []error
	for _, a := range alternatives {
		inner := judge{document: j.document, request: j.request}
		if inner.check(at, a, value); len(inner.found) == 0 {
			fitting++
		}
		last = inner.found
	}
	if fitting != 1 {
		j.deviates(at, "fits %d of the %d alternatives, want 1; the last says %v", fitting, len(alternatives), last)
	}
}

func (j *judge) object(at string, s object, v object) {
	properties, _ := s["properties"].(object)
	required, _ := s["required"].([]any)
	if j.request {
		v = asRead(v, properties)
	}
	for _, name := range required {
		if _, ok := v[name.(string)]; !ok {
			j.deviates(at, "lacks the member %q", name)
		}
	}
	for name, member := range v {
		schema, ok := properties[name]
		if !ok {
			schema, ok = s["additionalProperties"]
			if ok && schema == true {
				continue
			}
		}
		if !ok || schema == false {
			j.deviates(at, "has the member %q, which is not described", name)
			continue
		}
		j.check(at+"."+name, schema, member)
	}
}

// asRead returns the members of a request as the server finds them: without regard to case, and
// without those that are null.
func asRead(v, properties object) object {
	read := object{}
	for name, member := range v {
		if member == nil {
			continue
		}
		if _, ok := properties[name]; !ok {
			for described := range properties {
				if strings.EqualFold(described, name) {
					name = described
				}
			}
		}
		read[name] = member
	}
	return read
}

func (j *judge) array(at string, s object, v []any) {
	if least, ok := number(s["minItems"]); ok && float64(len(v)) < least {
		j.deviates(at, "has %d items, fewer than %v", len(v), least)
	}
	if most, ok := number(s["maxItems"]); ok && float64(len(v)) > most {
		j.deviates(at, "has %d items, more than %v", len(v), most)
	}
	if items, ok := s["items"]; ok {
		for i, item := range v {
			j.check(at+"["+strconv.Itoa(i)+"]", items, item)
		}
	}
}

func (j *judge) text(at string, s object, v string) {
	length := float64(utf8.RuneCountInString(v))
	if least, ok := number(s["minLength"]); ok && length < least {
		j.deviates(at, "has %v characters, fewer than %v", length, least)
	}
	if most, ok := number(s["maxLength"]); ok && length > most {
		j.deviates(at, "has %v characters, more than %v", length, most)
	}
	if pattern, ok := s["pattern"].(string); ok && !regexp.MustCompile(pattern).MatchString(v) {
		j.deviates(at, "is %q, which does not match %s", v, pattern)
	}
	switch s["format"] {
	case "date-time":
		if _, err := time.Parse(time.RFC3339, v); err != nil {
			j.deviates(at, "is %q, no time", v)
		}
	case "uuid":
		if len(v) != 36 || uuid.Validate(v) != nil {
			j.deviates(at, "is %q, no UUID", v)
		}
	}
	if s["contentEncoding"] == "base64" {
		if _, err := base64.StdEncoding.DecodeString(v); err != nil {
			j.deviates(at, "is not base64: %v", err)
		}
	}
}

func (j *judge) number(at string, s object, v json.Number) {
	n, err := v.Float64()
	if err != nil {
		j.deviates(at, "is %s, no number", v)
	}
	if least, ok := number(s["minimum"]); ok && n < least {
		j.deviates(at, "is %s, less than %v", v, least)
	}
	if most, ok := number(s["maximum"]); ok && n > most {
		j.deviates(at, "is %s, more than %v", v, most)
	}
}

// kindOf names the type of a decoded value as JSON Schema does.
func kindOf(value any) string {
	switch v := value.(type) {
	case object:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case json.Number:
		if n, err := v.Float64(); err == nil && n == math.Trunc(n) {
			return "integer"
		}
		return "number"
	}
	return "null"
}

// allows says whether a type, one name or several, covers a kind of value.
func allows(types any, kind string) bool {
	switch t := types.(type) {
	case nil:
		return true
	case []any:
		return slices.ContainsFunc(t, func(one any) bool { return allows(one, kind) })
	}
	return types == kind || types == "number" && kind == "integer"
}

// same compares a value of the description with one of a body.
func same(described, value any) bool {
	if n, ok := value.(json.Number); ok {
		d, isNumber := number(described)
		v, err := n.Float64()
		return isNumber && err == nil && d == v
	}
	return reflect.DeepEqual(described, value)
}

func number(v any) (float64, bool) {
	n, ok := v.(float64)
	return n, ok
}
