package objects

import "time"

// Upload is an upload in parts.
type Upload struct {
	Bucket    string
	Key       string
	ID        UploadID
	Initiator string // IAM ID
	Started   time.Time
	Algorithm Algorithm // of the checksum that was announced; empty for none
	Composite bool
	// CustomerKeyMD5 and Encrypted say which keys the parts must come with.
	CustomerKeyMD5 string
}

// StartUpload begins an upload; Expect of the write is not used.
type StartUpload struct {
	Write
	Algorithm Algorithm
	// FullObject asks for a checksum of the whole in place of one composed of those of the parts.
	FullObject bool
}

// PartWrite is a part to be written. A part of the same number is replaced.
type PartWrite struct {
	Bucket, Key string
	Upload      UploadID
	Number      int // 1 to MaxParts
	Customer    *CustomerKey
	Expect      Expect
	From        *Read // to copy the part from an object, a range of it if Range is set; then there is no body
}

// Part is a part of an upload, or of an object made by one.
type Part struct {
	Number    int
	Size      int64
	ETag      string
	Checksums Checksums
	Modified  time.Time
	Source    VersionID // of the object that it was just copied from; empty if its bucket never kept any
}

// Complete puts the parts of an upload together.
type Complete struct {
	Bucket, Key string
	Upload      UploadID
	Parts       []Part    // Number, ETag (without quotes) and, if given, checksums
	Checksums   Checksums // of the whole, if given
	Composite   *bool     // whether that of the whole is one of checksums, if given
	Size        int64     // of the whole if given; else -1
	Retention   RetentionRequest
	Conditions  Conditions
	Customer    *CustomerKey
}

// Extension asks for a longer retention, by exactly one of its fields.
type Extension struct {
	Add     *int64    // seconds more
	FromNow *int64    // seconds from now
	Until   time.Time // a new date
	Period  *int64    // a new period in seconds, from the creation of the object
}
