// Package s3 is the face of the object store: S3 as IBM Cloud Object Storage
// speaks it, on an address of its own.
//
// Buckets and objects are not part of this release, so its table of routes is
// empty. The endpoint is there because its address, its certificate and the
// HMAC credentials are, and because a client that comes early deserves an answer
// it can read: the error document of S3, with the code NotImplemented, which no
// client takes for a passing failure and retries.
package s3

import (
	"context"
	"encoding/xml"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// Config is what the face needs of the house.
type Config struct {
	Log    iam.RefusalRecorder
	Now    func() time.Time
	Logger *slog.Logger
}

// errorDocument is the body of every S3 error.
type errorDocument struct {
	XMLName   xml.Name `xml:"Error"`
	Code      string
	Message   string
	Resource  string
	RequestID string `xml:"RequestId"`
}

// New returns the face.
func New(c Config) *httpface.Face[iam.Caller] {
	return &httpface.Face[iam.Caller]{
		Name: "s3", Prefixes: []string{"/"}, Now: c.Now, Log: c.Logger, Fail: fail,
		RequestID: []string{"X-Amz-Request-Id"},
		Record: func(ctx context.Context, call *httpface.Call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, c.Log, "Cloud Object Storage", who, call.Trail,
				"cloud-object-storage.request.unknown", status, err)
		},
	}
}

func fail(c *httpface.Call, err error) httpface.Answer {
	doc := errorDocument{Resource: c.R.URL.Path, RequestID: c.Trail.CorrelationID}
	status := http.StatusNotImplemented
	switch {
	case errors.Is(err, httpface.ErrNoRoute), errors.Is(err, httpface.ErrNoMethod):
		doc.Code = "NotImplemented"
		doc.Message = "This release of Strongroom has no object operations yet."
	case fault.KindOf(err) == fault.Unavailable:
		status, doc.Code, doc.Message = http.StatusServiceUnavailable, "ServiceUnavailable", "Please try again later."
	default:
		status, doc.Code, doc.Message = http.StatusInternalServerError, "InternalError", "An internal error occurred."
	}
	body, merr := xml.Marshal(doc)
	if merr != nil {
		return httpface.Answer{Status: http.StatusInternalServerError}
	}
	return httpface.Answer{Status: status, Type: "application/xml", Bytes: append([]byte(xml.Header), body...)}
}
