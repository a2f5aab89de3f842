//go:build cgo && pkcs11

package token

import (
	"errors"
	"fmt"
	"strings"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
	"strongroom/custody/pkcs11/wire"
)

// code is what a PKCS#11 function returned.
type code = pkcs11.Error

// failure is a call that failed: which one, and how. It wraps what that means to a caller.
type failure struct {
	call string
	code code
}

// Error names the call and the code, as vendors' manuals do.
func (f *failure) Error() string { return f.call + ": " + codeName(f.code) }

// codeName returns the name of a code with its number, by which those of vendors are looked up.
func codeName(c code) string {
	_, name, _ := strings.Cut(strings.TrimPrefix(c.Error(), "pkcs11: "), ": ")
	switch {
	case c == actionProhibited: // newer than the binding's table
		name = "CKR_ACTION_PROHIBITED"
	case name == "":
		return fmt.Sprintf("0x%X", uint(c))
	}
	return fmt.Sprintf("%s (0x%X)", name, uint(c))
}

// Unwrap says what the failure means: that the token cannot do this, or, for every other code, that
// it does not work now. A code that nobody expects is of the second kind, as trying again on a fresh
// connection harms nothing.
func (f *failure) Unwrap() error {
	switch f.code {
	case pkcs11.CKR_MECHANISM_INVALID, pkcs11.CKR_MECHANISM_PARAM_INVALID,
		pkcs11.CKR_FUNCTION_NOT_SUPPORTED, pkcs11.CKR_KEY_FUNCTION_NOT_PERMITTED,
		pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_ATTRIBUTE_SENSITIVE,
		pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID,
		pkcs11.CKR_TEMPLATE_INCOMPLETE, pkcs11.CKR_TEMPLATE_INCONSISTENT,
		pkcs11.CKR_KEY_SIZE_RANGE, pkcs11.CKR_KEY_TYPE_INCONSISTENT,
		pkcs11.CKR_WRAPPING_KEY_SIZE_RANGE, pkcs11.CKR_WRAPPING_KEY_TYPE_INCONSISTENT,
		pkcs11.CKR_UNWRAPPING_KEY_SIZE_RANGE, pkcs11.CKR_UNWRAPPING_KEY_TYPE_INCONSISTENT,
		pkcs11.CKR_KEY_NOT_WRAPPABLE, pkcs11.CKR_KEY_UNEXTRACTABLE,
		pkcs11.CKR_TOKEN_WRITE_PROTECTED, pkcs11.CKR_SESSION_READ_ONLY, actionProhibited:
		return wire.ErrUnsupported
	case pkcs11.CKR_PIN_INCORRECT, pkcs11.CKR_PIN_INVALID, pkcs11.CKR_PIN_LEN_RANGE,
		pkcs11.CKR_PIN_EXPIRED, pkcs11.CKR_PIN_LOCKED, pkcs11.CKR_USER_PIN_NOT_INITIALIZED:
		return wire.ErrPIN
	}
	return custody.ErrUnavailable
}

// actionProhibited is a code of PKCS#11 2.40 for an action that the token's policy forbids.
const actionProhibited = 0x1B

// failed returns the error of a call, nil when the code is CKR_OK.
func failed(call string, c code) error {
	if c == pkcs11.CKR_OK {
		return nil
	}
	return &failure{call, c}
}

// fail returns the error of a call through the binding.
func fail(call string, err error) error {
	var c code
	if !errors.As(err, &c) {
		return err // nil, too
	}
	return failed(call, c)
}

// isCode reports whether err is a call that failed with one of the codes.
func isCode(err error, codes ...code) bool {
	var f *failure
	if !errors.As(err, &f) {
		return false
	}
	for _, c := range codes {
		if f.code == c {
			return true
		}
	}
	return false
}

// badWrapping reports whether err says that wrapped data does not unwrap, in the words of a token
// that has such words.
func badWrapping(err error) bool {
	return isCode(err, pkcs11.CKR_WRAPPED_KEY_INVALID, pkcs11.CKR_WRAPPED_KEY_LEN_RANGE,
		pkcs11.CKR_ENCRYPTED_DATA_INVALID, pkcs11.CKR_ENCRYPTED_DATA_LEN_RANGE)
}

// ambiguous reports whether err may say that wrapped data does not unwrap, or anything else:
// SoftHSM, for one, reports a changed key as a general error.
func ambiguous(err error) bool {
	return isCode(err, pkcs11.CKR_GENERAL_ERROR, pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_ARGUMENTS_BAD,
		pkcs11.CKR_DATA_INVALID, pkcs11.CKR_DATA_LEN_RANGE, pkcs11.CKR_TEMPLATE_INCONSISTENT, pkcs11.CKR_DEVICE_ERROR)
}
