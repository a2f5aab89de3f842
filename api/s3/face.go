// Package s3 is the face of the object store: S3 as IBM Cloud Object Storage speaks it, on an address
// of its own.
//
// S3 does not tell its operations apart by the path alone: the table in operations.go names them by
// method, by whether the path is that of the service, a bucket or an object, and by a sub-resource in
// the query or a header. Keys of objects are the bytes of the escaped path, decoded once and never
// cleaned.
//
// A request is understood in a fixed order (cos-api.md, section 3.1): its path and method, its
// credentials, the bucket, the permission, and only then its headers and its content. Documents in XML
// are bounded and read before the bucket is looked up. Contents are streams
// that verify themselves while they are read: their end is an error unless length, digests, chunk
// signatures and trailers were all as the caller has signed or announced them, so that nothing becomes
// visible of a body that somebody has changed.
//
// Headers that the face does not know are ignored, as the service does whose protocol this is.
package s3

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Identities tells who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
	AuthenticateHMAC(ctx context.Context, accessKeyID string, trail *audit.Trail) (iam.Caller, custody.Secret, error)
}

// Objects is what the face asks of the object store; *objects.Service is one.
type Objects interface {
	Refuse(ctx context.Context, who iam.Caller, action iam.Action, bucket, key string, cause error) error

	Put(ctx context.Context, who iam.Caller, w objects.Write, body io.Reader) (objects.Object, error)
	Get(ctx context.Context, who iam.Caller, r objects.Read) (*objects.Content, error)
	Head(ctx context.Context, who iam.Caller, r objects.Read) (*objects.Content, error)
	Remove(ctx context.Context, who iam.Caller, r objects.Remove) (objects.Removed, error)
	Copy(ctx context.Context, who iam.Caller, c objects.Copy) (objects.Copied, error)

	StartUpload(ctx context.Context, who iam.Caller, u objects.StartUpload) (objects.Upload, error)
	PutPart(ctx context.Context, who iam.Caller, p objects.PartWrite, body io.Reader) (objects.Part, error)
	Parts(ctx context.Context, who iam.Caller, l objects.ListParts) (objects.PartListing, error)
	CompleteUpload(ctx context.Context, who iam.Caller, c objects.Complete) (objects.Object, error)
	AbortUpload(ctx context.Context, who iam.Caller, bucket, key string, id objects.UploadID) error

	Buckets
	Versions
}

// Buckets is what it asks about buckets.
type Buckets interface {
	Buckets(ctx context.Context, who iam.Caller, l objects.ListBuckets) (page []objects.Bucket, more bool, err error)
	CreateBucket(ctx context.Context, who iam.Caller, n objects.NewBucket) (objects.Bucket, error)
	Bucket(ctx context.Context, who iam.Caller, action iam.Action, name string) (objects.BucketView, error)
	Configure(ctx context.Context, who iam.Caller, action iam.Action, name string, change objects.Change) (objects.Bucket, error)
	DeleteBucket(ctx context.Context, who iam.Caller, name string) error
	SetEncryption(ctx context.Context, who iam.Caller, bucket, root string) (objects.BucketView, error)
	CORS(ctx context.Context, bucket string) ([]objects.CORSRule, error)
	Site(ctx context.Context, bucket string) (objects.Website, error)

	List(ctx context.Context, who iam.Caller, l objects.List) (objects.Listing, error)
	Uploads(ctx context.Context, who iam.Caller, l objects.ListUploads) (objects.UploadListing, error)
	RemoveMany(ctx context.Context, who iam.Caller, bucket string, list []objects.Remove) ([]objects.Removed, error)
}

// Versions is what it asks about versions of objects beside their content.
type Versions interface {
	Tags(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID) (objects.Object, error)
	SetTags(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID, tags map[string]string) (objects.Object, error)
	ObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID) (objects.Object, objects.Bucket, error)
	SetObjectACL(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID, acl objects.ACL) (objects.Object, error)
	LockRetention(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID) (objects.Object, error)
	SetLockRetention(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID, mode objects.LockMode, until time.Time, bypass bool) (objects.Object, error)
	LockHold(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID) (objects.Object, error)
	SetLockHold(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID, on bool) (objects.Object, error)
	Holds(ctx context.Context, who iam.Caller, bucket, key string) (objects.Object, error)
	ChangeHolds(ctx context.Context, who iam.Caller, bucket, key, id string, add bool) (objects.Object, error)
	ExtendRetention(ctx context.Context, who iam.Caller, bucket, key string, e objects.Extension) (objects.Object, error)
	RestoreArchived(ctx context.Context, who iam.Caller, bucket, key string, v objects.VersionID, days int, tier string) (objects.Object, error)
}

// Config is what the face works with. Every field is required unless it says otherwise.
type Config struct {
	Objects    Objects
	Identities Identities
	Log        iam.RefusalRecorder
	Now        func() time.Time
	Logger     *slog.Logger

	// Domains are host names below which each bucket has one of its own: "s3.example" makes
	// "bucket.s3.example" the bucket. Other hosts are addressed by path. May be empty.
	Domains []string
	// WebsiteDomains are host names below which each bucket with a website configuration serves it to
	// everybody: "s3-web.example". May be empty.
	WebsiteDomains []string
	// InstanceOf returns the object storage instance that the credential of a caller was made for, or ""
	// for none: it is what requests are about that do not name one. Nil finds none.
	InstanceOf func(ctx context.Context, who iam.Caller) (objects.InstanceID, error)
	// Server is the Server header of answers; empty for "Strongroom".
	Server string
	// Patience is how long an upload in parts may take to be completed before white space is sent to
	// keep the connection; zero means 20 seconds.
	Patience time.Duration
}

// face is a Config at work.
type face struct {
	Config
	table table
}

// New returns the face.
func New(c Config) *httpface.Face[iam.Caller] {
	if c.Server == "" {
		c.Server = "Strongroom"
	}
	if c.InstanceOf == nil {
		c.InstanceOf = func(context.Context, iam.Caller) (objects.InstanceID, error) { return "", nil }
	}
	if c.Patience == 0 {
		c.Patience = 20 * time.Second
	}
	f := &face{Config: c}
	routes := f.routes(f.operations())
	return &httpface.Face[iam.Caller]{
		Name: "s3", Prefixes: []string{"/"}, Routes: routes, Now: c.Now, Log: c.Logger,
		Authenticate: f.authenticate, Fail: f.fail, Find: f.find,
		Record: func(ctx context.Context, call *httpface.Call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, c.Log, "Cloud Object Storage", who, call.Trail, unreached(call), status, err)
		},
		RequestID:  []string{"X-Amz-Request-Id", "X-Clv-Request-Id"},
		Headers:    http.Header{"Server": {c.Server}, "X-Clv-S3-Version": {"2.5"}},
		OwnHeaders: true,
	}
}

// unreached is the name under which a request is recorded that no door has seen.
func unreached(c *httpface.Call) string {
	if c.Action == "" {
		return "cloud-object-storage.request.unknown"
	}
	return c.Action
}
