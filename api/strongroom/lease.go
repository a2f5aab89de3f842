package strongroom

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// Lease says how root keys stand, as JSON. A service that uses keys which they wrap may do so for a
// while after it, and asks again meanwhile.
type Lease struct {
	Cursor string        `json:"cursor"`
	Waited int64         `json:"waited_ms"` // how long after the request began this was true, at least
	Keys   []LeaseResult `json:"results"`
}

// LeaseResult says how one root key stands, as JSON.
type LeaseResult struct {
	Key     string `json:"key"` // as it was asked for
	Status  int    `json:"status_code"`
	State   string `json:"state"`
	Version string `json:"version,omitempty"` // the newest, of a key that can be used
}

// States of a root key for a service that uses it.
const (
	leaseUsable       = "usable"
	leaseDisabled     = "disabled"
	leaseDeleted      = "deleted"
	leaseUnauthorized = "unauthorized"
	leaseUnsuitable   = "unsuitable" // no root key
)

// leaseState is why a key cannot be used, in a word.
func leaseState(failure error) (string, error) {
	switch {
	case failure == nil:
		return leaseUsable, nil
	case errors.Is(failure, iam.ErrForbidden):
		return leaseUnauthorized, nil
	case errors.Is(failure, kms.ErrDeleted), errors.Is(failure, kms.ErrKeyNotFound):
		return leaseDeleted, nil
	case errors.Is(failure, kms.ErrState):
		return leaseDisabled, nil
	case errors.Is(failure, kms.ErrNotRoot):
		return leaseUnsuitable, nil
	}
	return "", fmt.Errorf("a root key that stands in no known way: %w", failure)
}

func (f *face) lease(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := only(c, "keys", "cursor"); err != nil {
		return httpface.Answer{}, err
	}
	text, _ := c.Query("keys")
	var roots []crn.CRN
	for name := range strings.SplitSeq(text, ",") {
		root, err := crn.Parse(name)
		if err != nil || root.Type != "key" {
			return httpface.Answer{}, errQuery.On("keys", "must be CRNs of keys, with commas between them")
		}
		roots = append(roots, root)
	}
	cursor, _ := c.Query("cursor")
	w, err := f.keys.Watch(ctx, who, roots, cursor)
	if err != nil {
		return httpface.Answer{}, err
	}
	out := Lease{Cursor: w.Cursor, Waited: w.Waited.Milliseconds(), Keys: make([]LeaseResult, len(w.Keys))}
	for i, k := range w.Keys {
		state, err := leaseState(k.Failure)
		if err != nil {
			return httpface.Answer{}, err
		}
		out.Keys[i] = LeaseResult{
			Key: roots[i].String(), State: state, Status: fault.KindOf(k.Failure).Status(), Version: string(k.Version),
		}
		if k.Failure == nil {
			out.Keys[i].Status = c.Trail.Success
		}
	}
	return httpface.Answer{Body: out}, nil
}
