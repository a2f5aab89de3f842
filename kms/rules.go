package kms

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Limits of what a key can be called.
const (
	maxAliases = 5
	maxTags    = 30
)

// reservedAliases would be mistaken for parts of paths.
func reservedAliases() []string {
	return []string{
		"allowed_ip", "key", "keys", "metadata", "policy", "policies", "registration",
		"registrations", "ring", "rings", "rotate", "wrap", "unwrap", "rewrap", "version", "versions",
	}
}

// check holds the rules of a new key.
func (n NewKey) check(now time.Time) error {
	for _, rule := range []func(time.Time) error{
		n.checkNames, n.checkAliases, n.checkTags, n.checkExpiry, n.checkPayload,
	} {
		if err := rule(now); err != nil {
			return err
		}
	}
	return nil
}

func (n NewKey) checkNames(time.Time) error {
	switch {
	case !lengthBetween(n.Name, 2, 90):
		return ErrField.On("name", "a text of 2 to 90 characters")
	case strings.ContainsFunc(n.Name, unicode.IsControl):
		return ErrField.On("name", "a text without control characters")
	case n.Description == "":
		return nil
	case !lengthBetween(n.Description, 2, 240):
		return ErrField.On("description", "a text of 2 to 240 characters")
	}
	return checkDescription(n.Description)
}

// checkDescription refuses what would drive the terminal of who reads it.
func checkDescription(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) && !strings.ContainsRune("\n\r\t", r) }) {
		return ErrField.On("description", "a text without control characters other than line breaks and tabs")
	}
	return nil
}

func (n NewKey) checkAliases(time.Time) error {
	if len(n.Aliases) > maxAliases {
		return ErrAliasQuota
	}
	for i, alias := range n.Aliases {
		if err := checkAlias(alias); err != nil {
			return err
		}
		if slices.Contains(n.Aliases[:i], alias) {
			return ErrField.On("aliases", "a list without repetitions")
		}
	}
	return nil
}

// checkAlias holds the rules of an alias.
func checkAlias(alias string) error {
	switch {
	case len(alias) < 2 || len(alias) > 90 || !isPlain(alias):
		return ErrField.On("aliases", "2 to 90 characters, each a letter, a digit, '-' or '_'")
	case isID(alias):
		return ErrField.On("aliases", "something else than a UUID")
	case slices.Contains(reservedAliases(), alias):
		return ErrField.On("aliases", "something else than the reserved word "+strconv.Quote(alias))
	}
	return nil
}

// isPlain reports whether a name has only characters that stand for themselves in a path.
func isPlain(name string) bool {
	return !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

func (n NewKey) checkTags(time.Time) error {
	if len(n.Tags) > maxTags {
		return ErrField.On("tags", "a list of at most 30 tags")
	}
	for _, tag := range n.Tags {
		if !lengthBetween(tag, 0, 30) || strings.ContainsAny(tag, "<>,:&|") {
			return ErrField.On("tags", "texts of at most 30 characters, none of which is one of < > , : & |")
		}
		if strings.ContainsFunc(tag, unicode.IsControl) {
			return ErrField.On("tags", "texts without control characters")
		}
	}
	return nil
}

// checkExpiry bounds the date by what RFC 3339 can express: clients that cannot read the date of one
// key cannot read a list that it is in.
func (n NewKey) checkExpiry(now time.Time) error {
	switch {
	case n.Expires.IsZero():
		return nil
	case !n.Expires.After(now):
		return ErrField.On("expirationDate", "a date in the future")
	case n.Expires.UTC().Year() > 9999:
		return ErrField.On("expirationDate", "a date before the year 10000")
	}
	return nil
}

func (n NewKey) checkPayload(time.Time) error {
	if n.Extractable {
		if n.Transported != nil {
			return ErrField.On("encryptedNonce", "left out for a standard key, which cannot be imported under an import token")
		}
		if n.Payload.Len() > maxStandardSize {
			return ErrField.On("payload", "at most 7500 bytes of key material, base64 encoded")
		}
		return nil
	}
	return n.material().check()
}

// check holds the rules of the material of a root key; none at all is fine.
func (n NewVersion) check() error {
	if n.Transported != nil {
		return checkTransported(n.Transported)
	}
	switch n.Payload.Len() {
	case 0, 16, 24, 32:
		return nil
	}
	return ErrField.On("payload", "16, 24 or 32 bytes of key material, base64 encoded")
}

const (
	maxAAD      = 255  // strings, and characters of each
	maxWrapSize = 7500 // bytes that can be wrapped at once
)

// checkAAD holds the rules of the additional data of a wrapping.
func checkAAD(aad []string) error {
	if len(aad) > maxAAD {
		return ErrField.On("aad", "a list of at most 255 strings")
	}
	for _, a := range aad {
		if utf8.RuneCountInString(a) > maxAAD {
			return ErrField.On("aad", "a list of strings of at most 255 characters")
		}
	}
	return nil
}

func lengthBetween(s string, least, most int) bool {
	n := utf8.RuneCountInString(s)
	return least <= n && n <= most
}
