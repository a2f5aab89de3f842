package crn_test

import (
	"strings"
	"testing"

	"strongroom/crn"
)

func TestParse(t *testing.T) {
	const key = "crn:v1:bluemix:public:kms:us-south:a/abc:inst:key:id"
	c, err := crn.Parse(key)
	if err != nil {
		t.Fatal(err)
	}
	want := crn.CRN{
		CName: "bluemix", CType: "public", Service: "kms", Location: "us-south",
		Scope: "a/abc", Instance: "inst", Type: "key", Resource: "id",
	}
	if c != want || c.String() != key || c.Account() != "abc" || c.IsInstance() {
		t.Errorf("got %+v", c)
	}
	if got := crn.Of(crn.KeyProtect, "us-south", "abc", "inst", "", "").Child("key", "id"); got != want {
		t.Errorf("Child: got %+v", got)
	}
	if got := crn.Role("iam", "serviceRole", "Reader").String(); got != "crn:v1:bluemix:public:iam::::serviceRole:Reader" {
		t.Errorf("Role: got %s", got)
	}
}

func TestParseRefuses(t *testing.T) {
	for _, s := range []string{
		"", "crn", "crn:v1:bluemix:public:kms:us-south:a/abc:inst:key",
		"crn:v2:bluemix:public:kms:us-south:a/abc:inst:key:id",
		"CRN:v1:bluemix:public:kms:us-south:a/abc:inst:key:id",
		"crn:v1::public:kms:us-south:a/abc:inst:key:id",
		"crn:v1:bluemix:public:kms:us-south:a/abc:inst:key:i\nd",
		"crn:v1:bluemix:public:kms:us-south:a/abc:inst:key:" + strings.Repeat("x", crn.MaxLen),
	} {
		if c, err := crn.Parse(s); err == nil {
			t.Errorf("Parse(%.60q) = %+v, want an error", s, c)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("crn:v1:bluemix:public:cloud-object-storage:global:a/abc:guid:bucket:a/b:c")
	f.Add("crn:v1:bluemix:public:globalcatalog::::deployment:plan%3Aus-south")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := crn.Parse(s)
		if err == nil && c.String() != s {
			t.Errorf("Parse(%q) wrote back %q", s, c.String())
		}
	})
}
