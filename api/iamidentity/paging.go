package iamidentity

import (
	"net/url"
	"strconv"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// pageLinks begins every list of /v1: links are full URLs, of which clients
// extract pagetoken.
type pageLinks struct {
	Offset int    `json:"offset"`
	Limit  int    `json:"limit"`
	First  string `json:"first"`
	Next   string `json:"next,omitempty"`
}

// listing reads the paging parameters of a list of /v1.
func listing(c *httpface.Call) (iam.IdentityListing, error) {
	var l iam.IdentityListing
	if v, ok := c.Query("pagesize"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > iam.MaxIdentityPage {
			return l, iam.ErrIdentityInvalid.On("pagesize", "must be 1 to "+strconv.Itoa(iam.MaxIdentityPage))
		}
		l.Limit = n
	}
	l.Token, _ = c.Query("pagetoken")
	sort, _ := c.Query("sort")
	l.Order = iam.Order(sort)
	switch order, _ := c.Query("order"); order {
	case "", "asc":
	case "desc":
		l.Descending = true
	default:
		return l, iam.ErrIdentityInvalid.On("order", "can be asc or desc")
	}
	if filter, _ := c.Query("filter"); filter != "" {
		return l, errUnsupport.On("filter", "select by the other parameters")
	}
	return l, nil
}

// links makes the links of a page: the same query from the start, and from the
// next page on.
func (f *face) links(c *httpface.Call, limit int, next string) pageLinks {
	q := c.R.URL.Query()
	q.Del("pagetoken")
	p := pageLinks{Limit: limit, First: f.link(c, q)}
	if next != "" {
		q.Set("pagetoken", next)
		p.Next = f.link(c, q)
	}
	return p
}

func (f *face) link(c *httpface.Call, q url.Values) string {
	link := f.base + c.R.URL.EscapedPath()
	if len(q) > 0 {
		link += "?" + q.Encode()
	}
	return link
}
