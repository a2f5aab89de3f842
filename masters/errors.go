package masters

import "strongroom/fault"

// Failures that a caller may be told about.
var (
	// ErrInUse refuses to retire masters that something still needs; the detail says what.
	ErrInUse = fault.New(fault.Conflict, "the masters of this generation are still needed")
	// ErrCurrent refuses to retire the masters that are in use.
	ErrCurrent = fault.New(fault.Conflict, "the generation is the current one: rotate or migrate first")
	// ErrNoGeneration says that there is no such generation.
	ErrNoGeneration = fault.New(fault.NotFound, "there is no such generation of masters")
	// ErrNoModule says that the configuration names no such crypto module.
	ErrNoModule = fault.New(fault.NotFound, "the configuration of the server names no such crypto module")
	// ErrSameModule refuses a migration to where the masters are.
	ErrSameModule = fault.New(fault.Conflict, "the current masters are in this module already: rotate them instead")
	// ErrRecoveryStays says that a recovery key cannot follow to another module by itself.
	ErrRecoveryStays = fault.New(fault.Conflict, "the recovery key cannot leave the module it is in: make the masters with new shares on the server's own machine, or say without_recovery for masters that shall have none")
	// ErrNoSet says that no generation has such a recovery key.
	ErrNoSet = fault.New(fault.NotFound, "there is no such recovery set")
	// ErrSetInUse refuses to give up a recovery key that masters in use have.
	ErrSetInUse = fault.New(fault.Conflict, "masters that are in use have this recovery key")
	// ErrNoFile says that no masters are, or were, in the file of such a module.
	ErrNoFile = fault.New(fault.NotFound, "no masters were ever in a crypto module in software of this name")
	// ErrSealInUse refuses to give up what seals masters in use.
	ErrSealInUse = fault.New(fault.Conflict, "masters that are in use are in this crypto module: migrate to another one first, and retire them")
	// ErrTarget says that the request names not exactly one thing to retire.
	ErrTarget = fault.New(fault.Invalid, "name a generation, a recovery set or a crypto module whose seal is destroyed")
)
