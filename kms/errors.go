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

	ErrImportTokenExpired = fault.New(fault.Conflict, "the import token has expired")
	ErrNoImportToken      = fault.New(fault.NotFound, "the instance has no import token")
	ErrNonce              = fault.New(fault.Invalid, "the nonce is not that of the import token")
	ErrNonceSealing       = fault.New(fault.Invalid, "the nonce was not encrypted with the key material and initialization vector given")
	ErrNoTransport        = fault.New(fault.Unprocessable, "the crypto module of this server cannot receive keys under an import token")
	ErrRepeatDiffers      = fault.New(fault.Unprocessable, "the idempotency key was used for another request")

	// ErrHeader is ErrField for a header of the request.
	ErrHeader         = fault.New(fault.Invalid, "a header is not valid")
	ErrTooEarly       = fault.New(fault.Conflict, "the key was updated recently")
	ErrExpired        = fault.New(fault.Invalid, "the key is expired")
	ErrRestoreExpired = fault.New(fault.Invalid, "the key can be restored no more")
	ErrNotDualAuth    = fault.New(fault.Conflict, "the key is not dual auth enabled and cannot be set for deletion")
	ErrNotAuthorized  = fault.New(fault.Conflict, "the number of authorizations required to delete is not met")
	// ErrMaterialAccess says that the policy of the instance does not let such a key be made.
	ErrMaterialAccess = fault.New(fault.Conflict, "the instance policy for creating and importing keys does not allow this")

	// ErrField says that a field of the request breaks its rule: the detail names the field and
	// completes "must be".
	ErrField = fault.New(fault.Invalid, "a field is not valid")
	// ErrParameter is ErrField for a parameter of the query.
	ErrParameter = fault.New(fault.Invalid, "a query parameter is not valid")

	// ErrNoInstance and ErrNotRestricted are for the operator of the server.
	ErrNoInstance    = fault.New(fault.NotFound, "there is no such Key Protect instance")
	ErrNotRestricted = fault.New(fault.Conflict, "no policy restricts from where requests to the instance may come")

	// ErrInUse refuses to delete an instance that holds keys.
	ErrInUse = fault.New(fault.Conflict, "the instance holds keys")

	ErrRingTaken     = fault.New(fault.Conflict, "the instance already has a key ring with this ID")
	ErrRingQuota     = fault.New(fault.Conflict, "the instance has as many key rings as it can have")
	ErrRingNotEmpty  = fault.New(fault.Conflict, "the key ring holds keys")
	ErrAliasNotFound = fault.New(fault.NotFound, "the key does not have this alias")

	// ErrProtecting refuses to delete a key that protects resources, without force; ErrRetained
	// one whose resources are kept for a time, even with force.
	ErrProtecting = fault.New(fault.Conflict, "key is protecting one or more cloud resources")
	ErrRetained   = fault.New(fault.Conflict, "the key protects a cloud resource that has a retention policy")

	ErrRegistrationNotFound = fault.New(fault.NotFound, "the resource is not registered with the key")
	ErrRegistered           = fault.New(fault.Conflict, "the resource is already registered with the key")
	ErrRegisterState        = fault.New(fault.Unprocessable, "only an active key can protect a resource")
	ErrRegisterNotRoot      = fault.New(fault.Unprocessable, "only a root key can protect a resource")
	ErrOldVersion           = fault.New(fault.Unprocessable, "the key version is not later than that of the registration")
	// ErrServiceOnly and ErrNotOwner are for callers that may act on the key: they tell them no
	// more than they know.
	ErrServiceOnly = fault.New(fault.Forbidden, "this action can only be done by a service")
	ErrNotOwner    = fault.New(fault.Forbidden, "the resource does not belong to the service")

	// ErrUnavailable says that the authoritative record could not be read.
	ErrUnavailable = fault.New(fault.Unavailable, "the key cannot be used at the moment; try again later")
)

// ErrMastersRetired is an ErrUnavailable: what is to be stored was sealed under masters that have been
// retired meanwhile. Made anew, it is sealed under newer ones.
var ErrMastersRetired = ErrUnavailable.On("", "the masters it was sealed under have been retired")
