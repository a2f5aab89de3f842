package s3

import (
	"net/http"

	"strongroom/objects"
)

// showArchive shows whether an object was moved to the archive, is to be, or was brought back
// (cos-api.md, sections 16.2 and 16.3).
func showArchive(h http.Header, a objects.Archive) {
	if !a.Due.IsZero() && a.At.IsZero() {
		h.Set("X-Ibm-Transition", `transition="ARCHIVE", date="`+a.Due.UTC().Format(http.TimeFormat)+`"`)
	}
	if a.At.IsZero() {
		return
	}
	h.Set("X-Ibm-Archive-Transition-Time", a.At.UTC().Format(http.TimeFormat))
	h.Set("X-Amz-Storage-Class", a.Storage)
	if !a.Restored.IsZero() {
		h.Set("X-Amz-Restore", `ongoing-request="false", expiry-date="`+a.Restored.UTC().Format(http.TimeFormat)+`"`)
		h.Set("X-Ibm-Restored-Copy-Storage-Class", "STANDARD")
	}
}
