//go:build !cgo || !pkcs11

package agent

import (
	"fmt"

	"strongroom/custody/pkcs11/wire"
)

// openToken fails: a program that loads no library cannot speak to a token.
func openToken(wire.Hello) (Token, error) {
	return nil, fmt.Errorf("%w: this program was built without PKCS#11; give the path of strongroom-pkcs11", wire.ErrUnsupported)
}
