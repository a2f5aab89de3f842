// Package iam knows who calls and decides what they may do.
//
// It has two services. [Identities] keeps accounts, users, service IDs, API
// keys and token signing keys, issues access tokens and tells from a token who
// the [Caller] is. [Access] keeps policies, access groups and roles, and
// decides: additive, deny by default, from a compiled form in memory.
//
// Other domain services let every operation pass their [Door], which asks for
// the decision, lets the operation happen, and sees that it is recorded.
//
// The zero value of every decision is "no".
package iam
