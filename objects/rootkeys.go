package objects

import (
	"context"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
)

// RootKeys is what buckets need of a key service, in the same process or a remote one. The instance
// is the CRN of the object storage instance on whose behalf it is asked: the key service decides by
// its authorizations, never by the rights of the end user, whom who only names in the events.
//
// Failures are those of errors.go: ErrRootUnknown, ErrRootUnusable, ErrUnauthorized, ErrRootDisabled,
// ErrRootDeleted, ErrRootUnreadable, ErrRootService.
type RootKeys interface {
	// Describe resolves what a caller calls a root key (the CRN of a key, whose last part may be an
	// alias) to its CRN with the key's ID. It fails with ErrRootUnknown, or with ErrRootUnusable
	// unless it is an active root key.
	Describe(ctx context.Context, who iam.Caller, instance, root crn.CRN) (crn.CRN, error)
	// Generate draws a key of 32 bytes, and returns it with its wrapped form, bound to aad.
	Generate(ctx context.Context, who iam.Caller, instance, root crn.CRN, aad []string) (custody.Secret, WrappedKey, error)
	// Unwrap opens a wrapped key. Newer is set if the root key has been rotated since.
	Unwrap(ctx context.Context, who iam.Caller, instance, root crn.CRN, w WrappedKey, aad []string) (key custody.Secret, newer *WrappedKey, err error)
	// Rewrap wraps the key again by the newest version of the same root key, without showing it.
	Rewrap(ctx context.Context, instance, root crn.CRN, w WrappedKey, aad []string) (WrappedKey, error)
	// Standing returns nil while keys that root wrapped may be used, and else why not. It is asked
	// before each use of an opened bucket key and before each segment of a stream; it costs no round
	// trip in the steady state, and its answer is at most one second behind (or the documented
	// interval of a remote service without a lease).
	Standing(ctx context.Context, instance, root crn.CRN) error
	// Version returns the ID of the newest version of root, to see that it was rotated.
	Version(ctx context.Context, instance, root crn.CRN) (string, error)
	// Register tells the key service that root protects a bucket, with the version that wraps its
	// key; registering again updates. Prevent refuses the deletion of the key even by force.
	Register(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN, version string, prevent bool) error
	// Unregister takes that back; that there is no registration, or no authorization any more, is no failure.
	Unregister(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN) error
	// Report tells the key service how much data depends on a version of root.
	Report(ctx context.Context, instance, root crn.CRN, version string, objects, bytes int64) error
}

// WrappedKey is a key wrapped by a root key.
type WrappedKey struct {
	Ciphertext string // as the key service gave it
	Version    string // ID of the version of the root key that wrapped it
}
