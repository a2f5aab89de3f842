package objects

import "strings"

// checkTags checks the tags of an object (cos-api.md, section 18).
func checkTags(tags map[string]string) error {
	if len(tags) > MaxTags {
		return ErrTag.On("", "an object has at most 10 tags")
	}
	for key, value := range tags {
		switch {
		case key == "" || len(key) > 128:
			return ErrTag.On("key", "a key has 1 to 128 characters")
		case len(value) > 256:
			return ErrTag.On("value", "a value has at most 256 characters")
		case strings.HasPrefix(key, "ibm:"):
			return ErrTag.On("key", "the prefix ibm: is reserved")
		case strings.ContainsFunc(key, notInTag) || strings.ContainsFunc(value, notInTag):
			return ErrTag.On("", "only letters, digits, spaces and + - = . _ : / @ are allowed")
		}
	}
	return nil
}

func notInTag(c rune) bool {
	letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	return !letter && !strings.ContainsRune(" +-=._:/@", c)
}
