// Package kms is the key service: root keys and standard keys of a tenant's
// instance, their versions and states, and the wrapping of data keys.
//
// Every operation takes the caller first, passes the one door of the service
// ([iam.Door]), and leaves a record. Which key a request means is looked up
// before the decision, because a grant may name a key or a key ring; a key that
// does not exist is decided like one outside every such grant, so that "absent"
// is only heard by those who may see the whole instance.
//
// The material of a root key lives in a crypto module and is stored sealed under
// the key of its instance ([strongroom/custody]). No key is used before it is
// durably stored: it is loaded from its stored form for its first use.
//
// Wrapping, unwrapping and reading work from leased memory: in the steady state
// they make no statement to the database, and what they found there is checked
// against the lease again before the answer leaves.
package kms
