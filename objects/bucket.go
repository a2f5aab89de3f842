package objects

import (
	"time"

	"strongroom/crn"
	"strongroom/iam"
)

type (
	// BucketID names a bucket for good: a UUID. A bucket that is made again with the same name is
	// another one. It is part of the additional data of all that is sealed for it.
	BucketID string
	// InstanceID is the GUID of an object storage instance.
	InstanceID string
	// BucketKeyID names one of the keys of a bucket: a UUID.
	BucketKeyID string
)

// BucketState says whether a bucket is there for its users.
type BucketState string

const (
	BucketCreating BucketState = "creating" // its key is being made and registered; nobody sees it
	BucketActive   BucketState = "active"
	BucketDeleting BucketState = "deleting" // its registration is being removed; nobody sees it
)

// Bucket is a bucket with all of its configuration.
type Bucket struct {
	ID       BucketID
	Name     string // unique over all accounts
	Instance InstanceID
	Account  iam.AccountID
	Location string // the LocationConstraint: location and storage class, as "us-south-standard"
	Profile  string // name of the profile by which new objects are dispersed
	State    BucketState
	Created  time.Time
	Updated  time.Time
	Revision int64

	// Key seals new objects: one of the bucket's keys.
	Key BucketKeyID
	// OpaqueETags shows ETags that say nothing of the content, also while the key is usable.
	OpaqueETags bool

	Config
}

// CRN names the bucket, in registrations and policies.
func (b *Bucket) CRN() crn.CRN {
	return crn.Of(crn.ObjectStorage, "global", string(b.Account), string(b.Instance), "bucket", b.Name)
}

// instanceCRN names the instance that the bucket is in, also when it is there no more.
func (b *Bucket) instanceCRN() crn.CRN { return b.CRN().Child("", "") }

// Config is what the owner of a bucket sets. It is stored as one JSON document, which is covered by
// the MAC of the bucket's row: it decides access. What is nil or empty has not been set.
type Config struct {
	Versioning   Versioning         `json:",omitempty"`
	Lock         *LockConfig        `json:",omitempty"`
	Protection   *Protection        `json:",omitempty"`
	ACL          ACL                `json:",omitempty"`
	PublicAccess *PublicAccessBlock `json:",omitempty"`
	CORS         []CORSRule         `json:",omitempty"`
	Website      *Website           `json:",omitempty"`
	Lifecycle    []LifecycleRule    `json:",omitempty"`
	Replication  *Replication       `json:",omitempty"`
	Firewall     *Firewall          `json:",omitempty"`
	Quota        int64              `json:",omitempty"` // bytes; 0 is none
	Activity     *ActivityTracking  `json:",omitempty"`
	Metrics      *MetricsMonitoring `json:",omitempty"`
}

// Versioning is whether a bucket keeps versions; empty if it never did.
type Versioning string

const (
	VersioningEnabled   Versioning = "Enabled"
	VersioningSuspended Versioning = "Suspended"
)

// LockMode is how firmly Object Lock retains.
type LockMode string

const (
	Governance LockMode = "GOVERNANCE"
	Compliance LockMode = "COMPLIANCE"
)

// LockConfig is Object Lock, which cannot be switched off again. Without a Mode there is no default
// retention; else exactly one of Days and Years is set.
type LockConfig struct {
	Mode  LockMode `json:",omitempty"`
	Days  int      `json:",omitempty"` // up to 36,500
	Years int      `json:",omitempty"` // up to 100
}

// Protection is IBM's retention policy (?protection), in days: Minimum ≤ Default ≤ Maximum.
type Protection struct {
	Minimum, Default, Maximum int
	Permanent                 bool // allows permanent retention; cannot be unset
}

// ACL is a canned ACL: ACLPrivate is the zero value.
type ACL string

const (
	ACLPrivate    ACL = ""
	ACLPublicRead ACL = "public-read"
)

// PublicAccessBlock limits what ACLs can do.
type PublicAccessBlock struct {
	BlockPublicACLs  bool // refuse to set one
	IgnorePublicACLs bool // and do as if there were none
}

