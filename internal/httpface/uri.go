package httpface

import (
	"net/url"
	"strings"
)

// recordable is the path and query of a request as they may be recorded. Some
// clients put into the query what belongs into the body or a header; the value
// of such a parameter is left out.
func recordable(u *url.URL) string {
	if u.RawQuery == "" {
		return u.RequestURI()
	}
	parameters := strings.Split(u.RawQuery, "&")
	for i, p := range parameters {
		name, _, _ := strings.Cut(p, "=")
		if plain, err := url.QueryUnescape(name); err != nil || secretParameter(plain) {
			parameters[i] = name + "=..."
		}
	}
	safe := *u
	safe.RawQuery = strings.Join(parameters, "&")
	return safe.RequestURI()
}

// secretParameter tells by its name whether a parameter holds a credential, or
// material that a key is to be used on.
func secretParameter(name string) bool {
	switch strings.ToLower(name) {
	case "apikey", "api_key", "access_token", "refresh_token", "token", "passcode", "password",
		"client_secret", "code", "assertion", "payload", "plaintext", "ciphertext",
		"x-amz-signature", "x-amz-security-token", "signature":
		return true
	}
	return false
}
