package keyprotect_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"

	"strongroom/api/keyprotect"
	"strongroom/internal/httpface"
	"strongroom/test/openapi"
)

var described = sync.OnceValues(func() (*openapi.Document, error) {
	text, err := httpface.Description{Title: "Key Protect"}.Describe(keyprotect.Description())
	if err != nil {
		return nil, err
	}
	return openapi.Parse(text)
})

// judge reports a request, or an answer to it, that deviates from the description.
func judge(t testing.TB, r *http.Request, sent []byte, w *httptest.ResponseRecorder, body []byte) {
	t.Helper()
	d, err := described()
	if err != nil {
		t.Fatal(err)
	}
	err = d.Judge(openapi.Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.RawQuery, Header: r.Header, Body: sent,
	}, openapi.Answer{Status: w.Code, Header: w.Header(), Body: body})
	if err != nil {
		t.Errorf("not as described: %v\n%.600s\n%.600s", err, sent, body)
	}
}

// TestEveryReasonIsDescribed compares the table of failures with the enumeration.
func TestEveryReasonIsDescribed(t *testing.T) {
	var file struct {
		Components struct {
			Schemas struct {
				ReasonCode struct {
					Enum []string
				} `yaml:"ReasonCode"`
			}
		}
	}
	f, err := keyprotect.Description().Open("openapi/reasons.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := yaml.NewDecoder(f).Decode(&file); err != nil {
		t.Fatal(err)
	}
	codes := keyprotect.ReasonCodes()
	slices.Sort(codes)
	if diff := cmp.Diff(slices.Compact(codes), file.Components.Schemas.ReasonCode.Enum); diff != "" {
		t.Errorf("reason codes (-emitted +described):\n%s", diff)
	}
}
