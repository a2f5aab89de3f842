// Package objects is the object store: buckets, objects and their versions, uploads in parts, and the
// sealing of what is stored.
//
// The keys, from the outside in:
//
//	root key        in a key service, reached through RootKeys: the customer's, or the provider's own
//	  └ bucket key    32 bytes, wrapped by the root key with the bucket's CRN as additional data
//	      └ object key    32 random bytes, sealed under the bucket key (custody.PurposeObjectKey)
//	          └ segments    AES-256-GCM, 1 MiB of plaintext each, dispersed by Blobs
//
// What a bucket remembers of an object beside its name, size and dates (ETag, checksums, user
// metadata, tags, the digest of its parts) is sealed under the bucket key as well
// (custody.PurposeObjectRecord), bound to the object's name, version and write, so that a copy of the
// database confirms no guess and a changed row does not open.
//
// An object is visible when enough of its slices are durable and its record is committed; a crash
// leaves the old object or the new one.
//
// Every operation takes the caller first and passes the one door, which decides on the bucket and the
// path in it. Where the bytes go is for Blobs (package dispersal), where records go is for Store
// (package sqlstore).
package objects
