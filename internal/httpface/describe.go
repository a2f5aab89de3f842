package httpface

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
)

// Description is what stands at the head of an OpenAPI document.
type Description struct {
	Title, Summary, Version string
	Text                    string // more about the interface as a whole, in CommonMark
	URL                     string // of the server
}

// Describe puts the OpenAPI 3.1 fragments of faces together to one document in JSON. A fragment is
// a YAML file with any of tags, paths and components; a path or a component may be in one only.
func (d Description) Describe(fragments ...fs.FS) ([]byte, error) {
	tags := []any{}
	paths, components := map[string]any{}, map[string]any{}
	for _, from := range fragments {
		err := fs.WalkDir(from, ".", func(file string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || !strings.HasSuffix(file, ".yaml") {
				return err
			}
			part, err := readFragment(from, file)
			if err != nil {
				return err
			}
			tags = append(tags, part.Tags...)
			if err := join(paths, part.Paths); err != nil {
				return fmt.Errorf("%s: paths: %w", file, err)
			}
			for kind, members := range part.Components {
				into, ok := components[kind].(map[string]any)
				if !ok {
					into = map[string]any{}
					components[kind] = into
				}
				if err := join(into, members); err != nil {
					return fmt.Errorf("%s: %s: %w", file, kind, err)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("describing the interface: %w", err)
		}
	}
	version := d.Version
	if version == "" {
		version = "unversioned"
	}
	return json.Marshal(map[string]any{
		"openapi":    "3.1.1",
		"info":       map[string]any{"title": d.Title, "summary": d.Summary, "description": d.Text, "version": version},
		"servers":    []any{map[string]any{"url": d.URL}},
		"security":   []any{map[string]any{"token": []any{}}},
		"tags":       tags,
		"paths":      paths,
		"components": components,
	})
}

type fragment struct {
	Tags       []any
	Paths      map[string]any
	Components map[string]map[string]any
}

func readFragment(from fs.FS, file string) (fragment, error) {
	var part fragment
	text, err := fs.ReadFile(from, file)
	if err != nil {
		return part, err
	}
	if err := yaml.UnmarshalWithOptions(text, &part, yaml.DisallowUnknownField()); err != nil {
		return part, fmt.Errorf("%s: %w", file, err)
	}
	return part, nil
}

// join adds members, each of which must be new.
func join(into, members map[string]any) error {
	for _, name := range slices.Sorted(maps.Keys(members)) {
		if _, taken := into[name]; taken {
			return fmt.Errorf("%s is described twice", name)
		}
		into[name] = members[name]
	}
	return nil
}
