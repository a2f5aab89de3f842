package rootkeyhttp_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/objects/rootkeyhttp"
)

var bucket = crn.Of(crn.ObjectStorage, "global", "account", "storage", "bucket", "photos")

// registered is what is written of a registration.
type registered struct {
	Method      string `json:"-"`
	Description string `json:"description"`
	Prevent     bool   `json:"preventKeyDeletion"`
	Version     string `json:"keyVersionId"`
}

func TestABucketIsRegisteredHoweverItStands(t *testing.T) {
	made := registered{Method: http.MethodPost, Description: "bucket photos", Prevent: true}
	updated := registered{http.MethodPatch, "bucket photos", true, "version-2"}
	same := registered{Method: http.MethodPatch, Description: "bucket photos", Prevent: true}
	for name, c := range map[string]struct {
		answers []int
		want    []registered
	}{
		"for the first time":          {[]int{201}, []registered{made}},
		"with a newer version":        {[]int{409, 200}, []registered{made, updated}},
		"with the version that it is": {[]int{409, 409, 200}, []registered{made, updated, same}},
	} {
		var got []registered
		e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
			if want := "/api/v2/keys/" + root.Resource + "/registrations/" + url.PathEscape(acting.Child("bucket", "photos").String()); r.URL.EscapedPath() != want {
				t.Errorf("%s: asked at %s", name, r.URL.EscapedPath())
			}
			b, err := io.ReadAll(r.Body)
			var body struct{ Resources []registered }
			if err != nil || json.Unmarshal(b, &body) != nil || len(body.Resources) != 1 {
				t.Errorf("%s: %v, %s", name, err, b)
			}
			body.Resources[0].Method = r.Method
			got = append(got, body.Resources[0])
			status := c.answers[len(got)-1]
			if status == http.StatusConflict {
				return refuses(status)
			}
			return says(status, `{}`)
		}}
		if err := e.client(t, rootkeyhttp.Strongroom).Register(t.Context(), iam.Caller{}, instance, root, bucket, "version-2", true); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestUsageIsReportedByVersion(t *testing.T) {
	e := &elsewhere{keys: func(r *http.Request) (*http.Response, error) {
		b, err := io.ReadAll(r.Body)
		if err != nil || string(b) != `{"objects":3,"bytes":4000}` || r.Header.Get("Bluemix-Instance") != root.Instance {
			t.Errorf("%q, %v for %q", b, err, r.Header.Get("Bluemix-Instance"))
		}
		return says(http.StatusNoContent, "")
	}}
	if err := e.client(t, rootkeyhttp.Strongroom).Report(t.Context(), instance, root, "version-2", 3, 4000); err != nil {
		t.Error(err)
	}
	want := []string{"PUT " + keysAt + "/strongroom/v1/keys/" + root.Resource + "/versions/version-2/data"}
	if diff := cmp.Diff(want, e.questions()); diff != "" {
		t.Error(diff)
	}
}

func TestAServiceOfIBMIsToldOfNoBuckets(t *testing.T) {
	e := &elsewhere{}
	c := e.client(t, rootkeyhttp.IBM)
	for _, use := range []string{"register", "unregister", "report"} {
		if err := uses[use](t.Context(), c); err != nil || len(e.requests()) > 0 {
			t.Errorf("%s: %v, asked %q", use, err, e.requests())
		}
	}
}
