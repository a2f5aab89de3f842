// Package rootkeyhttp gives the object store root keys in another key service, over HTTPS.
//
// Another Strongroom knows this object store as an object storage instance of its own, whose
// authorizations decide. A token that is that instance is had with an API key of an identity with the
// role Instance Actor. Buckets are registered as buckets of that instance. The root keys in use are
// watched: an answer is good for 900 ms from the moment it was true, and the next one is asked for
// before that ends, so that a change holds within a second. Without the service nothing is used.
//
// IBM's Key Protect, and what else speaks its protocol, decides by the policies of the API key's
// identity. It tells nobody when a key changes: its state is asked for every 30 seconds, or as
// configured, and a key that is disabled or deleted is used for that long. Of a service that cannot be
// reached, the last answer holds for ten such intervals. Buckets are not registered with it, as only
// IBM's own services may do that: who deletes a root key there is not warned of the buckets that it
// protects.
//
// Of both kinds, what does not speak the protocol is a service that cannot be reached: an error page of a
// proxy, a redirect (none is followed), an answer of more than a MiB or one that takes longer than ten
// seconds. None of that says that a root key is deleted or disabled.
package rootkeyhttp
