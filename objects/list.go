package objects

// List asks for objects or versions in the binary order of their keys.
type List struct {
	Bucket    string
	Prefix    string
	Delimiter string
	After     string    // keys from here on, exclusive; a common prefix hides all that it begins
	Version   VersionID // with After, for versions: those after this one within that key
	Limit     int       // 0 to MaxPage
	Versions  bool      // every version and delete marker, newest first within a key
}

// Listing is a page of a list.
type Listing struct {
	Bucket      BucketView // for headers of the answer
	Objects     []Object   // and delete markers, if versions were asked for
	Prefixes    []string   // common prefixes, in order
	Truncated   bool
	Next        string // to continue after: the last key or common prefix returned
	NextVersion VersionID
}

// ListUploads asks for uploads in the order of key and start.
type ListUploads struct {
	Bucket, Prefix, Delimiter string
	After                     string
	AfterUpload               UploadID
	Limit                     int
}

// UploadListing is a page of uploads.
type UploadListing struct {
	Bucket     Bucket
	Uploads    []Upload
	Prefixes   []string
	Truncated  bool
	Next       string
	NextUpload UploadID
}

// ListParts asks for the parts of an upload in the order of their numbers.
type ListParts struct {
	Bucket, Key string
	Upload      UploadID
	After       int
	Limit       int
}

// PartListing is a page of parts.
type PartListing struct {
	Upload
	Owner     InstanceID // of the bucket
	Parts     []Part
	Truncated bool
	Next      int
}

// ListBuckets asks for the buckets of an instance by name.
type ListBuckets struct {
	Instance InstanceID
	Prefix   string
	After    string
	Limit    int // 0 for all
}
