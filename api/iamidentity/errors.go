package iamidentity

import (
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// Failures of this protocol alone.
var (
	errProperty  = fault.New(fault.Invalid, "Property missing or empty")
	errGrant     = fault.New(fault.Invalid, "Validation of property 'grant_type' failed")
	errResponse  = fault.New(fault.Invalid, "Validation of property 'response_type' failed")
	errForm      = fault.New(fault.Invalid, "The form of the request cannot be read")
	errClient    = fault.New(fault.Unauthenticated, "Client credentials are invalid")
	errBadAccess = fault.New(fault.Unauthenticated, "Provided access_token is invalid")
	errUnsupport = fault.New(fault.Invalid, "is not supported")
)

// reason is how clients know a failure.
type reason struct {
	fault   *fault.Fault
	status  int
	code    string // of the token service
	message string // instead of the fault's own text
}

// tokenReasons is the vocabulary of the token service. A refresh token that is
// refused has to be a 401: clients answer 400 by asking again without a pause.
func tokenReasons() []reason {
	return []reason{
		{iam.ErrUnknownAPIKey, 400, "BXNIM0415E", "Provided API key could not be found."},
		{iam.ErrAPIKeyDisabled, 400, "BXNIM0428E", "The API key is disabled."},
		{iam.ErrAPIKeyExpired, 400, "BXNIM0416E", "The API key has expired."},
		{iam.ErrSuspended, 400, "BXNIM0401E", "The identity of the API key, or its account, is disabled or removed."},
		{iam.ErrRefreshToken, 401, "BXNIM0407E", "Session expired / provided refresh_token is invalid"},
		{iam.ErrNoInstance, 400, "BXNIM0513E", "You are not authorized to obtain a token of this service instance"},
		{errProperty, 400, "BXNIM0109E", ""},
		{errGrant, 400, "BXNIM0106E", ""},
		{errResponse, 400, "BXNIM0106E", ""},
		{errForm, 400, "BXNIM0102E", ""},
		{errClient, 401, "BXNIM0103E", ""},
		{errBadAccess, 401, "BXNIM0408E", ""},
		{iam.ErrUnauthenticated, 401, "BXNIM0408E", ""},
		{httpface.ErrNoRoute, 404, "BXNIM0404E", ""},
		{httpface.ErrNoMethod, 405, "BXNIM0405E", ""},
	}
}

// fail renders an error in the envelope of the service that was asked.
func (f *face) fail(c *httpface.Call, err error) httpface.Answer {
	path := c.R.URL.Path
	if strings.HasPrefix(path, "/identity") || strings.HasPrefix(path, "/oidc") {
		return f.failToken(c, err)
	}
	return f.failIdentity(c, err)
}

// explain is the text that a caller may see.
func explain(err error) string {
	if text, ok := fault.Explain(err); ok {
		return text
	}
	return "An internal error has occurred. Quote the transaction ID when you report it."
}

// errorContext tells where an error comes from.
type errorContext struct {
	RequestID   string `json:"requestId"`
	RequestType string `json:"requestType"`
	UserAgent   string `json:"userAgent"`
	URL         string `json:"url"`
	StartTime   string `json:"startTime"`
	EndTime     string `json:"endTime"`
	ElapsedTime string `json:"elapsedTime"`
	Locale      string `json:"locale"`
}

type tokenError struct {
	Code    string       `json:"errorCode"`
	Message string       `json:"errorMessage"`
	Context errorContext `json:"context"`
}

func (f *face) failToken(c *httpface.Call, err error) httpface.Answer {
	kind := fault.KindOf(err)
	r := reason{status: kind.Status(), code: "BXNIM0500E"}
	for _, known := range tokenReasons() {
		if errors.Is(err, known.fault) {
			r = known
			break
		}
	}
	if r.message == "" {
		r.message = explain(err)
	}
	now := f.now()
	return httpface.Answer{Status: r.status, Body: tokenError{
		Code: r.code, Message: r.message,
		Context: errorContext{
			RequestID: c.Trail.CorrelationID, RequestType: requestType(c.R.URL.Path), UserAgent: c.Trail.Agent,
			URL: f.base, StartTime: long(c.Trail.Time), EndTime: long(now),
			ElapsedTime: strconv.FormatInt(now.Sub(c.Trail.Time).Milliseconds(), 10), Locale: "en_US",
		},
	}}
}

// requestType is "incoming.Identity_Token" of "/identity/token".
func requestType(path string) string {
	last := path[strings.LastIndexByte(path, '/')+1:]
	if last == "" {
		return "incoming.Identity"
	}
	return "incoming.Identity_" + strings.ToUpper(last[:1]) + last[1:]
}

// long is how the token service writes times: "16.07.2019 19:23:24:514 UTC".
func long(t time.Time) string {
	t = t.UTC()
	return t.Format("02.01.2006 15:04:05:") + t.Format(".000")[1:] + " UTC"
}

// codes are the words of the identity API for kinds of failure.
var codes = map[fault.Kind]string{
	fault.Internal: "internal_error", fault.Invalid: "invalid_request", fault.Unauthenticated: "invalid_token",
	fault.Forbidden: "forbidden", fault.NotFound: "not_found", fault.Conflict: "conflict", fault.Stale: "conflict",
	fault.Gone: "not_found", fault.Unprocessable: "unable_to_process", fault.TooLarge: "request_too_large",
	fault.TooMany: "too_many_requests", fault.Unavailable: "unavailable",
}

// messageCodes are IBM's numbers of these, as far as they are known.
var messageCodes = map[fault.Kind]string{
	fault.Invalid: "BXNIM0109E", fault.Unauthenticated: "BXNIM0408E", fault.Forbidden: "BXNIM0513E",
	fault.NotFound: "BXNIM0404E", fault.Conflict: "BXNIM0409E", fault.Stale: "BXNIM0409E",
}

type identityContext struct {
	TransactionID string `json:"transaction_id"`
	Operation     string `json:"operation"`
	UserAgent     string `json:"user_agent"`
	URL           string `json:"url"`
	StartTime     string `json:"start_time"`
	EndTime       string `json:"end_time"`
	ElapsedTime   string `json:"elapsed_time"`
}

type identityError struct {
	Context identityContext  `json:"context"`
	Status  int              `json:"status_code"`
	Errors  []identityReason `json:"errors"`
	Trace   string           `json:"trace"`
}

type identityReason struct {
	Code        string `json:"code"`
	MessageCode string `json:"message_code"`
	Message     string `json:"message"`
	Details     string `json:"details"`
}

func (f *face) failIdentity(c *httpface.Call, err error) httpface.Answer {
	kind, status := fault.KindOf(err), 0
	if status = kind.Status(); errors.Is(err, httpface.ErrNoMethod) {
		status = http.StatusMethodNotAllowed
	}
	code := messageCodes[kind]
	if code == "" {
		code = "BXNIM0500E"
	}
	now := f.now()
	return httpface.Answer{Status: status, Body: identityError{
		Context: identityContext{
			TransactionID: c.Trail.CorrelationID, Operation: c.Action, UserAgent: c.Trail.Agent, URL: f.base,
			StartTime: stamp(c.Trail.Time), EndTime: stamp(now),
			ElapsedTime: strconv.FormatInt(now.Sub(c.Trail.Time).Milliseconds(), 10),
		},
		Status: status, Trace: c.Trail.CorrelationID,
		Errors: []identityReason{{Code: codes[kind], MessageCode: code, Message: explain(err), Details: explain(err)}},
	}}
}
