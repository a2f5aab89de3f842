package objects_test

import (
	"errors"
	"strconv"
	"strings"
	"testing"

	"strongroom/objects"
)

func TestTags(t *testing.T) {
	many := map[string]string{}
	for i := range objects.MaxTags {
		many[strconv.Itoa(i)] = ""
	}
	for name, tags := range map[string]map[string]string{
		"none":        nil,
		"every sign":  {"Az09 +-=._:/@": "Az09 +-=._:/@"},
		"the longest": {strings.Repeat("k", 128): strings.Repeat("v", 256)},
		"ten":         many,
	} {
		if err := objects.CheckTags(tags); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	eleven := map[string]string{"eleventh": ""}
	for k, v := range many {
		eleven[k] = v
	}
	for name, tags := range map[string]map[string]string{
		"empty key":      {"": "v"},
		"long key":       {strings.Repeat("k", 129): ""},
		"long value":     {"k": strings.Repeat("v", 257)},
		"reserved":       {"ibm:k": ""},
		"sign in key":    {"a&b": ""},
		"sign in value":  {"k": "a\nb"},
		"not ASCII":      {"k": "é"},
		"eleven of them": eleven,
	} {
		if err := objects.CheckTags(tags); !errors.Is(err, objects.ErrTag) {
			t.Errorf("%s: got %v, want ErrTag", name, err)
		}
	}
}
