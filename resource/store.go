package resource

import (
	"context"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// ChangeInstance announces that an instance was written. Scope is its account,
// ID its GUID.
const ChangeInstance lease.Kind = "instance"

// Store keeps everything of this package. Failures that callers branch on are
// told apart by their kind: NotFound (authoritatively not there), Stale (another
// revision than the caller has read), Conflict (a unique name is taken). The
// store may also return this package's own failures.
//
// An event given to a method is committed together with the change, or not at
// all; nil stands for a change that another event covers.
type Store interface {
	InstanceStore
	ReclamationStore
	KeyStore
	GroupStore
	TagStore
	ActStore
}

// InstanceStore keeps service instances. Each write compares the revision of
// the instance it is given and stores the next one.
type InstanceStore interface {
	Instance(ctx context.Context, id InstanceID) (Instance, error)
	// Instances returns a page of an account's instances, oldest first.
	Instances(ctx context.Context, account iam.AccountID, f InstanceFilter, p Page) ([]Instance, error)
	// CreateInstance stores an instance that nobody sees yet, with the act that
	// makes it. It returns ErrNoGroup unless the account has the resource group.
	CreateInstance(ctx context.Context, i Instance, tags []string, act Act) error
	// FinishInstance makes a created instance visible and removes its act.
	FinishInstance(ctx context.Context, i Instance, act Act, ev *audit.Event) error
	// AbandonInstance removes an instance that was never visible, and its act.
	AbandonInstance(ctx context.Context, i Instance, act Act, ev *audit.Event) error
	UpdateInstance(ctx context.Context, i Instance, ev *audit.Event) error
	// CloseInstance stores the instance in state closing, with the act that deletes it.
	CloseInstance(ctx context.Context, i Instance, act Act) error
	// ReopenInstance stores the instance as active again and removes the act.
	ReopenInstance(ctx context.Context, i Instance, act Act) error
	// DeleteInstance stores the instance as pending, with its reclamation, removes
	// the act, and begins to remove all its resource keys, each by an act of its
	// own which it returns. Unless recursive it returns ErrHasKeys if there are any.
	DeleteInstance(ctx context.Context, i Instance, rec Reclamation, recursive bool, act Act, ev *audit.Event) ([]Act, error)
}

// ReclamationStore keeps what is to be destroyed.
type ReclamationStore interface {
	Reclamation(ctx context.Context, id ReclamationID) (Reclamation, error)
	Reclamations(ctx context.Context, account iam.AccountID, f ReclamationFilter, p Page) ([]Reclamation, error)
	// DueReclamations returns scheduled reclamations whose time has come, of all accounts.
	DueReclamations(ctx context.Context, now time.Time, limit int) ([]Reclamation, error)
	// RestoreInstance stores the instance as active and removes its reclamation.
	RestoreInstance(ctx context.Context, i Instance, rec Reclamation, ev *audit.Event) error
	// BeginReclaim stores the instance and the reclamation as reclaiming, with the
	// act that destroys what is in the instance.
	BeginReclaim(ctx context.Context, i Instance, rec Reclamation, act Act, ev *audit.Event) error
	// FinishReclaim stores the instance as removed, and removes its tags, its
	// reclamation and the act.
	FinishReclaim(ctx context.Context, i Instance, act Act) error
}

// KeyStore keeps resource keys. Each write compares the revision of the key it
// is given and stores the next one.
type KeyStore interface {
	Key(ctx context.Context, id KeyID) (Key, error)
	Keys(ctx context.Context, account iam.AccountID, f KeyFilter, p Page) ([]Key, error)
	// CreateKey stores a key that nobody sees yet, with the act that makes it. It
	// returns ErrBusy unless the instance is active.
	CreateKey(ctx context.Context, k Key, act Act) error
	// FinishKey makes a created key visible and removes its act. It returns
	// ErrBusy unless the instance is active.
	FinishKey(ctx context.Context, k Key, act Act, ev *audit.Event) error
	// AbandonKey removes a key that was never visible, and its act.
	AbandonKey(ctx context.Context, k Key, act Act, ev *audit.Event) error
	UpdateKey(ctx context.Context, k Key, ev *audit.Event) error
	// BeginRemoveKey stores the key as removing, with the act that withdraws what
	// it stands for.
	BeginRemoveKey(ctx context.Context, k Key, act Act, ev *audit.Event) error
	// FinishRemoveKey stores the key as removed, erases its secrets and removes the act.
	FinishRemoveKey(ctx context.Context, k Key, act Act) error
}

// GroupStore keeps resource groups.
type GroupStore interface {
	Group(ctx context.Context, id GroupID) (Group, error)
	Groups(ctx context.Context, account iam.AccountID, f GroupFilter, p Page) ([]Group, error)
	// EnsureDefaultGroup stores g unless the account has a default group, and
	// returns the one it then has.
	EnsureDefaultGroup(ctx context.Context, g Group) (Group, error)
	CreateGroup(ctx context.Context, g Group, ev *audit.Event) error
	UpdateGroup(ctx context.Context, g Group, ev *audit.Event) error
	// DeleteGroup returns ErrGroupInUse while instances that are not removed are in it.
	DeleteGroup(ctx context.Context, g Group, ev *audit.Event) error
}

// TagStore keeps tags on instances.
type TagStore interface {
	// Tags returns the tags of each of the instances, in order of their names.
	Tags(ctx context.Context, ids ...InstanceID) (map[InstanceID][]string, error)
	Attach(ctx context.Context, i Instance, names []string, ev *audit.Event) error
	// Replace removes all other tags of the instance.
	Replace(ctx context.Context, i Instance, names []string, ev *audit.Event) error
	Detach(ctx context.Context, i Instance, names []string, ev *audit.Event) error
}

// ActStore keeps acts that are under way.
type ActStore interface {
	// Acts returns up to limit acts, those first that were not tried for longest.
	Acts(ctx context.Context, limit int) ([]Act, error)
	// Claim takes an act for one more attempt and returns it as it then is; Stale
	// if somebody else has taken or finished it. Every later write of an act
	// compares the number of attempts, so that who has lost an act changes nothing.
	Claim(ctx context.Context, act Act) (Act, error)
	// SaveAct stores how far an act has come and why it does not come further.
	SaveAct(ctx context.Context, act Act) error
}

// Page asks for part of a list. Lists are ordered by time of creation and ID.
type Page struct {
	Limit int    // at most this many
	After string // ID of the last item of the page before; empty for the first page
}
