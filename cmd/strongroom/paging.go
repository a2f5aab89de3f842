package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
)

// record is one thing of the server: its JSON as it came, which programs get, and the fields that
// this program shows to people.
type record[T any] struct {
	raw    json.RawMessage
	fields T
}

func (r *record[T]) UnmarshalJSON(data []byte) error {
	r.raw = bytes.Clone(data)
	if err := json.Unmarshal(data, &r.fields); err != nil {
		return fmt.Errorf("decoding a resource: %w", err)
	}
	return nil
}

func (r record[T]) MarshalJSON() ([]byte, error) { return r.raw, nil }

// list reads a collection to its end. member is the name of the array in each page; the services
// announce the next page in different ways, of which only the query is followed, so that an answer
// cannot send the token to another address.
func list[T any](ctx context.Context, c *client, path string, query url.Values, member string) ([]record[T], error) {
	var all []record[T]
	seen := map[string]bool{}
	for {
		var page map[string]json.RawMessage
		if err := c.get(ctx, path, query, &page); err != nil {
			return nil, err
		}
		var items []record[T]
		if raw, ok := page[member]; ok {
			if err := json.Unmarshal(raw, &items); err != nil {
				return nil, errAnswer
			}
		}
		all = append(all, items...)
		next, err := nextQuery(page)
		if err != nil {
			return nil, err
		}
		if next == nil {
			return all, nil
		}
		merged := mergeQuery(query, next)
		if key := merged.Encode(); seen[key] {
			return nil, errors.New("the server's list does not end: a page names itself as the next")
		} else {
			seen[key] = true
		}
		query = merged
	}
}

// nextQuery returns the query of the page that follows, or nil after the last. Forms in use: "next"
// or "next_url" with a URL, and "next" with an object that holds the URL as "href".
func nextQuery(page map[string]json.RawMessage) (url.Values, error) {
	for _, member := range []string{"next", "next_url"} {
		raw := page[member]
		var address string
		var linked struct {
			Href string `json:"href"`
		}
		if len(raw) == 0 || json.Unmarshal(raw, &address) != nil && json.Unmarshal(raw, &linked) != nil {
			continue
		}
		address = firstOf(address, linked.Href)
		if address == "" {
			continue
		}
		next, err := url.Parse(address)
		if err != nil || next.RawQuery == "" {
			return nil, errors.New("the server's address of the next page cannot be read")
		}
		values, err := url.ParseQuery(next.RawQuery)
		if err != nil {
			return nil, errors.New("the server's address of the next page cannot be read")
		}
		return values, nil
	}
	return nil, nil
}

// mergeQuery keeps what was asked for where the next page's address leaves it out.
func mergeQuery(asked, next url.Values) url.Values {
	merged := url.Values{}
	for name, values := range asked {
		merged[name] = values
	}
	for name, values := range next {
		merged[name] = values
	}
	return merged
}

// collection is the envelope of Key Protect.
type collection[T any] struct {
	Resources []record[T] `json:"resources"`
}

// only returns the one resource of an answer.
func (c collection[T]) only() (record[T], error) {
	if len(c.Resources) != 1 {
		return record[T]{}, fmt.Errorf("the server answered with %d resources instead of one", len(c.Resources))
	}
	return c.Resources[0], nil
}

// create posts body to path and returns what was made.
func create[T any](ctx context.Context, c *client, path string, query url.Values, body any) (record[T], error) {
	var made record[T]
	err := c.do(ctx, request{method: http.MethodPost, path: path, query: query, body: body}, &made)
	return made, err
}

// read returns the thing at path.
func read[T any](ctx context.Context, c *client, path string, query url.Values) (record[T], error) {
	var found record[T]
	err := c.get(ctx, path, query, &found)
	return found, err
}
