package objects

import (
	"io"
	"time"

	"strongroom/crn"
	"strongroom/custody"
)

type (
	// VersionID names a version of an object: 32 lower-case hexadecimal digits, in the order of time,
	// or NullVersion for one written while its bucket kept none.
	VersionID string
	// UploadID names an upload in parts: a UUID.
	UploadID string
)

// NullVersion is the version ID of what was written without versioning.
const NullVersion VersionID = "null"

// Sizes and limits (cos-api.md, section 26).
const (
	MaxKey      = 1024     // bytes of an object's key
	MaxPut      = 5 << 30  // bytes of an object or part in one request
	MaxObject   = 10 << 40 // bytes
	MinPart     = 5 << 20  // bytes of a part that is not the last
	MaxParts    = 10_000   // of an upload
	MaxMetadata = 2 << 10  // bytes of names and values
	MaxTags     = 10       // of an object
	MaxPage     = 1000     // entries of a list
)

// Object is a version of an object as its readers see it.
type Object struct {
	Bucket  string // name
	Key     string
	Version VersionID
	// Versioned says that the bucket keeps versions, or did: else there is one only, which answers do not name.
	Versioned bool
	Latest    bool
	Marker    bool // a delete marker, which has no content
	Size      int64
	Modified  time.Time
	// ETag is without quotes. It is opaque, and Sealed is true, while the key of the bucket cannot be
	// used: then the fields below it are empty.
	ETag      string
	Sealed    bool
	Checksums Checksums
	Headers   Headers
	Tags      map[string]string
	Redirect  string // x-amz-website-redirect-location
	PartCount int    // of an object made in parts; else 0
	PartSize  int64  // and, when one part was asked for by number, its size
	// CustomerKeyMD5 is base64 of the MD5 of the caller's own key (SSE-C); empty without one.
	CustomerKeyMD5 string
	// Root is the root key that the object was given beside the bucket's; zero for none.
	Root      crn.CRN
	ACL       ACL
	Lock      Lock
	Retention *Retention // IBM's (?protection)
	Archive   Archive
	// Expiry is when the lifecycle will expire it and by which rule, if any.
	Expiry     time.Time
	ExpiryRule string
}

// Headers are what was sent with an object and comes back with it.
type Headers struct {
	ContentType        string            `json:",omitempty"`
	CacheControl       string            `json:",omitempty"`
	ContentDisposition string            `json:",omitempty"`
	ContentEncoding    string            `json:",omitempty"` // without aws-chunked
	ContentLanguage    string            `json:",omitempty"`
	Expires            string            `json:",omitempty"`
	Metadata           map[string]string `json:",omitempty"` // names in lower case, without x-amz-meta-
}

// Algorithm is a checksum that S3 knows.
type Algorithm string

const (
	CRC32     Algorithm = "CRC32"
	CRC32C    Algorithm = "CRC32C"
	CRC64NVME Algorithm = "CRC64NVME"
	SHA1      Algorithm = "SHA1"
	SHA256    Algorithm = "SHA256"
)

// Checksums of an object or part, beside its ETag.
type Checksums struct {
	Algorithm Algorithm `json:",omitempty"`
	Value     string    `json:",omitempty"` // base64, with "-N" for a composite one of N parts
	Composite bool      `json:",omitempty"`
}

// Lock is Object Lock on one version.
type Lock struct {
	Mode  LockMode  `json:",omitempty"`
	Until time.Time `json:",omitzero"`
	Hold  bool      `json:",omitempty"`
	// Lifted says that a hold was set and lifted, or that whoever made the version said there is none. A
	// version without either answers that nothing is known of a hold.
	Lifted bool `json:",omitempty"`
}

// Retention is what a retention policy (?protection) keeps of an object.
type Retention struct {
	Created time.Time
	Seconds int64     // -1 indefinite, -2 permanent
	Until   time.Time // zero for those
	Holds   []Hold    `json:",omitempty"`
}

// Hold is a legal hold under a retention policy.
type Hold struct {
	ID    string
	Since time.Time
}

