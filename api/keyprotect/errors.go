package keyprotect

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// Failures of the face itself.
var (
	errBody   = fault.New(fault.Invalid, "the body is not valid")
	errNoBody = fault.New(fault.Invalid, "the body is missing")
	errTotal  = fault.New(fault.Invalid, "the collection total does not match the number of resources")
)

// reason is how clients know a failure. In its message {name} stands for what is at fault and
// {detail} for what more is known. target is the kind of the thing at fault, if clients are told; name is that
// thing, unless the failure names one.
type reason struct {
	fault   *fault.Fault
	code    string
	message string
	target  string
	name    string
}

const badBody = "Invalid body data was passed. Please ensure the data passed had valid formatting with no invalid characters: {detail}"

// reasons is the table of all failures with a reason code; those without one are in plainMessage.
func reasons() []reason {
	return []reason{
		{fault: errBody, code: "BAD_BODY_ERR", message: badBody},
		{fault: httpface.ErrBody, code: "BAD_BODY_ERR", message: badBody},
		{fault: httpface.ErrTooLarge, code: "BAD_BODY_ERR", message: "The body is larger than this operation allows"},
		{fault: errNoBody, code: "NO_BODY_ERR", message: "Missing body in request"},
		{fault: errTotal, code: "COLLECTION_TOTAL_MISMATCH_ERR", message: "Collection total does not match number of resources"},
		{fault: kms.ErrField, code: "INVALID_FIELD_ERR", message: "The field '{name}' must be: {detail}", target: "field"},
		{fault: kms.ErrParameter, code: "INVALID_QUERY_PARAM_ERR", message: "The query_param '{name}' must be: {detail}", target: "query_param"},
		{
			fault: kms.ErrNeedPayload, code: "KEY_PAYLOAD_REQ_ERR", target: "field", name: "payload",
			message: "This root key was created with user-supplied key material: Key material is required to perform a 'rotate' action",
		},
		{fault: kms.ErrNotRoot, code: "KEY_ROOT_REQ_ERR", message: "Requested action can only be completed with a root key."},
		{fault: kms.ErrKeyNotFound, code: "KEY_NOT_FOUND_ERR", message: "key does not exist"},
		{fault: kms.ErrRingNotFound, code: "KEY_RING_NOT_FOUND_ERR", message: "key ring does not exist"},
		{fault: kms.ErrAliasTaken, code: "KEY_ALIAS_NOT_UNIQUE_ERR", message: "The alias is already used in this instance"},
		{fault: kms.ErrAliasQuota, code: "KEY_ALIAS_QUOTA_ERR", message: "A key can have at most 5 aliases"},
		{fault: kms.ErrState, code: "KEY_ACTION_INVALID_STATE_ERR", message: "Key is not in a valid state"},
		{
			fault: kms.ErrRotatedAgain, code: "KEY_ROTATION_NOT_PERMITTED",
			message: "This root key has been rotated within the last hour: Only one 'rotate' action per hour is permitted",
		},
		{fault: kms.ErrDeleted, code: "KEY_DELETED_ERR", message: "Key has already been deleted. Please delete references to this key."},
		{fault: kms.ErrUnreadable, code: "UNPROCESSABLE_CIPHERTEXT_ERR", message: "The provided ciphertext is invalid or corrupted"},
	}
}

// contextOf says what could not be done.
func contextOf(action iam.Action) string {
	switch action {
	case kms.ActionCreate:
		return "Key could not be created"
	case kms.ActionRead, kms.ActionMetadata:
		return "Key could not be retrieved"
	case kms.ActionList, kms.ActionHead:
		return "Keys could not be retrieved"
	case kms.ActionDelete:
		return "Key could not be deleted"
	case kms.ActionRotate:
		return "Key could not be rotated"
	case kms.ActionVersions:
		return "KeyVersion(s) could not be retrieved"
	case kms.ActionWrap:
		return "Wrap with key could not be performed"
	case kms.ActionUnwrap:
		return "Unwrap with key could not be performed"
	case kms.ActionRewrap:
		return "Rewrap with key could not be performed"
	}
	return "Action could not be performed on key"
}

// Wire types of an error.
type (
	errorObject struct {
		Message string        `json:"errorMsg"`
		Reasons []errorReason `json:"reasons,omitempty"`
	}
	errorReason struct {
		Code     string       `json:"code"`
		Message  string       `json:"message"`
		Status   int          `json:"status"`
		MoreInfo string       `json:"moreInfo"`
		Target   *errorTarget `json:"target,omitempty"`
	}
	errorTarget struct {
		Type string `json:"type"`
		Name string `json:"name"`
	}
)

const moreInfo = "https://cloud.ibm.com/apidocs/key-protect"

// fail renders a failure.
func fail(c *call, err error) answer {
	var f *fault.Fault
	errors.As(err, &f) // the first, which says what kind of failure it is
	status := statusOf(f)
	for _, r := range reasons() {
		if r.fault == f {
			return r.render(c, status, detailOf(err, f))
		}
	}
	text := http.StatusText(status) + ": " + plainMessage(c, err, f)
	return collect(typeError, []errorObject{{Message: text}}).sendAs(status)
}

// statusOf hides the difference between "not known" and "not allowed", as the protocol does.
func statusOf(f *fault.Fault) int {
	switch {
	case f == nil:
		return http.StatusInternalServerError
	case f == httpface.ErrNoMethod:
		return http.StatusMethodNotAllowed
	case f.Kind() == fault.Forbidden:
		return http.StatusUnauthorized
	}
	return f.Kind().Status()
}

// detailOf returns what is known of this occurrence of f.
func detailOf(err error, f *fault.Fault) fault.Detail {
	var d *fault.Detail
	if errors.As(err, &d) && d.Fault == f {
		return *d
	}
	return fault.Detail{Fault: f}
}

func (r reason) render(c *call, status int, d fault.Detail) answer {
	name := d.Target
	if name == "" {
		name = r.name
	}
	message := strings.NewReplacer("{name}", name, "{detail}", d.Text).Replace(r.message)
	out := errorReason{Code: r.code, Message: message, Status: status, MoreInfo: moreInfo}
	if r.target != "" {
		out.Target = &errorTarget{Type: r.target, Name: name}
	}
	text := fmt.Sprintf("%s: %s: Please see `reasons` for more details (%s)",
		http.StatusText(status), contextOf(iam.Action(c.Action)), r.code)
	return collect(typeError, []errorObject{{Message: text, Reasons: []errorReason{out}}}).sendAs(status)
}

// plainMessage is what is said of a failure without a reason code.
func plainMessage(c *call, err error, f *fault.Fault) string {
	var kind fault.Kind
	if f != nil {
		kind = f.Kind()
	}
	switch kind {
	case fault.Internal:
		return contextOf(iam.Action(c.Action)) + ": an internal error occurred, with correlation ID " + c.Trail.CorrelationID
	case fault.Unauthenticated, fault.Forbidden:
		return "Either the user does not have access to the specified resource, the resource does not exist, or the region is incorrectly set"
	case fault.Unavailable:
		return contextOf(iam.Action(c.Action)) + ": " + f.Error()
	}
	d := detailOf(err, f)
	return d.Error()
}