// CORSRule is one rule of cross-origin access.
type CORSRule struct {
	ID      string   `json:",omitempty"`
	Origins []string // at most one * in each
	Methods []string
	Headers []string `json:",omitempty"` // at most one * in each
	Expose  []string `json:",omitempty"`
	MaxAge  *int     `json:",omitempty"` // seconds; less than 0 asks browsers to remember nothing
}

// Website is the configuration of a static website.
type Website struct {
	Index    string        `json:",omitempty"` // suffix
	Error    string        `json:",omitempty"` // key of the document for errors
	Rules    []RoutingRule `json:",omitempty"`
	Redirect *Redirect     `json:",omitempty"` // of all requests; then nothing else is set
}

// RoutingRule redirects what its conditions match.
type RoutingRule struct {
	Status   string `json:",omitempty"` // HTTP status for which it holds
	Prefix   string `json:",omitempty"`
	Redirect Redirect
}

// Redirect says where to; empty fields stay as they are in the request.
type Redirect struct {
	Host, Protocol, Prefix, Key, Code string `json:",omitempty"`
}

// LifecycleRule says what becomes of objects by the clock. Nil actions are not taken.
type LifecycleRule struct {
	ID      string
	Enabled bool
	// Legacy says that the prefix stood in the rule itself, not in a filter.
	Legacy bool              `json:",omitempty"`
	Prefix string            `json:",omitempty"`
	Tags   map[string]string `json:",omitempty"`
	Above  *int64            `json:",omitempty"` // only objects larger than this many bytes
	Below  *int64            `json:",omitempty"`

	ExpireDays        int       `json:",omitempty"`
	ExpireDate        time.Time `json:",omitzero"`  // midnight UTC
	ExpireMarkers     bool      `json:",omitempty"` // delete markers without versions
	NoncurrentDays    int       `json:",omitempty"`
	NoncurrentKeep    int       `json:",omitempty"` // newer noncurrent versions that stay
	AbortDays         int       `json:",omitempty"` // of uploads in parts
	TransitionDays    *int      `json:",omitempty"`
	TransitionDate    time.Time `json:",omitzero"`
	TransitionStorage string    `json:",omitempty"` // GLACIER or ACCELERATED
}

// Replication is stored and returned; nothing is replicated.
type Replication struct {
	Document []byte // the XML that was given
}

// Firewall limits from where a bucket is reached.
type Firewall struct {
	AllowedIP   []string `json:",omitempty"` // addresses and CIDRs, at most 1,000
	DeniedIP    []string `json:",omitempty"`
	NetworkType []string `json:",omitempty"`
}

// ActivityTracking is stored for clients; our own audit log records everything.
type ActivityTracking struct {
	CRN                             string
	ReadData, WriteData, Management bool
}

// MetricsMonitoring is stored for clients.
type MetricsMonitoring struct {
	CRN            string
	Usage, Request bool
}

// BucketKey is one of the keys of a bucket, wrapped by a root key. A bucket has one in the ordinary
// case; more while it is rekeyed, and for objects with a root key of their own.
type BucketKey struct {
	ID      BucketKeyID
	Bucket  BucketID
	Root    crn.CRN // of the root key; zero for the provider's own
	Wrapped WrappedKey
	// Alias is what a caller named the root key by, if that was not its ID (shown for SSE-KMS).
	Alias string
	Fresh bool // made with new object keys all along: no former holder of another root key can have them
	// Pending says that its registration at the key service is not certain yet: nothing is sealed by it.
	Pending  bool
	Created  time.Time
	Revision int64
}

// Usage counts what a bucket holds.
type Usage struct {
	Objects, Bytes                     int64 // all versions
	NoncurrentObjects, NoncurrentBytes int64
	DeleteMarkers                      int64
	Uploads                            int64
}

// NewBucket is a bucket to be made.
type NewBucket struct {
	Name     string
	Instance InstanceID
	Location string // empty for the house's
	ACL      ACL
	Lock     bool   // with Object Lock, and so with versioning
	Root     string // CRN of the customer's root key; empty for the provider's
}

// BucketView is a bucket as a reader sees it.
type BucketView struct {
	Bucket
	Root crn.CRN // of the customer's root key; zero for the provider's
}

// Change is a change of configuration, made by the functions of config.go. It may be applied more than once.
type Change func(b *Bucket, now time.Time) error
