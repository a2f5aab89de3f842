package kms

import (
	"context"

	"strongroom/iam"
)

// Viewer tells what a caller may see, for lists; *iam.Access is one.
type Viewer interface {
	// Visible returns the part of the instance that on names in which the caller may do the
	// action, or iam.ErrForbidden if that is nowhere.
	Visible(ctx context.Context, who iam.Caller, action iam.Action, on iam.Object) (iam.Scope, error)
}

// viewing is the decider for lists: who may see a part of the instance may ask for the list, and
// is shown that part.
type viewing struct {
	viewer Viewer
	scope  iam.Scope
}

func (v *viewing) Allow(ctx context.Context, who iam.Caller, action iam.Action, on iam.Object) (err error) {
	v.scope, err = v.viewer.Visible(ctx, who, action, on)
	return err
}

// refusal is the decider for requests that cannot be decided, because what they are for is not
// there or could not be read.
type refusal struct{ cause error }

func (r refusal) Allow(context.Context, iam.Caller, iam.Action, iam.Object) error { return r.cause }
