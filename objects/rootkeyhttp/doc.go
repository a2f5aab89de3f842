// Package rootkeyhttp gives the object store root keys in IBM's Key Protect, or in any service that
// speaks its protocol, over HTTPS.
//
// That service knows nothing of this object store, so two things differ from the key service of the
// same server. It is asked with one API key for all instances of the object store, and decides by the
// policies of that key's identity. And it tells nobody when a key changes: its state is asked for
// every 30 seconds, or as configured, and a key that is disabled or deleted is used for that long. Of
// a service that cannot be reached, the last answer holds for ten such intervals.
//
// Buckets are not registered with it, as only IBM's own services may do that: who deletes a root key
// there is not warned of the buckets that it protects.
//
// Another Strongroom can be asked in this way as well. With an interval of half a second it is
// followed within one, at the price of an event in its audit log for each question.
package rootkeyhttp
