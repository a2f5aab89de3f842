package objects

import "strongroom/fault"

// Failures that a caller may be told about. The face has one table that gives each its S3 code.
var (
	ErrNoBucket      = fault.New(fault.NotFound, "the bucket does not exist")
	ErrNoObject      = fault.New(fault.NotFound, "the object does not exist")
	ErrNoVersion     = fault.New(fault.NotFound, "the version does not exist")
	ErrNoUpload      = fault.New(fault.NotFound, "the upload does not exist; it may have been completed or aborted")
	ErrNoJob         = fault.New(fault.NotFound, "there is no such job")
	ErrNoNode        = fault.New(fault.NotFound, "there is no such storage node")
	ErrDeleteMarker  = fault.New(fault.Invalid, "the version is a delete marker")
	ErrNoConfig      = fault.New(fault.NotFound, "the configuration does not exist") // the face words it by kind
	ErrNoRetention   = fault.New(fault.NotFound, "the object has no retention or legal hold")
	ErrNotLockable   = fault.New(fault.Invalid, "the bucket is missing its Object Lock configuration")
	ErrBucketTaken   = fault.New(fault.Conflict, "the bucket name is not available")
	ErrBucketYours   = fault.New(fault.Conflict, "the instance already has this bucket")
	ErrNotEmpty      = fault.New(fault.Conflict, "the bucket is not empty")
	ErrTooMany       = fault.New(fault.Invalid, "the instance has as many buckets as it can have")
	ErrBucketName    = fault.New(fault.Invalid, "the bucket name is not valid")
	ErrLocation      = fault.New(fault.Invalid, "the location constraint is not valid")
	ErrKeyLong       = fault.New(fault.Invalid, "the object key is longer than 1024 bytes")
	ErrKeyBytes      = fault.New(fault.Invalid, "the object key is not valid UTF-8")
	ErrArgument      = fault.New(fault.Invalid, "an argument is not valid")
	ErrRequest       = fault.New(fault.Invalid, "the request contradicts itself or what is stored")
	ErrMetadataSize  = fault.New(fault.Invalid, "the metadata is longer than 2 KiB")
	ErrTag           = fault.New(fault.Invalid, "the tags are not valid")
	ErrState         = fault.New(fault.Conflict, "the bucket is not in a state that allows this")
	ErrBusy          = fault.New(fault.Conflict, "another change of the same resource is not finished yet; try again")
	ErrPrecondition  = fault.New(fault.Stale, "a condition of the request does not hold")
	ErrNotModified   = fault.New(fault.Stale, "the object is as the caller has it")
	ErrRange         = fault.New(fault.Invalid, "the range begins beyond the end of the object")
	ErrPart          = fault.New(fault.Invalid, "a part is missing, or has another ETag")
	ErrPartOrder     = fault.New(fault.Invalid, "the parts are not in ascending order")
	ErrTooSmall      = fault.New(fault.Invalid, "a part that is not the last has less than 5 MiB")
	ErrTooLarge      = fault.New(fault.TooLarge, "the object or part is larger than is possible")
	ErrDigest        = fault.New(fault.Invalid, "the content does not have the checksum that was given")
	ErrIncomplete    = fault.New(fault.Invalid, "the body is shorter or longer than announced")
	ErrProtected     = fault.New(fault.Forbidden, "the object is protected by retention or a legal hold")
	ErrPublicBlocked = fault.New(fault.Forbidden, "public access is blocked by the bucket's configuration")
	ErrQuota         = fault.New(fault.Forbidden, "the write would exceed the quota of the bucket")
	ErrFirewall      = fault.New(fault.Forbidden, "the address of the request is not among those that the bucket allows")
	ErrArchived      = fault.New(fault.Forbidden, "the object is archived and must be restored first")
	ErrNotArchived   = fault.New(fault.Forbidden, "the object is not archived")
	ErrHolds         = fault.New(fault.Conflict, "the object already has this legal hold")
	ErrCustomerKey   = fault.New(fault.Invalid, "the object needs the customer's key it was written with")
	ErrCustomerRoot  = fault.New(fault.Invalid, "server-side encryption with customer-provided keys is not supported while key protect is enabled")
	ErrWrongKey      = fault.New(fault.Forbidden, "the customer's key is not the one the object was written with")
	ErrNotImplement  = fault.New(fault.Unprocessable, "this is not implemented")
	ErrInUse         = fault.New(fault.Conflict, "the instance still has buckets")
	ErrNode          = fault.New(fault.Invalid, "the description of the storage node is not valid")
	ErrTooFewNodes   = fault.New(fault.Unavailable, "too few storage nodes can be reached; try again")

	// ErrNodesKept says that the storage nodes may be those of another server, and are only read.
	ErrNodesKept = fault.New(fault.Unavailable, "the database was restored from a backup, and its storage nodes are only read until the operator takes them over")

	// ErrDamaged says that stored data did not open, or too few good slices are left: it is internal to
	// a caller, and names what was damaged in the log.
	ErrDamaged = fault.New(fault.Internal, "stored data is damaged")
)

// Failures of a root key, which RootKeys tells apart (cos-api.md, section 20.6).
var (
	ErrRootUnknown    = fault.New(fault.Invalid, "the root key could not be found, or the object storage instance is not authorized to use it")
	ErrRootUnusable   = fault.New(fault.Invalid, "the root key is not an active root key")
	ErrUnauthorized   = fault.New(fault.Forbidden, "the object storage instance is not authorized to use the root key")
	ErrRootDisabled   = fault.New(fault.Forbidden, "the root key of this bucket is disabled")
	ErrRootDeleted    = fault.New(fault.Forbidden, "the root key of this bucket has been deleted")
	ErrRootUnreadable = fault.New(fault.Internal, "the wrapped bucket key does not open")
	ErrRootService    = fault.New(fault.Unavailable, "the key service cannot be reached; try again")
)
