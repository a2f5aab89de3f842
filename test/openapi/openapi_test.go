package openapi_test

import (
	"net/http"
	"strings"
	"testing"

	"strongroom/test/openapi"
)

const thing = "application/vnd.thing+json"

// things describes one path well enough to show what the judge sees.
const things = `{"openapi":"3.1.1","info":{"title":"t","version":"1"},"paths":{
	"/things/{id}":{"parameters":[{"name":"id","in":"path","required":true,"schema":{"type":"string"}}],
		"get":{"operationId":"getThing","summary":"s","tags":["t"],"responses":{
			"200":{"description":"d","headers":{"Etag":{"required":true,"schema":{"type":"string"}}},
				"content":{"application/vnd.thing+json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
			"204":{"description":"d"},"4XX":{"description":"d","content":{"text/plain":{}}}}}},
	"/things":{"post":{"operationId":"make","summary":"s","tags":["t"],"security":[{"token":[]}],
		"parameters":[{"name":"Owner","in":"header","required":true,"schema":{"type":"string","format":"uuid"}},
			{"name":"dry","in":"query","schema":{"type":"boolean"}},{"name":"size","in":"query","schema":{"type":"integer","maximum":9}}],
		"requestBody":{"required":true,"content":{"application/json":{"schema":{"$ref":"#/components/schemas/Thing"}}}},
		"responses":{"201":{"description":"d"},"4XX":{"description":"d"}}}},
	"/things/all":{"get":{"operationId":"all","summary":"s","tags":["t"],"responses":{"204":{"description":"d"}}}}},
	"components":{"securitySchemes":{"token":{"type":"http","scheme":"bearer"}},"schemas":{"Thing":{"type":"object","required":["id"],"properties":{
		"id":{"type":"string","format":"uuid"},"at":{"type":"string","format":"date-time","pattern":"Z$"},
		"state":{"type":"integer","enum":[1,2]},"payload":{"type":"string","contentEncoding":"base64"},
		"names":{"type":"array","minItems":1,"items":{"type":"string","maxLength":3,"pattern":"^[a-z]*$"}},
		"size":{"oneOf":[{"type":"integer","minimum":0,"maximum":9},{"const":"huge"}]},
		"labels":{"type":"object","additionalProperties":{"type":"string"}}}}}}}`

func TestJudgesAnswers(t *testing.T) {
	d, err := openapi.Parse([]byte(things))
	if err != nil {
		t.Fatal(err)
	}
	const id = `"id":"6a1f0c3e-6c2f-4a51-9c2c-0b6a3f3f5d10"`
	const path = "/things/1"
	for name, c := range map[string]struct {
		method, path string
		answer       openapi.Answer
		want         string // part of what is said; empty if all is well
	}{
		"good":                   {"GET", path, get(200, `{`+id+`,"at":"2026-07-01T10:00:00Z","state":2,"names":["ab"],"size":9,"labels":{"a":"b"}}`), ""},
		"other alternative":      {"GET", path, get(200, `{`+id+`,"size":"huge"}`), ""},
		"no alternative":         {"GET", path, get(200, `{`+id+`,"size":10}`), "alternatives"},
		"member missing":         {"GET", path, get(200, `{}`), `lacks the member "id"`},
		"member unknown":         {"GET", path, get(200, `{`+id+`,"secret":1}`), `"secret", which is not described`},
		"wrong type":             {"GET", path, get(200, `{"id":7}`), "type integer"},
		"null":                   {"GET", path, get(200, `null`), "type null"},
		"no UUID":                {"GET", path, get(200, `{"id":"x"}`), "no UUID"},
		"no time":                {"GET", path, get(200, `{`+id+`,"at":"yesterday"}`), "no time"},
		"time not in UTC":        {"GET", path, get(200, `{`+id+`,"at":"2026-07-01T10:00:00+02:00"}`), "does not match"},
		"not in the enumeration": {"GET", path, get(200, `{`+id+`,"state":3}`), "not one of"},
		"empty list":             {"GET", path, get(200, `{`+id+`,"names":[]}`), "fewer than 1"},
		"item too long":          {"GET", path, get(200, `{`+id+`,"names":["abcd"]}`), "more than 3"},
		"item of other letters":  {"GET", path, get(200, `{`+id+`,"names":["A"]}`), "does not match"},
		"other label":            {"GET", path, get(200, `{`+id+`,"labels":{"a":1}}`), "type integer"},
		"no base64":              {"GET", path, get(200, `{`+id+`,"payload":"***"}`), "not base64"},
		"not JSON":               {"GET", path, get(200, `{`), "not JSON"},
		"no body where one is":   {"GET", path, get(200, ``), "not JSON"},
		"body where none is":     {"GET", path, get(204, `{}`), "where none is described"},
		"status unknown":         {"GET", path, get(500, ``), "status is not described"},
		"other type":             {"GET", path, get(404, `{}`), "Content-Type"},
		"unknown path":           {"GET", "/thing/1", openapi.Answer{Status: 200}, "no path"},
		"unknown method":         {"PUT", "/things/1", openapi.Answer{Status: 200}, "does not describe PUT"},
		"literal wins":           {"GET", "/things/all", openapi.Answer{Status: 204}, ""},
		"HEAD is another method": {"HEAD", "/things/1", openapi.Answer{Status: 200}, "does not describe HEAD"},
	} {
		t.Run(name, func(t *testing.T) {
			err := d.CheckAnswer(openapi.Request{Method: c.method, Path: c.path}, c.answer)
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want one that says %q", err, c.want)
			}
		})
	}
	without := get(200, `{`+id+`}`)
	without.Header.Del("Etag")
	if err := d.CheckAnswer(openapi.Request{Method: "GET", Path: path}, without); err == nil || !strings.Contains(err.Error(), "Etag") {
		t.Errorf("an answer without a required header: %v", err)
	}
}

func get(status int, body string) openapi.Answer {
	return openapi.Answer{
		Status: status, Body: []byte(body),
		Header: http.Header{"Content-Type": {thing}, "Etag": {`"1"`}},
	}
}

func TestRefusesDescriptionsThatAreNotSound(t *testing.T) {
	for name, change := range map[string][2]string{
		"other version":         {`"3.1.1"`, `"3.0.3"`},
		"dangling reference":    {`schemas/Thing"}`, `schemas/Think"}`},
		"unknown keyword":       {`"maxLength":3`, `"longest":3`},
		"parameter undescribed": {`"name":"id","in":"path"`, `"name":"it","in":"path"`},
		"name used twice":       {`"operationId":"all"`, `"operationId":"getThing"`},
		"parameter of a list":   {`"schema":{"type":"boolean"}`, `"schema":{"type":"array"}`},
		"parameter in a cookie": {`"name":"dry","in":"query"`, `"name":"dry","in":"cookie"`},
		"other security":        {`"scheme":"bearer"`, `"scheme":"basic"`},
		"requires the unknown":  {`"required":["id"]`, `"required":["ID"]`},
	} {
		t.Run(name, func(t *testing.T) {
			if !strings.Contains(things, change[0]) {
				t.Fatalf("the description has no %s", change[0])
			}
			if _, err := openapi.Parse([]byte(strings.Replace(things, change[0], change[1], 1))); err == nil {
				t.Error("nothing is found")
			}
		})
	}
}
