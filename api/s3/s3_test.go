package s3_test

import (
	"encoding/xml"
	"net/http"
	"testing"

	"strongroom/test/rig"
)

// TestAnswersInTheShapeOfS3: a client that comes before the object operations
// hears so in a document that it can read, and does not try again.
func TestAnswersInTheShapeOfS3(t *testing.T) {
	r := rig.Start(t)
	for _, path := range []string{"/", "/bucket", "/bucket/a//b/../c?list-type=2"} {
		resp, err := r.Client.Get(r.S3URL + path)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			XMLName   xml.Name `xml:"Error"`
			Code      string
			RequestID string `xml:"RequestId"`
		}
		err = xml.NewDecoder(resp.Body).Decode(&doc)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusNotImplemented || doc.Code != "NotImplemented" ||
			doc.RequestID == "" || doc.RequestID != resp.Header.Get("X-Amz-Request-Id") {
			t.Errorf("%s: %d %+v %v", path, resp.StatusCode, doc, err)
		}
	}
}
