//go:build cgo && pkcs11

package agent

import (
	"time"

	"strongroom/custody/pkcs11/token"
	"strongroom/custody/pkcs11/wire"
)

// openToken opens the token of the parent's hello.
func openToken(h wire.Hello) (Token, error) {
	t, err := token.Open(h, time.Now)
	if err != nil {
		return nil, err
	}
	return t, nil
}
