package objects_test

import (
	"errors"
	"regexp"
	"testing"
	"time"

	"strongroom/objects"
)

func FuzzVersionID(f *testing.F) {
	f.Add("null")
	f.Add("0123456789abcdef0123456789abcdef")
	f.Add("0123456789ABCDEF0123456789ABCDEF")
	f.Add("0123456789abcdef0123456789abcde\n")
	valid := regexp.MustCompile(`\A(|null|[0-9a-f]{32})\z`)
	f.Fuzz(func(t *testing.T, id string) {
		err := objects.CheckVersion(objects.VersionID(id))
		if err != nil && !errors.Is(err, objects.ErrArgument) {
			t.Errorf("%q: %v", id, err)
		}
		if valid.MatchString(id) != (err == nil) {
			t.Errorf("%q: %v", id, err)
		}
	})
}

// FuzzHoldID: what is taken as the ID of a legal hold has the form that is documented, and takes the hold
// away again.
func FuzzHoldID(f *testing.F) {
	f.Add("court.case(7)!")
	f.Add("")
	f.Add("a b")
	f.Add("é")
	valid := regexp.MustCompile(`\A[A-Za-z0-9!_.*()'-]{1,64}\z`)
	now := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, id string) {
		held, err := objects.Retention{Until: now.Add(-time.Hour)}.AddHold(id, now)
		if err != nil && !errors.Is(err, objects.ErrArgument) || valid.MatchString(id) != (err == nil) {
			t.Fatalf("%q: %v", id, err)
		}
		free, rerr := held.RemoveHold(id)
		if (rerr == nil) != (err == nil) || held.Protects(now) != (err == nil) || free.Protects(now) {
			t.Errorf("%q: held %t, %v, then free %t, %v", id, held.Protects(now), err, !free.Protects(now), rerr)
		}
	})
}

// FuzzTags: tags that are taken have the bounds and the characters that are documented.
func FuzzTags(f *testing.F) {
	f.Add("key", "value")
	f.Add("ibm:key", "value")
	f.Add("", "")
	f.Add("a b+-=._:/@", "é")
	text := regexp.MustCompile(`\A[A-Za-z0-9 +=._:/@-]*\z`)
	f.Fuzz(func(t *testing.T, key, value string) {
		err := objects.CheckTags(map[string]string{key: value})
		if err != nil && !errors.Is(err, objects.ErrTag) {
			t.Errorf("%q, %q: %v", key, value, err)
		}
		if err == nil && (key == "" || len(key) > 128 || len(value) > 256 || !text.MatchString(key) || !text.MatchString(value)) {
			t.Errorf("%q, %q is taken", key, value)
		}
	})
}
