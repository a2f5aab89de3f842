package s3

import (
	"context"
	"net/http"
	"strings"

	"strongroom/iam"
	"strongroom/internal/httpface"
)

// operation is one thing that the face can do. Among operations of one method, level and sub-resource
// those come first in the table that need a header.
type operation struct {
	method string
	on     level
	// sub is the parameter of the query that selects the operation, alone or with a value
	// ("list-type=2"); empty for the bucket or object itself.
	sub    string
	header string // that the request must have, in canonical form; empty for none
	action iam.Action
	status int // of a success; zero means 200
	handle func(ctx context.Context, q *request) (httpface.Answer, error)
	// open answers without a caller; then action names the record, and handle is not set.
	open func(ctx context.Context, q *request) (httpface.Answer, error)
}

// path is the operation as tables of routes show it.
func (o *operation) path() string {
	p := o.on.String()
	if o.sub != "" {
		p += "?" + o.sub
	}
	if o.header != "" {
		p += " (" + o.header + ")"
	}
	return p
}

// table finds operations.
type table struct {
	rows map[place][]row
	subs map[string]bool // every parameter that selects an operation, or would if we had it
	on   map[place]bool  // a sub-resource that the level has for some method, which is left empty
}

type place struct {
	method string
	on     level
	sub    string
}

type row struct {
	*operation
	route *httpface.Route[iam.Caller]
}

// routes makes the operations into routes of a face, and the table that finds them.
func (f *face) routes(ops []operation) []httpface.Route[iam.Caller] {
	routes := make([]httpface.Route[iam.Caller], len(ops))
	f.table = table{rows: map[place][]row{}, subs: map[string]bool{}, on: map[place]bool{}}
	for _, sub := range notOffered {
		f.table.subs[sub] = true
	}
	for i := range ops {
		op := &ops[i]
		routes[i] = f.route(op)
		at := place{op.method, op.on, op.sub}
		f.table.rows[at] = append(f.table.rows[at], row{op, &routes[i]})
		name, _, _ := strings.Cut(op.sub, "=")
		f.table.subs[name] = true
		f.table.on[place{on: op.on, sub: name}] = true
	}
	return routes
}

func (f *face) route(op *operation) httpface.Route[iam.Caller] {
	r := httpface.Route[iam.Caller]{Method: op.method, Path: op.path(), Action: string(op.action), Status: op.status}
	if op.open != nil {
		r.Open = func(ctx context.Context, c *httpface.Call) (httpface.Answer, error) {
			return op.open(ctx, requestOf(c))
		}
		return r
	}
	r.Handle = func(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
		q := requestOf(c)
		q.who = who
		q.who.Within = q.header(headerOwner)
		answer, err := op.handle(ctx, q)
		if err != nil && !c.Trail.Recorded() && q.bucket != "" {
			// It was not understood. Who may not even try hears that instead.
			err = f.Objects.Refuse(ctx, q.who, op.action, q.bucket, q.key, err)
		}
		return answer, err
	}
	return r
}

// find tells which operation a request asks for, and what it names.
func (f *face) find(c *httpface.Call) (*httpface.Route[iam.Caller], error) {
	q := &request{Call: c, length: -1, body: http.NoBody}
	c.Found = q
	if bucket, ok := hostBucket(c.R.Host, f.WebsiteDomains); ok {
		return f.findSite(q, bucket)
	}
	at, bucket, key, err := target(c.R, f.Domains)
	if err != nil {
		return nil, err
	}
	q.bucket, q.key = bucket, key
	if q.query, err = parseQuery(c.R.URL.RawQuery); err != nil {
		return nil, err
	}
	if err := q.hoist(); err != nil {
		return nil, err
	}
	q.parsed = true
	f.crossOrigin(c.R.Context(), q)
	found, err := f.table.find(c.R, at, q.query)
	if err != nil {
		return nil, err
	}
	q.op = found.operation
	return found.route, nil
}

// find looks an operation up. A sub-resource that is not offered at this level is not implemented; one
// that is, for other methods, does not allow this one. It is never ignored: a caller who wants to remove
// the policy of an object must not lose the object.
func (t *table) find(r *http.Request, at level, params query) (row, error) {
	if r.Method == http.MethodOptions {
		return t.choose(r, place{r.Method, at, ""})
	}
	sub, err := t.sub(params)
	if err != nil {
		return row{}, err
	}
	if sub != "" && !t.on[place{on: at, sub: sub}] {
		return row{}, errNotOffered.On("", sub)
	}
	if sub != "" {
		if found, err := t.choose(r, place{r.Method, at, sub + "=" + params.get(sub)}); err == nil {
			return found, nil
		}
	}
	return t.choose(r, place{r.Method, at, sub})
}

// sub returns the one sub-resource that a query names, or "".
func (t *table) sub(params query) (string, error) {
	var found string
	for _, p := range params {
		if !t.subs[p.name] || p.name == found || p.name == "" {
			continue
		}
		if found != "" {
			return "", errContradiction.On("", "the query names both "+found+" and "+p.name)
		}
		found = p.name
	}
	return found, nil
}

func (t *table) choose(r *http.Request, at place) (row, error) {
	for _, candidate := range t.rows[at] {
		if _, has := r.Header[candidate.header]; has || candidate.header == "" {
			return candidate, nil
		}
	}
	return row{}, errMethod.On("", r.Method)
}
