package openapi_test

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"strongroom/test/openapi"
)

func TestJudgesRequests(t *testing.T) {
	d, err := openapi.Parse([]byte(things))
	if err != nil {
		t.Fatal(err)
	}
	const thing = `{"id":"6a1f0c3e-6c2f-4a51-9c2c-0b6a3f3f5d10"}`
	for name, c := range map[string]struct {
		change func(*openapi.Request)
		want   string // part of what is said; empty if all is well
	}{
		"good":                   {func(*openapi.Request) {}, ""},
		"parameters":             {func(q *openapi.Request) { q.Query = "dry=true&size=9" }, ""},
		"charset":                {func(q *openapi.Request) { q.Header.Set("Content-Type", "application/json; charset=utf-8") }, ""},
		"gzip":                   {func(q *openapi.Request) { q.Header.Set("Content-Encoding", "gzip"); q.Body = zipped(t, thing) }, ""},
		"no token":               {func(q *openapi.Request) { q.Header.Del("Authorization") }, "bearer"},
		"other scheme":           {func(q *openapi.Request) { q.Header.Set("Authorization", "Basic YTpi") }, "bearer"},
		"header missing":         {func(q *openapi.Request) { q.Header.Del("Owner") }, "header parameter Owner is missing"},
		"header of other form":   {func(q *openapi.Request) { q.Header.Set("Owner", "me") }, "no UUID"},
		"parameter undescribed":  {func(q *openapi.Request) { q.Query = "drY=true" }, "parameter drY is not described"},
		"no boolean":             {func(q *openapi.Request) { q.Query = "dry=1" }, "type string, not boolean"},
		"no integer":             {func(q *openapi.Request) { q.Query = "size=many" }, "type string, not integer"},
		"too large an integer":   {func(q *openapi.Request) { q.Query = "size=10" }, "more than 9"},
		"one of two is wrong":    {func(q *openapi.Request) { q.Query = "size=1&size=10" }, "more than 9"},
		"body missing":           {func(q *openapi.Request) { q.Body = nil }, "body is missing"},
		"body of null":           {func(q *openapi.Request) { q.Body = []byte("null\n") }, "body is missing"},
		"member of other case":   {func(q *openapi.Request) { q.Body = []byte(strings.Replace(thing, "id", "ID", 1)) }, ""},
		"member of null":         {func(q *openapi.Request) { q.Body = []byte(strings.Replace(thing, "{", `{"state":null,`, 1)) }, ""},
		"member unknown":         {func(q *openapi.Request) { q.Body = []byte(strings.Replace(thing, "{", `{"more":1,`, 1)) }, "not described"},
		"body of other form":     {func(q *openapi.Request) { q.Body = []byte(`{}`) }, `lacks the member "id"`},
		"body of other type":     {func(q *openapi.Request) { q.Header.Set("Content-Type", "text/plain") }, "Content-Type"},
		"body of no type":        {func(q *openapi.Request) { q.Header.Del("Content-Type") }, "Content-Type"},
		"body of other encoding": {func(q *openapi.Request) { q.Header.Set("Content-Encoding", "br") }, "cannot be judged"},
		"body where none is":     {func(q *openapi.Request) { q.Method, q.Path = "GET", "/things/all" }, "where none is described"},
		"path of other form":     {func(q *openapi.Request) { q.Path = "/things/%zz" }, "escape"},
	} {
		t.Run(name, func(t *testing.T) {
			q := openapi.Request{Method: "POST", Path: "/things", Body: []byte(thing), Header: http.Header{
				"Authorization": {"bearer t"}, "Content-Type": {"application/json"},
				"Owner": {"6a1f0c3e-6c2f-4a51-9c2c-0b6a3f3f5d10"},
			}}
			if c.change(&q); strings.HasPrefix(q.Path, "/things/%") {
				q.Method, q.Body = "GET", nil
			}
			err := d.CheckRequest(q)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want one that says %q", err, c.want)
			}
		})
	}
}

// TestJudgesWhatWasCarriedOut shows that only a request that was carried out has to be as described,
// and that nothing else than what is described may be carried out.
func TestJudgesWhatWasCarriedOut(t *testing.T) {
	d, err := openapi.Parse([]byte(things))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		method, path string
		status       int
		good         bool
	}{
		"bad request, refused":        {"POST", "/things", 400, true},
		"bad request, carried out":    {"POST", "/things", 201, false},
		"no path, not found":          {"GET", "/thongs", 404, true},
		"no path, found":              {"GET", "/thongs", 200, false},
		"no method, refused":          {"PUT", "/things", 405, true},
		"no method, carried out":      {"PUT", "/things", 204, false},
		"no method, some other error": {"PUT", "/things", 500, false},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.Judge(openapi.Request{Method: c.method, Path: c.path}, openapi.Answer{Status: c.status})
			if (err == nil) != c.good {
				t.Errorf("the judge says %v", err)
			}
		})
	}
	if !d.Covers("/things/1/parts") || d.Covers("/other") {
		t.Error("what is covered goes by the start of a path")
	}
}

func zipped(t *testing.T, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
