package audit

import (
	"strings"
	"time"
)

// Outcome says how a request ended.
type Outcome string

// The outcomes. A streamed answer is recorded as pending first, and with its outcome at its end.
const (
	Success Outcome = "success"
	Failure Outcome = "failure"
	Pending Outcome = "pending"
)

// Event is one record of the log. Its JSON is the CADF-like shape that readers of IBM's activity
// tracking know, with two members of our own: id and accountId. The members observer and
// saveServiceCopy never vary and have no field.
//
// Strings longer than 2,048 bytes are cut, and an event that would not fit a line (64 KiB) loses its
// RequestData and ResponseData rather than going unrecorded. No field may hold payloads, plaintexts,
// ciphertexts, nonces or tokens.
type Event struct {
	ID            string    // UUID, by which an event is recorded once; made from Time when empty
	Time          time.Time // kept in hundredths of a second; the log's clock when zero
	Action        string    // "kms.secrets.wrap"
	Outcome       Outcome
	Severity      Severity // SeverityOf(Action, Reason.Code) when empty
	Message       string   // "Key Protect: wrap key payments-crk"
	CorrelationID string
	DataEvent     bool   // true for a use of data (wrap, unwrap, read), false for management
	LogSourceCRN  string // CRN of the instance that was asked
	Account       string // tenant that the event belongs to; empty for the server itself or when unknown
	Initiator     Initiator
	Target        Target
	Reason        Reason
	RequestData   map[string]any // strings, numbers, booleans, times, lists and maps of these, at most 4 deep
	ResponseData  map[string]any // likewise
}

// Initiator is who asked.
type Initiator struct {
	ID             string // IAM ID
	Name           string
	TypeURI        string // "service/security/account/user", "…/serviceid"
	AuthnID        string // IAM ID of who logged in
	AuthnName      string
	CredentialType string // "token", "apikey", "certificate"
	CredentialID   string // what was used to log in, such as the ID of an API key; never the credential
	Host           Host
}

// Host is where the initiator asked from.
type Host struct {
	Address     string
	AddressType string // "IPv4" or "IPv6"; taken from Address when empty
	Agent       string
}

// Target is what was acted on.
type Target struct {
	ID              string // CRN
	Name            string
	TypeURI         string // "kms/secrets"
	ResourceGroupID string
}

// Reason is how the request was answered.
type Reason struct {
	Code       int    // HTTP status; 401 for every refusal of access
	Type       string // text of the status
	ForFailure string // only for failures
}

// Instance returns the ID of the service instance that the event is about: requestData.instanceID,
// or else the one named by LogSourceCRN or the target's CRN. It is empty if there is none.
func (e *Event) Instance() string {
	if id, ok := e.RequestData["instanceID"].(string); ok && id != "" {
		return id
	}
	if id := crnPart(e.LogSourceCRN, crnInstance); id != "" {
		return id
	}
	return crnPart(e.Target.ID, crnInstance)
}

// Key returns the ID of the key that the event is about: the one named by the target's CRN, or else
// responseData.keyId, as after a creation. It is empty if there is none.
func (e *Event) Key() string {
	if crnPart(e.Target.ID, crnResourceType) == "key" {
		return crnPart(e.Target.ID, crnResource)
	}
	id, _ := e.ResponseData["keyId"].(string)
	return id
}

// Positions of the parts of a CRN.
const (
	crnInstance     = 7
	crnResourceType = 8
	crnResource     = 9
)

// crnPart returns part n of a CRN, or "" if s is no CRN or too short. It is called for each event,
// and does not allocate.
func crnPart(s string, n int) string {
	if !strings.HasPrefix(s, "crn:") {
		return ""
	}
	for ; n > 0; n-- {
		_, rest, ok := strings.Cut(s, ":")
		if !ok {
			return ""
		}
		s = rest
	}
	part, _, _ := strings.Cut(s, ":")
	return part
}

// resolution is the precision in which times are kept: that of eventTime.
const resolution = 10 * time.Millisecond

// complete fills what the caller left to the log.
func (e *Event) complete(now time.Time) {
	if e.Time.IsZero() {
		e.Time = now
	}
	if e.ID == "" {
		e.ID = newID(e.Time)
	}
	if e.Severity == "" {
		e.Severity = SeverityOf(e.Action, e.Reason.Code)
	}
	if e.Initiator.Host.AddressType == "" {
		e.Initiator.Host.AddressType = addressType(e.Initiator.Host.Address)
	}
}

func addressType(address string) string {
	switch {
	case address == "":
		return ""
	case strings.Contains(address, ":"):
		return "IPv6"
	default:
		return "IPv4"
	}
}
