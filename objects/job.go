package objects

import (
	"time"

	"strongroom/crn"
)

// JobKind says what a background job does to a bucket.
type JobKind string

const (
	// JobRewrap wraps the keys of the bucket by the newest version of the same root key. Objects are
	// not touched. It is also started by itself when a root key was rotated.
	JobRewrap JobKind = "rewrap"
	// JobRekey moves the bucket to another root key, or to the provider's: a new bucket key, under
	// which every object key and record is sealed anew. With Reencrypt every object gets a new object
	// key too, and its content is written again: only that protects old objects from a former holder
	// with a copy of keys.
	JobRekey JobKind = "rekey"
	// JobVerify reads stored slices of a sample of the objects, or of all, and proves that they are
	// ciphertext under the key that the bucket names.
	JobVerify JobKind = "verify"
	// JobLifecycle applies the lifecycle rules of a bucket.
	JobLifecycle JobKind = "lifecycle"
)

// JobState says how a job stands.
type JobState string

const (
	JobRunning JobState = "running" // also while it waits for its server to start again
	JobDone    JobState = "done"
	JobFailed  JobState = "failed"
)

// Job is work on a bucket in the background. It survives a restart: Cursor says how far it came.
type Job struct {
	ID        string // UUID
	Bucket    BucketID
	Name      string // of the bucket
	Kind      JobKind
	State     JobState
	Root      crn.CRN     // JobRekey: the new root key; zero for the provider's
	From      BucketKeyID // JobRekey: the bucket's key when it was asked for
	To        BucketKeyID // JobRekey: the new one, which may not be there yet
	Reencrypt bool
	Sample    int      // JobVerify: how many objects; 0 for all
	Done      int64    // object versions worked on
	Total     int64    // about how many there are
	Bytes     int64    // read or written
	Bad       int64    // JobVerify: objects that did not verify
	Findings  []string // of a verification or failure, at most 100, for the owner
	Cursor    string   // where to go on; private to the job
	Created   time.Time
	Updated   time.Time
	By        string // IAM ID of who asked; empty for the server
	Revision  int64
}

// Protection level that JobVerify reports in its findings.
const (
	// LevelReencrypted: every object key was made after the bucket came to its root key.
	LevelReencrypted = "reencrypted"
	// LevelRekeyed: object keys are older; who held an earlier root key and copies of it may open them.
	LevelRekeyed = "rekeyed"
)
