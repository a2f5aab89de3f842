// Package resource keeps what an account is divided into: resource groups,
// service instances of the key service and of the object store, the service
// credentials ("resource keys") that programs use with them, and tags.
//
// An instance belongs to the service that it is one of. What that service has
// to do when an instance is made or destroyed is asked through [Owner]; the
// identity behind a resource key is made through [Credentials] and [Grants].
// Domains share no transaction, so such a change is an act: a row that lists
// what is to be done, idempotent steps with identifiers chosen beforehand, and
// [Service.Reconcile], which finishes or undoes what a crash has interrupted.
// Nobody sees an act half done.
//
// The life of an instance:
//
//	provisioning → active → closing → pending_reclamation → reclaiming → removed
//	                  ↑_________|________________|
//
// A deleted instance can be restored for seven days; then, or at once on
// demand, its owner destroys what is in it. Its row remains, because clients
// ask for the state of what they have deleted.
//
// Every operation takes the caller first and passes the door, which decides on
// the instance concerned. What does not exist and what belongs to another
// account look the same.
package resource
