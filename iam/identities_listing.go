package iam

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"time"
)

// Order names the field that a list is sorted by; equal ones by ID.
type Order string

// The orders that lists of identities know.
const (
	ByCreation Order = "created_at" // also of the zero value
	ByName     Order = "name"
)

// IdentityListing says which part of a list of identities is wanted.
type IdentityListing struct {
	Limit      int    // entries of a page, 1 to 100; zero means 20
	Token      string // Next of the page before; empty for the first
	Order      Order
	Descending bool
}

// IdentityPage is one page of a list.
type IdentityPage[T any] struct {
	Items []T
	Limit int
	Next  string // token of the next page; empty if this is the last
}

// IdentityRange is a listing as a store understands it: up to Limit records
// that come after Name or Created, and ID, in the order.
type IdentityRange struct {
	Limit      int
	Order      Order // ByCreation or ByName
	Descending bool
	Resume     bool // false: from the start, and the rest is empty
	Name       string
	Created    time.Time
	ID         string
}

// MaxIdentityPage bounds the entries of a page.
const MaxIdentityPage = 100

// bookmark is the content of a page token. It is no secret: whoever makes one up
// sees another part of a list that is open to him.
type bookmark struct {
	Order      Order  `json:"o"`
	Descending bool   `json:"d,omitempty"`
	Name       string `json:"n,omitempty"`
	Created    int64  `json:"c,omitempty"` // microseconds since 1970
	ID         string `json:"i"`
}

// span checks the listing and turns it into a range of one entry more than a
// page has, which tells whether there is a next page.
func (l IdentityListing) span() (IdentityRange, error) {
	r := IdentityRange{Limit: l.Limit, Order: l.Order, Descending: l.Descending}
	if r.Limit == 0 {
		r.Limit = 20
	}
	if r.Limit < 1 || r.Limit > MaxIdentityPage {
		return r, ErrIdentityInvalid.On("pagesize", fmt.Sprintf("must be 1 to %d", MaxIdentityPage))
	}
	r.Limit++
	if r.Order == "" {
		r.Order = ByCreation
	}
	if r.Order != ByCreation && r.Order != ByName {
		return r, ErrIdentityInvalid.On("sort", "can be created_at or name")
	}
	if l.Token == "" {
		return r, nil
	}
	var b bookmark
	raw, err := base64.RawURLEncoding.DecodeString(l.Token)
	if err == nil {
		err = json.Unmarshal(raw, &b)
	}
	if err != nil || b.Order != r.Order || b.Descending != r.Descending || b.ID == "" {
		return r, ErrIdentityInvalid.On("pagetoken", "does not belong to this list")
	}
	r.Resume, r.Name, r.Created, r.ID = true, b.Name, time.UnixMicro(b.Created).UTC(), b.ID
	return r, nil
}

// page cuts what a store returned for r.
func page[T any](items []T, r IdentityRange, at func(T) (name string, created time.Time, id string)) IdentityPage[T] {
	p := IdentityPage[T]{Items: items, Limit: r.Limit - 1}
	if len(items) < r.Limit {
		return p
	}
	p.Items = items[:r.Limit-1]
	b := bookmark{Order: r.Order, Descending: r.Descending}
	name, created, id := at(p.Items[len(p.Items)-1])
	if b.ID = id; r.Order == ByName {
		b.Name = name
	} else {
		b.Created = created.UnixMicro()
	}
	raw, err := json.Marshal(b)
	if err != nil {
		panic("iam: a page token cannot fail to encode: " + err.Error())
	}
	p.Next = base64.RawURLEncoding.EncodeToString(raw)
	return p
}
