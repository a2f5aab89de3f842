package s3

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"strongroom/objects"
)

// namespace is that of every document of S3 but errors.
const namespace = "http://s3.amazonaws.com/doc/2006-03-01/"

// xmlns is the namespace on the root of a document that is read as well as written: it is written, and
// whatever stands there is accepted.
type xmlns struct {
	NS string `xml:"xmlns,attr,omitempty"`
}

func inNamespace() xmlns { return xmlns{namespace} }

// boolean is a truth value in a document: read in any case, written in lower case.
type boolean bool

// UnmarshalText implements encoding.TextUnmarshaler.
func (b *boolean) UnmarshalText(text []byte) error {
	switch s := strings.TrimSpace(string(text)); {
	case strings.EqualFold(s, "true"):
		*b = true
	case strings.EqualFold(s, "false"):
		*b = false
	default:
		return errXML.On("", "a boolean must be true or false")
	}
	return nil
}

// MarshalText implements encoding.TextMarshaler.
func (b boolean) MarshalText() ([]byte, error) { return strconv.AppendBool(nil, bool(b)), nil }

// owner is who owns a bucket and what is in it: the service instance.
type owner struct {
	ID          string
	DisplayName string
}

func ownerOf(b *objects.Bucket) owner { return owner{string(b.Instance), string(b.Instance)} }

// parseInstant reads a date of a document or a header, in ISO 8601 with or without fractions, and also
// in the short form that IBM's retention headers know.
func parseInstant(s string) (time.Time, error) {
	s = strings.TrimSpace(s)
	for _, layout := range [...]string{time.RFC3339Nano, "20060102T150405Z", "2006-01-02T15:04:05", time.DateOnly} {
		if t, ok := parseDate(layout, s); ok {
			return t, nil
		}
	}
	return time.Time{}, errXML.On("", "a date is not one of ISO 8601")
}

// parseDate reads a date of which the year in UTC has four digits: others can be neither stored nor shown.
func parseDate(layout, s string) (time.Time, bool) {
	t, err := time.Parse(layout, s)
	t = t.UTC()
	return t, err == nil && t.Year() > 1 && t.Year() < 10_000
}

// versioned is the header that names a version, if its bucket keeps versions, or did.
func versioned(o *objects.Object) http.Header {
	h := http.Header{}
	showVersion(h, o)
	return h
}

// version is the version of an object that a request is about; empty for the newest.
func (q *request) version() objects.VersionID { return objects.VersionID(q.query.get("versionId")) }
