package main

import (
	"fmt"
	"strings"

	"github.com/google/uuid"
)

// named is something that a person may call by name or by ID.
type named interface {
	refs() (id, name string)
}

// find returns the item that ref names: by its ID, else by its name, which must then be the only one.
func find[T named](kind, ref string, items []record[T]) (record[T], error) {
	var hits []record[T]
	var known []string
	for _, item := range items {
		id, name := item.fields.refs()
		if id == ref {
			return item, nil
		}
		if name == ref {
			hits = append(hits, item)
		}
		known = append(known, name)
	}
	switch len(hits) {
	case 0:
		return record[T]{}, notFound(kind, ref, known)
	case 1:
		return hits[0], nil
	}
	return record[T]{}, ambiguous(kind, ref, hits)
}

func ambiguous[T named](kind, ref string, hits []record[T]) error {
	ids := make([]string, len(hits))
	for i, hit := range hits {
		ids[i], _ = hit.fields.refs()
	}
	const shown = 5
	text := strings.Join(ids[:min(shown, len(ids))], ", ")
	if len(ids) > shown {
		text += ", …"
	}
	return withHint(fmt.Errorf("%d of kind %s have the name %q", len(hits), kind, ref), "give the ID: %s", text)
}

// isUUID tells whether s is a UUID in its usual form of 36 characters, which no name needs to be
// looked up for.
func isUUID(s string) bool {
	return len(s) == 36 && uuid.Validate(s) == nil
}
