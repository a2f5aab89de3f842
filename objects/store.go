package objects

import (
	"context"
	"time"

	"strongroom/audit"
)

// Store keeps buckets, objects and uploads; sqlstore implements it. Failures beside those named are
// of kind NotFound (authoritatively absent), Stale (another revision) and Conflict (name taken).
// Writes compare the revision of what they are given and store the next one, with the event in the
// same transaction; a nil event is for what is recorded elsewhere.
type Store interface {
	BucketStore
	ObjectStore
	UploadStore
	JobStore
	BlobCatalog
}

// BucketStore keeps buckets and their keys.
type BucketStore interface {
	// Bucket returns the bucket of a name in any state; BucketByID that of an ID.
	Bucket(ctx context.Context, name string) (Bucket, error)
	BucketByID(ctx context.Context, id BucketID) (Bucket, error)
	// Buckets pages by name through the active buckets of an instance.
	Buckets(ctx context.Context, l ListBuckets) ([]Bucket, error)
	// BucketsAfter pages by ID through the buckets of all instances, in any state.
	BucketsAfter(ctx context.Context, after BucketID, limit int) ([]Bucket, error)
	// CountBuckets counts the buckets of an instance that are not being deleted.
	CountBuckets(ctx context.Context, instance InstanceID) (int, error)
	// CreateBucket stores a bucket, in state BucketCreating, or at once active. It fails with
	// ErrBucketTaken if the name is another's and with ErrBucketYours if it is the same instance's.
	CreateBucket(ctx context.Context, b Bucket, k BucketKey, ev *audit.Event) error
	// UpdateBucket stores configuration, state and current key.
	UpdateBucket(ctx context.Context, b Bucket, ev *audit.Event) error
	// UpdateEmptyBucket is UpdateBucket that fails with ErrNotEmpty as RemoveBucket does.
	UpdateEmptyBucket(ctx context.Context, b Bucket, ev *audit.Event) error
	// RemoveBucket removes the row, its keys and finished jobs, or fails with ErrNotEmpty while there
	// is an object, version, marker or upload in it.
	RemoveBucket(ctx context.Context, b Bucket, ev *audit.Event) error
	// EmptyBucket removes everything in a bucket without asking, at most limit rows at a time, and
	// says whether there is more: for an instance that is reclaimed.
	EmptyBucket(ctx context.Context, id BucketID, limit int) (more bool, err error)
	Usage(ctx context.Context, id BucketID) (Usage, error)

	BucketKeys(ctx context.Context, id BucketID) ([]BucketKey, error)
	// KeysOfBuckets returns the keys of all buckets with IDs from first to last.
	KeysOfBuckets(ctx context.Context, first, last BucketID) ([]BucketKey, error)
	BucketKey(ctx context.Context, id BucketID, key BucketKeyID) (BucketKey, error)
	AddBucketKey(ctx context.Context, k BucketKey, ev *audit.Event) error
	UpdateBucketKey(ctx context.Context, k BucketKey, ev *audit.Event) error
	// RemoveBucketKey fails with ErrBusy while an object or upload is sealed by it, or the bucket's
	// new objects are.
	RemoveBucketKey(ctx context.Context, k BucketKey, ev *audit.Event) error
	// KeyUsage counts the versions and bytes that are sealed by a key.
	KeyUsage(ctx context.Context, id BucketID, key BucketKeyID) (objects, bytes int64, err error)
}

// Row is a version of an object as it is stored. What is not sealed is covered by the MAC of the row.
type Row struct {
	Bucket   BucketID
	Key      string // of the object
	Version  VersionID
	Seq      int64 // orders versions of a key: the newest has the highest; given by the store
	Latest   bool  // given by the store
	Marker   bool
	Size     int64
	Modified time.Time
	Opaque   string // the opaque ETag: 32 hexadecimal digits
	Write    string // names the write that made it: 32 hexadecimal digits; in the additional data of its segments
	SealedBy BucketKeyID
	DataKey  []byte // custody.Box of the object key
	Record   []byte // custody.Box of the Record
	Parts    int    // how many parts it has; 0 for a marker, 1 for a single put
	ACL      ACL
	Lock     Lock
	Retain   *Retention
	Archive  Archive
	// Customer says that the data key is also sealed under a key that only the caller has.
	Customer bool
	Revision int64
}

// PartRow is a part of an object or upload as it is stored. The digest of an object's parts is in its record.
type PartRow struct {
	Number   int
	Size     int64  // of the plaintext
	Write    string // of the part, as in Row
	Blob     Blob
	Modified time.Time
	// Record is the custody.Box of ETag and checksums, for parts of uploads; empty in objects. It is
	// sealed under a key of the upload, which is drawn with it and kept in the upload's record, and not
	// under that of the bucket: so UpdateUpload alone moves an upload with all of its parts to another
	// key of the bucket, while parts arrive.
	Record []byte
}

