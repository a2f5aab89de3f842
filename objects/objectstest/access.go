package objectstest

import (
	"context"
	"slices"
	"strings"
	"sync"

	"strongroom/iam"
)

// Access hands out access. At first everybody may do everything in the own account and nothing in
// another; after Strict nobody may but by a grant.
type Access struct {
	mu     sync.Mutex
	strict bool    // guarded by mu
	grants []Grant // guarded by mu
	asked  []Asked // guarded by mu
}

// Grant allows an identity some actions on a bucket, or on paths in it. Empty fields are for all.
type Grant struct {
	Identity iam.IdentityID
	Bucket   string
	Path     string // prefix of keys
	Actions  []iam.Action
}

// Asked is a decision that was asked for.
type Asked struct {
	Identity iam.IdentityID
	Action   iam.Action
	On       iam.Object
}

// Strict takes all access away that is not granted.
func (a *Access) Strict() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.strict = true
}

// Grant adds a grant, which holds in every account.
func (a *Access) Grant(g Grant) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.grants = append(a.grants, g)
}

// Asked returns the decisions that were asked for since it was called last.
func (a *Access) Asked() []Asked {
	a.mu.Lock()
	defer a.mu.Unlock()
	asked := a.asked
	a.asked = nil
	return asked
}

// Allow implements iam.Decider.
func (a *Access) Allow(_ context.Context, who iam.Caller, action iam.Action, on iam.Object) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, Asked{who.Identity, action, on})
	if !a.strict && who.Account == on.Account {
		return nil
	}
	for _, g := range a.grants {
		if g.covers(who, action, on) {
			return nil
		}
	}
	return iam.ErrForbidden
}

func (g Grant) covers(who iam.Caller, action iam.Action, on iam.Object) bool {
	path := ""
	if on.Data != nil && on.Data.Path != nil {
		path = *on.Data.Path
	}
	return (g.Identity == "" || g.Identity == who.Identity) &&
		(g.Bucket == "" || g.Bucket == on.Resource) && strings.HasPrefix(path, g.Path) &&
		(g.Actions == nil || slices.Contains(g.Actions, action))
}
