package iam

import (
	"context"

	"strongroom/fault"
)

// ErrForbidden says that the caller may not do what it asked for. It is also
// what a caller hears of things that exist outside its reach.
var ErrForbidden = fault.New(fault.Forbidden, "you are not allowed to do this, or it does not exist")

// Object is what an action is done to, in the attributes that policies match.
// An empty attribute is absent: a policy that names it does not match.
type Object struct {
	Account       AccountID // the account that owns the object
	Service       string    // "kms", "cloud-object-storage", "iam-identity", …
	Instance      string    // GUID of the service instance
	Region        string
	ResourceGroup string
	KeyRing       string
	Type          string // resourceType: "key", "bucket", "resource-group", …
	Resource      string
	Data          *Data // what the request names inside it, for rules; nil for nothing
}

// Decider decides whether a caller may do something.
type Decider interface {
	// Allow returns nil if the caller may, ErrForbidden if not, and another
	// error if that cannot be found out now.
	Allow(ctx context.Context, who Caller, action Action, on Object) error
}
