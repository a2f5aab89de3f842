package s3

import (
	"encoding/json"
	"net/http"
	"testing"
	"time"
)

// TestDatesBeyondFourDigitsAreRefused: what a request sets has to be stored, and shown again.
func TestDatesBeyondFourDigitsAreRefused(t *testing.T) {
	for _, date := range []string{
		"9999-12-31T23:59:59-01:00", "0000-01-01T00:00:00Z", "0001-12-31T23:59:59-23:00", "2040-01-01T00:00:00+24:00", "2040-01-01T00:00:00Z",
	} {
		check := func(what string, got time.Time, err error) {
			t.Helper()
			if err != nil {
				return // refused
			}
			if _, err := json.Marshal(got); err != nil || got.Year() > 9999 || got.Location() != time.UTC {
				t.Errorf("%s: %s is taken as %v, which cannot be stored: %v", what, date, got, err)
			}
		}
		got, err := parseInstant(date)
		check("a date in a document", got, err)
		lock, err := parseLock(http.Header{"X-Amz-Object-Lock-Mode": {"COMPLIANCE"}, "X-Amz-Object-Lock-Retain-Until-Date": {date}})
		check("that of a lock", lock.Until, err)
		kept, err := parseRetention(http.Header{"Retention-Expiration-Date": {date}})
		check("that of a retention", kept.Until, err)
		longer, err := extension(http.Header{"New-Retention-Expiration-Date": {date}})
		check("that of a longer one", longer.Until, err)
	}
	if _, err := parseInstant("2040-01-01T00:00:00Z"); err != nil {
		t.Error(err)
	}
}
