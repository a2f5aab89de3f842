package resourcecontroller

import (
	"errors"
	"net/http"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

// Failures of the face itself.
var (
	errQuery   = fault.New(fault.Invalid, "the query is not valid")
	errNoEntry = fault.New(fault.NotFound, "the catalog has no such entry")
	errNoQuota = fault.New(fault.NotFound, "there is no such quota definition")
)

// reason is how clients know a failure. A status of zero is the usual one.
type reason struct {
	fault  *fault.Fault
	status int
	code   string
}

func reasons() []reason {
	return []reason{
		{resource.ErrNoInstance, 0, "RC-ServiceInstanceNotFound"},
		{resource.ErrNoKey, 0, "RC-ResourceKeyNotFound"},
		{resource.ErrNoGroup, 0, "RC-ResourceGroupNotFound"},
		{resource.ErrNoReclamation, 0, "RC-ReclamationNotFound"},
		{resource.ErrDeleted, 0, "RC-ServiceInstanceDeleted"},
		{resource.ErrKeyDeleted, 0, "RC-ResourceKeyDeleted"},
		{resource.ErrLocked, 0, "RC-ServiceInstanceLocked"},
		{resource.ErrHasKeys, 0, "RC-ServiceInstanceHasResourceKeys"},
		{resource.ErrGroupInUse, 0, "RC-ResourceGroupInUse"},
		{resource.ErrDefaultGroup, 0, "RC-DefaultResourceGroup"},
		{resource.ErrNameTaken, 0, "RC-NameTaken"},
		{errNoEntry, 0, "GC-NotFound"},
		{errQuery, 0, "RC-InvalidQuery"},
		{httpface.ErrNoRoute, 0, "RC-NotFound"},
		{httpface.ErrNoMethod, http.StatusMethodNotAllowed, "RC-MethodNotAllowed"},
		{httpface.ErrTooLarge, 0, "RC-RequestTooLarge"},
		{iam.ErrForbidden, 0, "RC-IamUnauthorized"},
		{iam.ErrUnauthenticated, 0, "RC-Unauthenticated"},
	}
}

// codes are for failures without a code of their own, such as an owner's.
var codes = map[fault.Kind]string{
	fault.Internal:        "RC-InternalError",
	fault.Invalid:         "RC-InvalidRequest",
	fault.Unauthenticated: "RC-Unauthenticated",
	fault.Forbidden:       "RC-IamUnauthorized",
	fault.NotFound:        "RC-NotFound",
	fault.Conflict:        "RC-Conflict",
	fault.Stale:           "RC-Conflict",
	fault.Gone:            "RC-Deleted",
	fault.Unprocessable:   "RC-Unprocessable",
	fault.TooLarge:        "RC-RequestTooLarge",
	fault.TooMany:         "RC-TooManyRequests",
	fault.Unavailable:     "RC-Unavailable",
}

type errorBody struct {
	Message       string      `json:"message"`
	Errors        []errorItem `json:"errors"`
	StatusCode    int         `json:"status_code"`
	ErrorCode     string      `json:"error_code"`
	TransactionID string      `json:"transaction_id"`
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail renders an error in the shape that the SDKs of Resource Controller read.
func fail(c *call, err error) answer {
	kind := fault.KindOf(err)
	status, code := kind.Status(), codes[kind]
	for _, r := range reasons() {
		if errors.Is(err, r.fault) {
			code = r.code
			if r.status != 0 {
				status = r.status
			}
			break
		}
	}
	text, ok := fault.Explain(err)
	if !ok {
		text = "internal error; quote the transaction ID " + c.Trail.CorrelationID
	}
	return answer{Status: status, Body: errorBody{
		Message: text, Errors: []errorItem{{Code: code, Message: text}},
		StatusCode: status, ErrorCode: code, TransactionID: c.Trail.CorrelationID,
	}}
}
