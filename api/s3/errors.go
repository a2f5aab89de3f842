package s3

import (
	"encoding/xml"
	"errors"
	"net/http"
	"slices"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Failures of the face itself.
var (
	errURI           = fault.New(fault.Invalid, "the path or the query cannot be read")
	errMethod        = fault.New(fault.Invalid, "the method is not allowed for this resource")
	errNotOffered    = fault.New(fault.Unprocessable, "this part of S3 is not offered")
	errHeader        = fault.New(fault.Invalid, "a header is not valid")
	errParameter     = fault.New(fault.Invalid, "a parameter is not valid")
	errContradiction = fault.New(fault.Invalid, "the request contradicts itself")

	errScheme      = fault.New(fault.Invalid, "the Authorization header has a scheme that is not known")
	errCredential  = fault.New(fault.Invalid, "the signature cannot be read")
	errAccessKey   = fault.New(fault.Forbidden, "the access key is not known")
	errSignature   = fault.New(fault.Forbidden, "the signature does not match")
	errUnsigned    = fault.New(fault.Forbidden, "a header of the request is not signed")
	errSkew        = fault.New(fault.Forbidden, "the date of the request is too far from the time of the server")
	errExpired     = fault.New(fault.Forbidden, "the request has expired")
	errLength      = fault.New(fault.Invalid, "the length of the body is not announced")
	errContentHash = fault.New(fault.Invalid, "the body is not the one that was signed")
	errDigestForm  = fault.New(fault.Invalid, "a digest is not valid")
	errNoDigest    = fault.New(fault.Invalid, "the request needs a digest of its body")
	errChunk       = fault.New(fault.Invalid, "the chunks of the body cannot be read")
	errXML         = fault.New(fault.Invalid, "the XML of the body is not valid")
	errEmptyBody   = fault.New(fault.Invalid, "the body is empty")
	errMetadata    = fault.New(fault.Invalid, "the metadata is not valid")
	errInsecure    = fault.New(fault.Invalid, "a key may only be sent over TLS")
	errSecretKey   = fault.New(fault.Invalid, "the customer's key is not valid")
)

// reason is how clients know a failure. The detail of an occurrence, if there is one, follows the
// message.
type reason struct {
	fault   *fault.Fault
	status  int
	code    string
	message string
}

const (
	denied     = "Access Denied" // Terraform and others look for these words
	wantSigV4  = "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."
	wantSecret = "Requests specifying Server-Side Encryption with Customer-Provided Keys must provide an appropriate secret key."
	wantTLS    = "Requests specifying Server-Side Encryption with Customer-Provided Keys must be made over a secure connection."
	// wantAuthorization is what clients of buckets with a root key know, and what to do about it.
	wantAuthorization = "The specified COS Service Instance does not have sufficient permissions to access the resource provided " +
		"in the ibm-sse-kp-customer-root-key-crn request header. Give it the role Reader on the key with an authorization: " +
		"strongroom authorization create."
	// noRoot adds the two usual reasons to the words that IBM's service has for it.
	noRoot = "The Key CRN could not be found. Either it is wrong, or the object storage instance has no authorization to use the key: " +
		"strongroom authorization create."
)

// reasons is the table of all failures that have a code of their own; the others have that of their kind.
var reasons = []reason{
	{errURI, 400, "InvalidURI", "The request URI could not be parsed."},
	{errMethod, 405, "MethodNotAllowed", "The specified method is not allowed against this resource."},
	{errNotOffered, 501, "NotImplemented", "This sub-resource is not part of what this service offers."},
	{errHeader, 400, "InvalidArgument", "A header is not valid."},
	{errParameter, 400, "InvalidArgument", "A parameter is not valid."},
	{errContradiction, 400, "InvalidRequest", "The request contradicts itself."},
	{errScheme, 400, "InvalidRequest", wantSigV4},
	{errCredential, 400, "InvalidArgument", "The signature of the request cannot be read."},
	{errAccessKey, 403, "InvalidAccessKeyId", "The access key ID that you provided does not exist."},
	{errSignature, 403, "SignatureDoesNotMatch", "The signature that was calculated does not match the one that you provided. Check your secret key and signing method."},
	{errUnsigned, 403, "AccessDenied", denied + ": there are headers in the request that are not signed."},
	{errSkew, 403, "RequestTimeTooSkewed", "The difference between the time of the request and that of the server is too large."},
	{errExpired, 403, "AccessDenied", denied + ": Request has expired."},
	{errLength, 411, "MissingContentLength", "The length of the content must be given."},
	{errContentHash, 400, "XAmzContentSHA256Mismatch", "The x-amz-content-sha256 that was given is not that of the body."},
	{errDigestForm, 400, "InvalidDigest", "The digest that was given is not valid."},
	{errNoDigest, 400, "InvalidRequest", "Missing required header for this request: Content-MD5, or a checksum."},
	{errChunk, 400, "IncompleteBody", "The chunks of the body do not have the form or the length that was announced."},
	{errXML, 400, "MalformedXML", "The XML that you provided is not well-formed, or is not what this operation expects."},
	{errEmptyBody, 400, "MissingRequestBodyError", "Request body is empty."},
	{errMetadata, 400, "InvalidArgument", "The metadata is not valid."},
	{errInsecure, 400, "InvalidArgument", wantTLS},
	{errSecretKey, 400, "InvalidArgument", wantSecret},
	{httpface.ErrTooLarge, 400, "MaxMessageLengthExceeded", "Your request was too large."},

	{objects.ErrNoBucket, 404, "NoSuchBucket", "The specified bucket does not exist."},
	{objects.ErrNoObject, 404, "NoSuchKey", "The specified key does not exist."},
	{objects.ErrNoVersion, 404, "NoSuchVersion", "The specified version does not exist."},
	{objects.ErrNoUpload, 404, "NoSuchUpload", "The specified upload does not exist. It may have been completed or aborted."},
	{objects.ErrDeleteMarker, 405, "MethodNotAllowed", "The specified method is not allowed against a delete marker."},
	{objects.ErrNoRetention, 404, "NoSuchObjectLockConfiguration", "The specified object does not have a retention or legal hold."},
	{objects.ErrNotLockable, 400, "InvalidRequest", "Bucket is missing Object Lock Configuration"},
	{objects.ErrBucketTaken, 409, "BucketAlreadyExists", "The requested bucket name is not available. Please choose another."},
	{objects.ErrBucketYours, 409, "BucketAlreadyOwnedByYou", "The instance already has this bucket."},
	{objects.ErrNotEmpty, 409, "BucketNotEmpty", "The bucket you tried to delete is not empty."},
	{objects.ErrTooMany, 400, "TooManyBuckets", "The instance has as many buckets as it can have."},
	{objects.ErrBucketName, 400, "InvalidBucketName", "The specified bucket name is not valid."},
	{objects.ErrLocation, 400, "InvalidLocationConstraint", "The specified location constraint is not valid."},
	{objects.ErrKeyLong, 400, "KeyTooLong", "The key is longer than 1024 bytes."},
	{objects.ErrKeyBytes, 400, "InvalidArgument", "The key is not valid UTF-8."},
	{objects.ErrArgument, 400, "InvalidArgument", "An argument is not valid."},
	{objects.ErrRequest, 400, "InvalidRequest", "The request contradicts itself, or what is stored."},
	{objects.ErrMetadataSize, 400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed size."},
	{objects.ErrTag, 400, "InvalidTag", "The tags are not valid."},
	{objects.ErrState, 409, "InvalidBucketState", "The bucket is not in a state that allows this."},
	{objects.ErrBusy, 409, "OperationAborted", "A conflicting operation on the same resource is in progress. Try again."},
	{objects.ErrPrecondition, 412, "PreconditionFailed", "At least one of the conditions that you specified does not hold."},
	{objects.ErrNotModified, 304, "NotModified", "The object is as you have it."},
	{objects.ErrRange, 416, "InvalidRange", "The requested range begins beyond the end of the object."},
	{objects.ErrPart, 400, "InvalidPart", "One or more of the specified parts could not be found, or have another ETag."},
	{objects.ErrPartOrder, 400, "InvalidPartOrder", "The list of parts was not in ascending order."},
	{objects.ErrTooSmall, 400, "EntityTooSmall", "A part that is not the last is smaller than 5 MiB."},
	{objects.ErrTooLarge, 400, "EntityTooLarge", "The object or part is larger than the maximum allowed size."},
	{objects.ErrDigest, 400, "BadDigest", "The digest that was given is not that of the content."},
	{objects.ErrIncomplete, 400, "IncompleteBody", "The body does not have the number of bytes that was announced."},
	{objects.ErrProtected, 403, "AccessDenied", denied + ": the object is protected by retention or a legal hold."},
	{objects.ErrPublicBlocked, 403, "AccessDenied", denied + ": public access is blocked by the configuration of the bucket."},
	{objects.ErrQuota, 403, "AccessDenied", denied + ": the write would exceed the quota of the bucket."},
	{objects.ErrFirewall, 403, "AccessDenied", denied + ": the address of the request is not among those that the bucket allows."},
	{objects.ErrArchived, 403, "InvalidObjectState", "The object is archived and must be restored first."},
	{objects.ErrNotArchived, 403, "ObjectAlreadyInActiveTierError", "The object is not archived."},
	{objects.ErrHolds, 409, "InvalidRequest", "The object already has this legal hold."},
	{objects.ErrCustomerKey, 400, "InvalidRequest", "The object was stored using a form of Server-Side Encryption. The correct parameters must be provided to retrieve the object."},
	{objects.ErrCustomerRoot, 400, "BadRequest", "Server-Side Encryption with Customer-Provided Keys is not supported while Key Protect is enabled."},
	{objects.ErrWrongKey, 403, "AccessDenied", denied + ": the key that was given is not the one that the object was written with."},
	{objects.ErrNotImplement, 501, "NotImplemented", "What you ask for is not implemented."},
	{objects.ErrRootUnknown, 400, "InvalidArgument", noRoot},
	{objects.ErrRootUnusable, 400, "InvalidArgument", "The specified key is not active, or is not a root key."},
	{objects.ErrUnauthorized, 401, "ServiceNotAuthorized", wantAuthorization},
	{objects.ErrRootDisabled, 403, "AccessDenied", denied + " - the root key of this bucket is disabled"},
	{objects.ErrRootDeleted, 403, "AccessDenied", denied + " - the root key of this bucket has been deleted"},
	{objects.ErrRootService, 503, "ServiceUnavailable", "The key service cannot be reached. Please try again."},
	{objects.ErrTooFewNodes, 503, "ServiceUnavailable", "Too few storage nodes can be reached. Please try again."},
	{objects.ErrNodesKept, 503, "ServiceUnavailable", "The service was restored from a backup, and its storage nodes are only read until the operator takes them over."},
	{iam.ErrUnrecordable, 503, "ServiceUnavailable", "The service cannot record what is done. Please try again later."},
}

// kindReasons are for failures without a code of their own.
var kindReasons = map[fault.Kind]reason{
	fault.Internal:        {nil, 500, "InternalError", "We encountered an internal error. Please try again."},
	fault.Invalid:         {nil, 400, "InvalidRequest", "The request is not valid."},
	fault.Unauthenticated: {nil, 403, "AccessDenied", denied},
	fault.Forbidden:       {nil, 403, "AccessDenied", denied},
	fault.NotFound:        {nil, 404, "NoSuchKey", "The specified resource does not exist."},
	fault.Conflict:        {nil, 409, "OperationAborted", "The state of the resource does not allow this."},
	fault.Stale:           {nil, 409, "OperationAborted", "A conflicting operation on the same resource was faster. Try again."},
	fault.Gone:            {nil, 404, "NoSuchKey", "The specified resource does not exist any more."},
	fault.Unprocessable:   {nil, 501, "NotImplemented", "What you ask for is not implemented."},
	fault.TooLarge:        {nil, 400, "EntityTooLarge", "What you sent is larger than the maximum allowed size."},
	fault.TooMany:         {nil, 503, "SlowDown", "Please reduce your request rate."},
	fault.Unavailable:     {nil, 503, "ServiceUnavailable", "Please try again later."},
}

// reasonFor returns how clients know a failure, its detail in the message.
func reasonFor(err error) reason {
	found := kindReasons[fault.KindOf(err)]
	for _, r := range slices.Concat(reasons, configReasons) {
		if errors.Is(err, r.fault) {
			found = r
			break
		}
	}
	var d *fault.Detail
	if found.status < 500 && errors.As(err, &d) {
		found.message += detail(d)
	}
	return found
}

// detail is what is known of one occurrence, to follow a message.
func detail(d *fault.Detail) string {
	switch {
	case d.Target != "" && d.Text != "":
		return " (" + d.Target + ": " + d.Text + ")"
	case d.Target != "" || d.Text != "":
		return " (" + d.Target + d.Text + ")"
	}
	return ""
}

// errorDocument is the body of every error. The status in it is IBM's addition.
type errorDocument struct {
	XMLName    xml.Name `xml:"Error"`
	Code       string
	Message    string
	Resource   text
	RequestID  string `xml:"RequestId"`
	StatusCode int    `xml:"httpStatusCode"`
}

// failure is an error with headers that its answer has to carry.
type failure struct {
	error
	header http.Header
}

// Unwrap makes errors.Is find what it stands for.
func (f *failure) Unwrap() error { return f.error }

// fail renders an error.
func (f *face) fail(c *httpface.Call, err error) httpface.Answer {
	r := reasonFor(err)
	a := httpface.Answer{Status: r.status, Header: http.Header{}}
	var with *failure
	if errors.As(err, &with) {
		a.Header = with.header
	}
	if r.status == http.StatusNotModified {
		return a
	}
	if q := requestOf(c); q != nil && q.site {
		return siteFailure(r, c.Trail.CorrelationID)
	}
	resource := c.R.URL.Path
	if q := requestOf(c); q != nil && q.parsed {
		resource = q.resource()
	}
	doc := errorDocument{
		Code: r.code, Message: r.message, Resource: text(resource), RequestID: c.Trail.CorrelationID, StatusCode: r.status,
	}
	body, merr := renderXML(doc)
	if merr != nil {
		return httpface.Answer{Status: http.StatusInternalServerError}
	}
	a.Type, a.Bytes = typeXML, body
	return a
}