// Archive is whether an object was moved to the archive, which here is a flag: its bytes stay where they are.
type Archive struct {
	Storage  string    `json:",omitempty"` // GLACIER or ACCELERATED
	Due      time.Time `json:",omitzero"`  // of the transition that is planned
	At       time.Time `json:",omitzero"`  // of the transition
	Restored time.Time `json:",omitzero"`  // until when a restored copy can be read
}

// CustomerKey is a key that a caller brings with the request (SSE-C). It is nil without one.
type CustomerKey struct {
	Key custody.Secret // 32 bytes
	MD5 string         // base64
}

// Encryption is what a request says of the keys of what it writes. The zero value is the bucket's way.
type Encryption struct {
	Customer *CustomerKey
	// Root names a root key for this object: the CRN of a key, or of an alias. Empty for the bucket's.
	Root string
}

// Expect is what the request says the content must have; a difference is ErrDigest and nothing is
// stored. Trailers are known only at the end: Trailer is called then, after the reader's end.
type Expect struct {
	Size    int64     // bytes; -1 if unknown
	MD5     []byte    // 16 bytes, or nil
	SHA256  []byte    // of the payload as signed; nil if not to be checked
	Want    Algorithm // to compute, beside the default CRC64NVME; empty for none
	Value   string    // base64, if known before the body
	Trailer func() (value string, err error)
}

// Conditions of a request; zero fields ask nothing. ETags are without quotes; "*" matches any.
type Conditions struct {
	Match, NoneMatch               []string
	ModifiedSince, UnmodifiedSince time.Time
}

// Write is an object to be written.
type Write struct {
	Bucket, Key string
	Headers     Headers
	Tags        map[string]string
	Redirect    string
	ACL         ACL
	Lock        Lock
	Retention   RetentionRequest
	Encryption  Encryption
	Expect      Expect
	Conditions  Conditions // Match and NoneMatch "*" of the object that is replaced
}

// RetentionRequest is what a write asks of a retention policy; at most one of the two.
type RetentionRequest struct {
	Seconds *int64
	Until   time.Time
	Hold    string // ID of a legal hold
}

// Read asks for an object.
type Read struct {
	Bucket, Key string
	Version     VersionID // empty for the newest
	Part        int       // number of the part that is wanted; 0 for all
	Range       *Range
	RangeIf     *Validator // what the object must still be for the range to count; nil for no matter what
	Conditions  Conditions
	Customer    *CustomerKey
	// Owner is who the bucket must belong to if it is the source of a copy; see iam.Caller.Within.
	Owner string
}

// Validator tells one state of an object from others, by its ETag or else by its date.
type Validator struct {
	ETag     string // without quotes
	Modified time.Time
}

// Range is a range of bytes as RFC 9110, section 14.1.2 has them: First to Last inclusive; Last -1 to
// the end; First -1 for the last Last bytes.
type Range struct{ First, Last int64 }

// Content is an object that was found and may be read. Close it.
type Content struct {
	Object
	Offset, Length int64 // of what was asked for; Length of all without a range or part
	Partial        bool  // a range or a part was asked for
	io.ReadCloser        // gives Length bytes, each checked before it is given
}

// Remove asks for the removal of an object or version.
type Remove struct {
	Bucket, Key string
	Version     VersionID
	Bypass      bool       // of governance retention
	Conditions  Conditions // Match
}

// Removed is what a removal has done.
type Removed struct {
	Key     string
	Version VersionID // removed, or of the marker made; empty in an unversioned bucket
	Marker  bool      // a marker was made or removed
	Made    bool      // a marker was made
	Err     error     // of this key, in a removal of many
}

// Copy copies an object on the server.
type Copy struct {
	Write
	From           Read // Conditions and Customer of the source; Range for a part
	ReplaceHeaders bool // else those of the source are kept
	ReplaceTags    bool
	KeepRetention  bool // IBM's Retention-Directive: COPY
}

// Copied is the outcome of a copy.
type Copied struct {
	Object
	Source VersionID // that was copied; empty if its bucket never kept any
}