// ObjectStore keeps objects and their versions.
type ObjectStore interface {
	// Latest returns the newest version of a key, which may be a marker; Version a certain one.
	Latest(ctx context.Context, bucket BucketID, key string) (Row, error)
	Version(ctx context.Context, bucket BucketID, key string, id VersionID) (Row, error)
	// PartsOf returns the parts of a version in order, with inline content of embedded blobs.
	PartsOf(ctx context.Context, r Row) ([]PartRow, error)
	// PutVersion makes r the newest version of its key, and its blobs live. See PutVersion. It fails
	// with ErrBusy if SealedBy is no key of the bucket any more, as CreateUpload does and whatever
	// seals by another key, and with ErrNoBucket if the bucket is not active.
	PutVersion(ctx context.Context, p PutVersion) (Row, error)
	// RemoveVersion removes one version and makes its blobs dead; the next older becomes the newest.
	RemoveVersion(ctx context.Context, r Row, ev *audit.Event) error
	// UpdateVersion stores changes of what does not move bytes: record, data key, lock, ACL, archive.
	UpdateVersion(ctx context.Context, r Row, ev *audit.Event) error
	// ReplaceContent is UpdateVersion with new parts: the old blobs die.
	ReplaceContent(ctx context.Context, r Row, parts []PartRow) error
	// List returns rows and common prefixes of a page, with one more row or prefix than l.Limit if
	// there are more.
	List(ctx context.Context, bucket BucketID, l List) (rows []Row, prefixes []string, err error)
	// VersionsAfter pages through all versions of a bucket in the order of key and Seq, or those
	// sealed by one key if by is not empty; the cursor is opaque, "" begins, "" ends.
	VersionsAfter(ctx context.Context, bucket BucketID, by BucketKeyID, cursor string, limit int) (rows []Row, next string, err error)
}

// PutVersion is a new version of an object.
type PutVersion struct {
	Row   Row
	Parts []PartRow
	// BucketRevision is that of the bucket by whose configuration the caller has decided what Row is: its
	// version, lock and retention. The store fails with kind Stale if the bucket has another now.
	BucketRevision int64
	// Replace removes the version with ID NullVersion, if there is one and Row has that ID: its blobs die.
	// Expected is the newest version as the caller has judged it, for conditions and protection; the
	// store fails with kind Stale if another is the newest now. Nil means any, Absent that there is none.
	Expected *Row
	Absent   bool
	Quota    int64 // bytes that the bucket may hold after this; 0 is none; ErrQuota
	// Upload is completed by this and removed; parts of it that are not in Parts die. The store fails with
	// kind NotFound if it is not open, and with kind Stale if it has another part, by Blob.ID, where one of Parts is.
	Upload UploadID
	Event  *audit.Event
}

// UploadRow is an upload as it is stored.
type UploadRow struct {
	Upload
	BucketID BucketID
	Write    string
	SealedBy BucketKeyID
	DataKey  []byte // custody.Box, as in Row
	Record   []byte // custody.Box of what the object will have
	ACL      ACL
	Lock     Lock
	Retain   RetentionRequest
	Customer bool
	// Completed is the version that the upload has become, kept for a while so that completing twice succeeds.
	Completed VersionID
	Revision  int64
}

// UploadStore keeps uploads in parts.
type UploadStore interface {
	Upload(ctx context.Context, bucket BucketID, key string, id UploadID) (UploadRow, error)
	CreateUpload(ctx context.Context, u UploadRow, ev *audit.Event) error
	// PutPart stores a part in place of one of the same number, whose blob dies; its blob becomes live.
	// It fails with kind NotFound if the upload is no longer open, and with ErrQuota. The revision of the
	// upload is not compared and stays: parts come in parallel.
	PutPart(ctx context.Context, u UploadRow, p PartRow, quota int64, ev *audit.Event) error
	// UploadParts returns parts in the order of their numbers, after one number.
	UploadParts(ctx context.Context, u UploadRow, after, limit int) ([]PartRow, error)
	// RemoveUpload aborts an open upload: its parts die.
	RemoveUpload(ctx context.Context, u UploadRow, ev *audit.Event) error
	// UpdateUpload stores another sealing of an open upload.
	UpdateUpload(ctx context.Context, u UploadRow) error
	ListUploads(ctx context.Context, bucket BucketID, l ListUploads) (rows []UploadRow, prefixes []string, err error)
	// ForgetUploads removes what is kept of uploads that were completed before a time.
	ForgetUploads(ctx context.Context, before time.Time) error
}

// JobStore keeps background jobs.
type JobStore interface {
	Job(ctx context.Context, id string) (Job, error)
	Jobs(ctx context.Context, bucket BucketID, limit int) ([]Job, error) // newest first
	RunningJobs(ctx context.Context) ([]Job, error)
	// CreateJob fails with ErrBusy while a job that changes keys runs on the bucket.
	CreateJob(ctx context.Context, j Job, ev *audit.Event) error
	UpdateJob(ctx context.Context, j Job) error
	// ForgetJobs removes jobs that ended before a time.
	ForgetJobs(ctx context.Context, before time.Time) error
}
