package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// apiError is the server's refusal of a request.
type apiError struct {
	status    int    // HTTP status
	code      string // the service's own code; may be empty
	message   string // never empty
	requestID string // the correlation ID of the request
}

func (e *apiError) Error() string {
	if e.code == "" || strings.Contains(e.message, e.code) {
		return e.message
	}
	return fmt.Sprintf("%s (%s)", e.message, e.code)
}

func (e *apiError) exitCode() int {
	switch {
	case slices.Contains(credentialCodes, e.code):
		return exitRefused
	case e.code == "UNPROCESSABLE_CIPHERTEXT_ERR", e.code == "INVALID_SIG_EXP_ERR":
		return exitFailure // 422, but no state of anything would make it right
	}
	switch e.status {
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitRefused
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusGone, http.StatusPreconditionFailed,
		http.StatusUnprocessableEntity, http.StatusLocked:
		return exitConflict
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return exitUnavailable
	}
	return exitFailure
}

// advice returns the one step that helps, if there is one.
func (e *apiError) advice() string {
	if slices.Contains(credentialCodes, e.code) {
		return "check the API key, or log in again with \"strongroom login\""
	}
	if hint, ok := codeHints()[e.code]; ok {
		return hint
	}
	switch {
	case strings.HasPrefix(e.message, "Access Denied - "):
		return "" // the object store says why, and it is no matter of roles
	case e.status == http.StatusUnauthorized || e.status == http.StatusForbidden:
		return "\"strongroom policy list\" shows who may do what; ask an administrator for the role you need"
	case e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable:
		return "try again in a moment"
	case e.status >= 500:
		return "the server's log says more under request ID " + e.requestID
	}
	return ""
}

// credentialCodes are the token service's codes for credentials that it does not accept. It answers
// an unknown or disabled API key with status 400.
var credentialCodes = []string{"BXNIM0401E", "BXNIM0415E", "BXNIM0416E", "BXNIM0428E", "BXNIM0407E", "BXNIM0408E", "BXNIM0103E"}

func codeHints() map[string]string {
	return map[string]string{
		"PROTECTED_RESOURCE_ERR":       "resources that it protects lose their data: if you are sure, delete it with --force",
		"KEY_ROOT_REQ_ERR":             "only root keys do this: make one with \"strongroom key create NAME\"",
		"KEY_PAYLOAD_REQ_ERR":          "the key was imported: give the new material with --material-file",
		"KEY_DELETED_ERR":              "\"strongroom key list --state destroyed\" lists deleted keys",
		"UNPROCESSABLE_CIPHERTEXT_ERR": "use the key it was wrapped with, and the same --aad values in the same order",
		"KEY_RING_NOT_FOUND_ERR":       "make the key ring first, or leave --ring out",
	}
}

// decodeError reads the error answer of any of the services: each has an envelope of its own. A body
// that is none of them leaves the status text.
func decodeError(status int, body []byte, requestID string) *apiError {
	e := &apiError{status: status, requestID: requestID}
	var env errorEnvelope
	if json.Unmarshal(body, &env) == nil {
		e.code, e.message = env.read()
	}
	if e.message == "" {
		e.message = statusText(status)
	}
	return e
}

func statusText(status int) string {
	if text := http.StatusText(status); text != "" {
		return "the server answered " + strings.ToLower(text)
	}
	return fmt.Sprintf("the server answered with status %d", status)
}

// errorEnvelope is the union of the envelopes: their members do not collide.
type errorEnvelope struct {
	// Key Protect.
	Resources []struct {
		ErrorMsg string `json:"errorMsg"`
		Reasons  []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"reasons"`
	} `json:"resources"`

	// The token service.
	TokenCode    string `json:"errorCode"`
	TokenMessage string `json:"errorMessage"`
	TokenDetails string `json:"errorDetails"`

	// Identity, policies, access groups; resource controller and manager add members at the top.
	Errors []struct {
		Code        string `json:"code"`
		MessageCode string `json:"message_code"`
		Message     string `json:"message"`
	} `json:"errors"`
	Message string `json:"message"`
	Code    string `json:"error_code"`

	// Strongroom's own operations. OAuth has a text under the same name, which is left undecoded.
	Error json.RawMessage `json:"error"`
}

// ownError is the member "error" of Strongroom's own operations.
type ownError struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (env *errorEnvelope) read() (code, message string) {
	switch {
	case len(env.Resources) > 0 && len(env.Resources[0].Reasons) > 0:
		reason := env.Resources[0].Reasons[0]
		return reason.Code, firstOf(reason.Message, env.Resources[0].ErrorMsg)
	case len(env.Resources) > 0:
		return "", env.Resources[0].ErrorMsg
	case env.TokenMessage != "":
		return env.TokenCode, joinDetails(env.TokenMessage, env.TokenDetails)
	case len(env.Errors) > 0:
		return firstOf(env.Errors[0].MessageCode, env.Errors[0].Code), env.Errors[0].Message
	case env.Message != "":
		return env.Code, env.Message
	}
	var own ownError
	if json.Unmarshal(env.Error, &own) != nil {
		return "", ""
	}
	return own.Code, own.Message
}

func joinDetails(message, details string) string {
	if details == "" || details == message {
		return message
	}
	return strings.TrimSuffix(message, ".") + ": " + details
}

// firstOf returns the first of values that is not empty.
func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
