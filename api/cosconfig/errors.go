package cosconfig

import (
	"errors"
	"net/http"
	"strings"

	"strongroom/fault"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// errBackup answers the API for backups.
var errBackup = fault.New(fault.Unprocessable, "backups of buckets are not implemented")

// codes are how clients know a kind of failure.
var codes = map[fault.Kind]string{
	fault.Internal:        "internal_error",
	fault.Invalid:         "invalid_request",
	fault.Unauthenticated: "unauthorized",
	fault.Forbidden:       "forbidden",
	fault.NotFound:        "not_found",
	fault.Conflict:        "conflict",
	fault.Stale:           "conflict",
	fault.Gone:            "not_found",
	fault.Unprocessable:   "unprocessable",
	fault.TooLarge:        "too_large",
	fault.TooMany:         "too_many_requests",
	fault.Unavailable:     "unavailable",
}

type errorBody struct {
	Errors     []errorItem `json:"errors"`
	StatusCode int         `json:"status_code"`
	Trace      string      `json:"trace"`
}

type errorItem struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// fail renders an error in the shape that IBM's SDKs read.
func fail(c *call, err error) answer {
	if errors.Is(err, httpface.ErrNoRoute) && isBackup(c.R.URL.Path) {
		err = errBackup
	}
	kind := fault.KindOf(err)
	status, code := kind.Status(), codes[kind]
	switch {
	case errors.Is(err, errBackup), errors.Is(err, objects.ErrNotImplement):
		status, code = http.StatusNotImplemented, "not_implemented"
	case errors.Is(err, objects.ErrPrecondition):
		status, code = http.StatusPreconditionFailed, "precondition_failed"
	case errors.Is(err, httpface.ErrNoMethod):
		status, code = http.StatusMethodNotAllowed, "method_not_allowed"
	}
	text, ok := fault.Explain(err)
	if !ok {
		text = "internal error; quote the trace " + c.Trail.CorrelationID
	}
	return answer{Status: status, Body: errorBody{
		Errors: []errorItem{{Code: code, Message: text}}, StatusCode: status, Trace: c.Trail.CorrelationID,
	}}
}

func isBackup(path string) bool {
	for _, prefix := range backupPrefixes {
		if rest, ok := strings.CutPrefix(path, prefix); ok && (rest == "" || rest[0] == '/') {
			return true
		}
	}
	return false
}
