package audit

import (
	"net/http"
	"strings"
)

// Severity says how much attention an event deserves.
type Severity string

// The severities, rising.
const (
	Normal   Severity = "normal"
	Warning  Severity = "warning"
	Critical Severity = "critical"
)

// SeverityOf returns the severity of an action that was answered with an HTTP status: that of the
// action, raised by the status, never lowered.
func SeverityOf(action string, status int) Severity {
	a, s := severityOfAction(action), severityOfStatus(status)
	if a == Critical || s == Critical {
		return Critical
	}
	if a == Warning || s == Warning {
		return Warning
	}
	return Normal
}

func severityOfStatus(status int) Severity {
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden,
		http.StatusServiceUnavailable, http.StatusInsufficientStorage:
		return Critical
	case http.StatusBadRequest, http.StatusConflict, http.StatusFailedDependency,
		http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout,
		http.StatusHTTPVersionNotSupported:
		return Warning
	}
	return Normal
}

// severityOfAction also covers actions beside the key service: what destroys or hands over access
// is no everyday act there either.
func severityOfAction(action string) Severity {
	switch action {
	case "kms.secrets.delete", "kms.secrets.purge", "kms.registrations.delete",
		actionTruncated, actionBehind:
		return Critical
	case "kms.secrets.rotate", "kms.secrets.restore", "kms.secrets.enable", "kms.secrets.disable",
		"kms.secrets.setkeyfordeletion", "kms.secrets.unsetkeyfordeletion", "kms.secrets.patch",
		"kms.policies.write", "kms.instance-policies.write",
		"kms.secrets-alias.delete", "kms.key-rings.delete",
		"kms.kmip-management.delete", "kms.kmip.revoke", "kms.kmip.destroy",
		actionRecovered:
		return Warning
	}
	for _, family := range []string{"iam-identity.", "iam-am.", "iam-groups.", "resource-controller."} {
		if strings.HasPrefix(action, family) && strings.HasSuffix(action, ".delete") {
			return Warning
		}
	}
	return Normal
}

// Actions that the log records about itself, with the server as initiator and no account.
const (
	actionTruncated = "strongroom.audit.truncated" // acknowledged entries are missing
	actionBehind    = "strongroom.audit.behind"    // the database lacks what the log has
	actionRetention = "strongroom.audit.retention" // a segment is removed for its age or size
	actionRecovered = "strongroom.audit.recovered" // writing works again
	actionRefusals  = "strongroom.audit.refusals"  // refusals that were counted, not written out
	actionAnswers   = "strongroom.audit.answers"   // requests open to everybody that were counted
)
