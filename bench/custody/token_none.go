//go:build !cgo || !pkcs11

package main

import (
	"context"
	"fmt"
)

// tokenTargets has none: this build loads no library.
func tokenTargets(context.Context, string) ([]*target, func() error, error) {
	return nil, nil, fmt.Errorf("%w: built without the tag pkcs11", errNoToken)
}
