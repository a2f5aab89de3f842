package masters

import (
	"slices"
	"time"

	"strongroom/custody"
)

// State is where a generation is in its life.
type State string

// The states.
const (
	Making  State = "making"  // nothing is sealed under it yet
	Current State = "current" // the one under which new keys are made
	Leaving State = "leaving" // its keys are moving to the current one
	Retired State = "retired" // its masters were destroyed
	Lost    State = "lost"    // its module was lost, and its keys were recovered
)

// Generation is a generation of masters, as the deployment knows it.
type Generation struct {
	Number   uint32
	Module   string // name of the crypto module that holds it
	State    State
	Recovery RecoverySet
	Escrow   custody.Escrow // empty without a recovery key, and when it was given up
	Created  time.Time
	Retired  time.Time // when its masters were destroyed or lost; zero before
	Disposed time.Time // when the operator said that the shares of Recovery are destroyed; zero before
	// InFile says that the module is in software: its masters are in a file, of which there are
	// copies wherever the data folder was copied, and in backups. What seals the file opens these.
	InFile bool
	// Unsealed is when the operator said that every key file and passphrase which has sealed that
	// file is destroyed; zero before.
	Unsealed time.Time
}

// RecoverySet describes the recovery key of a generation. The zero value says that there is none.
type RecoverySet struct {
	Set       string // names the key, as its shares do
	Threshold int    // how many shares open it
	Shares    int    // how many were made
}

// Live reports whether keys may be sealed under the generation.
func (g Generation) Live() bool { return g.State == Current || g.State == Leaving }

// currentOf returns the generation in use, if there is one.
func currentOf(all []Generation) (Generation, bool) {
	i := slices.IndexFunc(all, func(g Generation) bool { return g.State == Current })
	if i < 0 {
		return Generation{}, false
	}
	return all[i], true
}

// Left is what still needs the masters of a generation.
type Left struct {
	InstanceKeys int // of instances that have their key under no newer generation, and of the service itself
	Versions     int // versions of root keys
	ImportTokens int // that have not expired
}

// None reports whether nothing is left.
func (l Left) None() bool { return l == Left{} }
