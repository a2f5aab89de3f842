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
	errBody      = fault.New(fault.Invalid, "the body is not valid")
	errNoBody    = fault.New(fault.Invalid, "the body is missing")
	errMismatch  = fault.New(fault.Invalid, "the body holds another policy than the query parameter says")
	errOnePolicy = fault.New(fault.Invalid, "with the query parameter policy the body holds one policy")
	errTotal     = fault.New(fault.Invalid, "the collection total does not match the number of resources")
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
	// clause says that the detail, if there is one, is told before what could not be done.
	clause bool
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
		{fault: kms.ErrHeader, code: "INVALID_FIELD_ERR", message: "The header '{name}' must be: {detail}", target: "header"},
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
		{fault: kms.ErrAliasNotFound, code: "KEY_ALIAS_NOT_FOUND_ERR", message: "The key does not have this alias"},
		{fault: kms.ErrRingTaken, code: "KEY_RING_ID_NOT_UNIQUE_ERR", message: "The instance already has a key ring with this ID"},
		{fault: kms.ErrRingQuota, code: "KEY_RING_QUOTA_ERR", message: "The instance has as many key rings as it can have"},
		{fault: kms.ErrRingNotEmpty, code: "KEY_RING_NOT_EMPTY_ERR", message: "The key ring holds keys: Please move or delete them"},
		{
			fault: kms.ErrProtecting, code: "PROTECTED_RESOURCE_ERR", target: "query_param", name: "force",
			message: "Key is protecting one or more cloud resources",
		},
		{
			fault: kms.ErrRetained, code: "PREV_KEY_DEL_ERR",
			message: "The key cannot be deleted because it's protecting a cloud resource that has a retention policy: " +
				"Please wait until the retention period is over",
		},
		{fault: kms.ErrServiceOnly, code: "SERVICE_ONLY_ERR", message: "This action can only be done by a service (service to service)"},
		{fault: kms.ErrNotOwner, code: "RESOURCE_OWNER_ERR", message: "The resource(s) queried does not belong to the service"},
		{fault: kms.ErrRegistrationNotFound, code: "REGISTRATION_NOT_FOUND_ERR", message: "The resource is not registered with the key"},
		{fault: kms.ErrRegistered, code: "REGISTRATION_NOT_UNIQUE_ERR", message: "The resource is already registered with the key"},
		{fault: kms.ErrRegisterState, code: "KEY_INVALID_STATE_ERR", message: "Key is not in a valid state"},
		{fault: kms.ErrRegisterNotRoot, code: "KEY_ROOT_REQ_REG_ERR", message: "Requested action can only be completed with a root key"},
		{
			fault: kms.ErrOldVersion, code: "KEY_VERSION_INVALID",
			message: "This request requires that the key version is later than current registration key version",
		},
		{fault: kms.ErrState, code: "KEY_ACTION_INVALID_STATE_ERR", message: "Key is not in a valid state", clause: true},
		{fault: kms.ErrTooEarly, code: "REQ_TOO_EARLY_ERR", message: "The key was updated recently: {detail}"},
		{
			fault: kms.ErrExpired, code: "KEY_EXPIRED_ERR", clause: true,
			message: "The action could not be performed on the key because the key is expired.",
		},
		{fault: kms.ErrRestoreExpired, code: "KEY_RESTORE_EXPIRED", message: "Key restoration has expired"},
		{
			fault: kms.ErrNotDualAuth, code: "NOT_DUAL_AUTH_ERR",
			message: "The key is not dual auth enabled and cannot be set for deletion",
		},
		{
			fault: kms.ErrNotAuthorized, code: "AUTHORIZATIONS_NOT_MET", clause: true,
			message: "Number of authorizations required to delete is not met",
		},
		{
			fault: kms.ErrMaterialAccess, code: "KEY_CREATE_IMPORT_ACCESS_ERR",
			message: "KeyCreateImportAccess instance policy does not allow this action",
		},
		{
			fault: errMismatch, code: "BODY_QUERY_PARAM_MISMATCH_ERR",
			message: "Data in body does not match data required by query parameter",
		},
		{
			fault: errOnePolicy, code: "NUM_COLLECTION_RESOURCE_ERR",
			message: "Only a single instance policy may be created per query parameter. Please pass single resource object",
		},
		{
			fault: kms.ErrRotatedAgain, code: "KEY_ROTATION_NOT_PERMITTED",
			message: "This root key has been rotated within the last hour: Only one 'rotate' action per hour is permitted",
		},
		{fault: kms.ErrDeleted, code: "KEY_DELETED_ERR", message: "Key has already been deleted. Please delete references to this key."},
		{fault: kms.ErrImportTokenExpired, code: "IMPORT_TOKEN_EXPIRED_ERR", message: "The import token has expired."},
		{fault: kms.ErrNoImportToken, code: "IMPORT_TOKEN_NOT_FOUND_ERR", message: "The instance has no import token"},
		{fault: kms.ErrNoTransport, code: "IMPORT_TOKEN_UNSUPPORTED_ERR", message: "The crypto module of this server cannot receive keys under an import token"},
		{
			fault: kms.ErrNonce, code: "INCORRECT_NONCE_ERR",
			message: "The encrypted nonce given does not match existing record: Please ensure the correct nonce was given in the request",
		},
		{
			fault: kms.ErrNonceSealing, code: "INCORRECT_NONCE_IV_ERR",
			message: "The provided encrypted nonce was not encrypted with the key material given OR the provided IV does not match the encrypted nonce",
		},
		{
			fault: kms.ErrRepeatDiffers, code: "IDEMPOTENCY_KEY_REUSED_ERR", target: "header", name: "Idempotency-Key",
			message: "The idempotency key was used for another request within the last 24 hours",
		},
		{fault: kms.ErrUnreadable, code: "UNPROCESSABLE_CIPHERTEXT_ERR", message: "The provided ciphertext is invalid or corrupted"},
	}
}

