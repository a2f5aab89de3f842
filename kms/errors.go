package kms

import "strongroom/fault"

// Failures that a caller may be told about.
var (
	ErrKeyNotFound  = fault.New(fault.NotFound, "key does not exist")
	ErrRingNotFound = fault.New(fault.NotFound, "key ring does not exist")
	ErrAliasTaken   = fault.New(fault.Conflict, "alias is already used by another key of the instance")
	ErrAliasQuota   = fault.New(fault.Conflict, "a key can have at most 5 aliases")
	ErrDeleted      = fault.New(fault.Gone, "key has already been deleted")
	ErrState        = fault.New(fault.Conflict, "key is not in a valid state")
	ErrNotRoot      = fault.New(fault.Invalid, "requested action can only be completed with a root key")
	ErrUnreadable   = fault.New(fault.Unprocessable, "the ciphertext is invalid or corrupted")
	ErrRotatedAgain = fault.New(fault.Conflict, "the key has been rotated too recently")
	ErrNeedPayload  = fault.New(fault.Invalid, "key material is required to rotate an imported key")

	// ErrField says that a field of the request breaks its rule: the detail names the field and
	// completes "must be".
	ErrField = fault.New(fault.Invalid, "a field is not valid")
	// ErrParameter is ErrField for a parameter of the query.
	ErrParameter = fault.New(fault.Invalid, "a query parameter is not valid")

	// ErrInUse refuses to delete an instance that holds keys.
	ErrInUse = fault.New(fault.Conflict, "the instance holds keys")

	// ErrUnavailable says that the authoritative record could not be read.
	ErrUnavailable = fault.New(fault.Unavailable, "the key cannot be used at the moment; try again later")
)
