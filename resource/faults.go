package resource

import "strongroom/fault"

// Failures that a caller may be told about.
var (
	ErrInvalid       = fault.New(fault.Invalid, "the request is not valid")
	ErrNoInstance    = fault.New(fault.NotFound, "there is no such resource instance")
	ErrNoKey         = fault.New(fault.NotFound, "there is no such resource key")
	ErrNoGroup       = fault.New(fault.NotFound, "there is no such resource group")
	ErrNoReclamation = fault.New(fault.NotFound, "there is no such reclamation")
	ErrDeleted       = fault.New(fault.Gone, "the resource instance has been deleted")
	ErrKeyDeleted    = fault.New(fault.Gone, "the resource key has been deleted")
	ErrLocked        = fault.New(fault.Unprocessable, "the resource instance is locked")
	ErrHasKeys       = fault.New(fault.Invalid, "the resource instance has resource keys; delete them first, or delete recursively")
	ErrBusy          = fault.New(fault.Conflict, "another operation on this resource is not finished yet; try again")
	ErrNameTaken     = fault.New(fault.Conflict, "the name is taken")
	ErrGroupInUse    = fault.New(fault.Conflict, "the resource group still has resource instances")
	ErrDefaultGroup  = fault.New(fault.Conflict, "the default resource group cannot be deleted")
	ErrReclaiming    = fault.New(fault.Conflict, "the resource instance is being reclaimed and cannot be restored")
)