// legacyRoute is the path of the older form of the actions.
const legacyRoute = "/api/v2/keys/{id}"

// contextOf says what could not be done. The older form of the actions says the same of all.
func contextOf(c *call) string {
	if c.R.Method == http.MethodPost && c.Route == legacyRoute {
		return contextOfAction(kms.ActionUnknown)
	}
	return contextOfAction(iam.Action(c.Action))
}

func contextOfAction(action iam.Action) string {
	switch action {
	case kms.ActionCreate, kms.ActionCreateWithPolicies:
		return "Key could not be created"
	case kms.ActionRead, kms.ActionMetadata:
		return "Key could not be retrieved"
	case kms.ActionList, kms.ActionHead:
		return "Keys could not be retrieved"
	case kms.ActionCreateImportToken:
		return "Import Token could not be created"
	case kms.ActionReadImportToken:
		return "Import Token could not be retrieved"
	case kms.ActionDelete:
		return "Key could not be deleted"
	case kms.ActionRotate:
		return "Key could not be rotated"
	case kms.ActionRestore:
		return "Key could not be restored"
	case kms.ActionPurge:
		return "Key could not be purged"
	case kms.ActionDisable:
		return "Key could not be disabled"
	case kms.ActionEnable:
		return "Key could not be enabled"
	case kms.ActionSync:
		return "Could not initiate sync requests to associated resources"
	case kms.ActionPolicyRead:
		return "Policies could not be retrieved"
	case kms.ActionPolicyWrite:
		return "Policies could not be updated"
	case kms.ActionInstancePolicyRead:
		return "Instance policy could not be retrieved"
	case kms.ActionInstancePolicyWrite:
		return "Instance policy could not be created"
	case kms.ActionAllowedPort:
		return "Allowed IP port could not be retrieved"
	case kms.ActionPatch:
		return "Key could not be updated"
	case kms.ActionAliasCreate:
		return "Alias could not be created"
	case kms.ActionAliasDelete:
		return "Alias could not be deleted"
	case kms.ActionRingCreate:
		return "Key ring could not be created"
	case kms.ActionRingList:
		return "Key rings could not be retrieved"
	case kms.ActionRingDelete:
		return "Key ring could not be deleted"
	case kms.ActionRegistrationList:
		return "Registrations could not be retrieved"
	case kms.ActionRegistrationCreate:
		return "Registration could not be created"
	case kms.ActionRegistrationWrite, kms.ActionRegistrationReplace:
		return "Registration could not be updated"
	case kms.ActionRegistrationDelete:
		return "Registration could not be deleted"
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
	f := firstFault(err)
	status := statusOf(f)
	for _, r := range reasons() {
		if r.fault == f {
			return r.render(c, status, detailOf(err, f))
		}
	}
	text := http.StatusText(status) + ": " + plainMessage(c, err, f)
	return collect(typeError, []errorObject{{Message: text}}).sendAs(status)
}

// firstFault is the outermost fault of an error, which says what kind of failure it is; nil for none.
func firstFault(err error) (f *fault.Fault) {
	errors.As(err, &f)
	return f
}

// statusOf hides the difference between "not known" and "not allowed", as the protocol does.
func statusOf(f *fault.Fault) int {
	switch {
	case f == nil:
		return http.StatusInternalServerError
	case f == httpface.ErrNoMethod:
		return http.StatusMethodNotAllowed
	case f == kms.ErrServiceOnly, f == kms.ErrNotOwner: // these know the key
		return http.StatusForbidden
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

// reason is the reason of one occurrence of the failure.
func (r reason) reason(status int, d fault.Detail) errorReason {
	name := d.Target
	if name == "" {
		name = r.name
	}
	message := strings.NewReplacer("{name}", name, "{detail}", d.Text).Replace(r.message)
	out := errorReason{Code: r.code, Message: message, Status: status, MoreInfo: moreInfo}
	if r.target != "" {
		out.Target = &errorTarget{Type: r.target, Name: name}
	}
	return out
}

func (r reason) render(c *call, status int, d fault.Detail) answer {
	out := r.reason(status, d)
	what := contextOf(c)
	if r.clause && d.Text != "" {
		what = d.Text + ": " + what
	}
	text := fmt.Sprintf("%s: %s: Please see `reasons` for more details (%s)", http.StatusText(status), what, r.code)
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
		return contextOf(c) + ": an internal error occurred, with correlation ID " + c.Trail.CorrelationID
	case fault.Unauthenticated, fault.Forbidden:
		return "Either the user does not have access to the specified resource, the resource does not exist, or the region is incorrectly set"
	case fault.Unavailable:
		return contextOf(c) + ": " + f.Error()
	}
	d := detailOf(err, f)
	return d.Error()
}
