package iampolicy

import (
	"errors"
	"net/http"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// errParameter says that a parameter without which the request has no meaning is
// not there.
var errParameter = fault.New(fault.Invalid, "a query parameter is missing")

// errQuery says that a query parameter has a value that it cannot have.
var errQuery = fault.New(fault.Invalid, "a query parameter cannot be used")

// reason is how clients know a failure.
type reason struct {
	fault  *fault.Fault
	status int
	code   string
}

var reasons = []reason{
	{iam.ErrUnauthenticated, 401, "invalid_token"},
	{iam.ErrForbidden, 403, "insufficent_permissions"}, // as IBM spells it
	{iam.ErrPolicyNotFound, 404, "policy_not_found"},
	{iam.ErrPolicyExists, 409, "policy_conflict_error"},
	{iam.ErrPolicyStale, 409, "policy_conflict_error"},
	{iam.ErrPolicy, 400, "invalid_body"},
	{iam.ErrRoleNotFound, 404, "role_not_found"},
	{iam.ErrRoleExists, 409, "role_conflict_error"},
	{iam.ErrRoleStale, 409, "role_conflict_error"},
	{iam.ErrRoleInUse, 409, "role_conflict_error"},
	{iam.ErrRoleLimit, 422, "unable_to_process"},
	{iam.ErrRole, 400, "invalid_body"},
	{iam.ErrGroupNotFound, 404, "not_found"},
	{iam.ErrMemberNotFound, 404, "not_found"},
	{iam.ErrGroupExists, 409, "group_conflict_error"},
	{iam.ErrGroupStale, 409, "group_conflict_error"},
	{iam.ErrGroupInUse, 409, "group_conflict_error"},
	{iam.ErrMemberLimit, 422, "unable_to_process"},
	{iam.ErrGroup, 400, "invalid_body"},
	{errParameter, 400, "missing_required_query_parameter"},
	{errQuery, 400, "invalid_query_parameter"},
	{httpface.ErrNoRoute, 404, "not_found"},
	{httpface.ErrNoMethod, 405, "request_not_processed"},
	{httpface.ErrBody, 400, "invalid_body"},
	{httpface.ErrTooLarge, 413, "request_not_processed"},
}

// problem is the error envelope of these services.
type problem struct {
	Trace      string         `json:"trace"`
	StatusCode int            `json:"status_code"`
	Errors     []problemEntry `json:"errors"`
}

type problemEntry struct {
	Code    string          `json:"code"`
	Message string          `json:"message"`
	Details *problemDetails `json:"details,omitempty"`
}

type problemDetails struct {
	ConflictsWith conflictsWith `json:"conflicts_with"`
}

type conflictsWith struct {
	ETag   string `json:"etag,omitempty"`
	Policy string `json:"policy,omitempty"`
}

// explain finds how clients know an error.
func explain(err error) (status int, entry problemEntry) {
	text, told := fault.Explain(err)
	for _, r := range reasons {
		if errors.Is(err, r.fault) {
			entry = problemEntry{Code: r.code, Message: text}
			var conflict *iam.PolicyConflict
			if errors.As(err, &conflict) {
				entry.Details = &problemDetails{conflictsWith{ETag: conflict.ETag, Policy: string(conflict.Policy)}}
			}
			return r.status, entry
		}
	}
	if kind := fault.KindOf(err); told && kind != fault.Internal {
		return kind.Status(), problemEntry{Code: "request_not_processed", Message: text}
	}
	return http.StatusInternalServerError, problemEntry{Code: "unable_to_process", Message: "internal error"}
}

func fail(c *call, err error) answer {
	status, entry := explain(err)
	return answer{Status: status, Body: problem{
		Trace: c.Trail.CorrelationID, StatusCode: status, Errors: []problemEntry{entry},
	}}
}
