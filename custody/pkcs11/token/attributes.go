//go:build cgo && pkcs11

package token

import (
	"github.com/miekg/pkcs11"
)

type (
	session   = pkcs11.SessionHandle
	object    = pkcs11.ObjectHandle
	attribute = *pkcs11.Attribute
)

var attr = pkcs11.NewAttribute

// usages are all uses that a secret key can have. A template says each of them, as tokens differ in
// what they assume.
func usages(allowed ...uint) []attribute {
	all := []uint{
		pkcs11.CKA_ENCRYPT, pkcs11.CKA_DECRYPT, pkcs11.CKA_SIGN, pkcs11.CKA_VERIFY,
		pkcs11.CKA_WRAP, pkcs11.CKA_UNWRAP, pkcs11.CKA_DERIVE,
	}
	out := make([]attribute, 0, len(all))
	for _, u := range all {
		may := false
		for _, a := range allowed {
			may = may || a == u
		}
		out = append(out, attr(u, may))
	}
	return out
}

// aesKey is the template of every AES key: private, sensitive, with the uses that are named.
func aesKey(onToken, extractable bool, allowed ...uint) []attribute {
	return append([]attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_SECRET_KEY),
		attr(pkcs11.CKA_KEY_TYPE, pkcs11.CKK_AES),
		attr(pkcs11.CKA_TOKEN, onToken),
		attr(pkcs11.CKA_PRIVATE, true),
		attr(pkcs11.CKA_SENSITIVE, true),
		attr(pkcs11.CKA_EXTRACTABLE, extractable),
	}, usages(allowed...)...)
}

// working is the template of a key that is in use: it computes CMACs and does nothing else.
func working() []attribute { return aesKey(false, false, pkcs11.CKA_SIGN) }

// passing is the template of a key for the time in which it is wrapped.
func passing() []attribute { return aesKey(false, true, pkcs11.CKA_SIGN) }

// mechanism returns one without parameters.
func mechanism(m uint) []*pkcs11.Mechanism { return []*pkcs11.Mechanism{pkcs11.NewMechanism(m, nil)} }

// keyWrap is AES key wrap (RFC 3394), which is the same with every vendor.
const keyWrap = pkcs11.CKM_AES_KEY_WRAP

// without returns the template without an attribute.
func without(template []attribute, kind uint) []attribute {
	out := make([]attribute, 0, len(template))
	for _, a := range template {
		if a.Type != kind {
			out = append(out, a)
		}
	}
	return out
}

// byGrace calls do with the template, and again without one optional attribute after the other, from
// the last, as long as the token refuses the template. Some refuse it by a code that says nothing.
func byGrace(template []attribute, optional []attribute, do func([]attribute) error) error {
	for n := len(optional); ; n-- {
		full := append(append([]attribute{}, template...), optional[:n]...)
		err := do(full)
		if n == 0 || !isCode(err, pkcs11.CKR_ATTRIBUTE_TYPE_INVALID, pkcs11.CKR_ATTRIBUTE_VALUE_INVALID,
			pkcs11.CKR_ATTRIBUTE_READ_ONLY, pkcs11.CKR_TEMPLATE_INCONSISTENT,
			pkcs11.CKR_FUNCTION_FAILED, pkcs11.CKR_GENERAL_ERROR) {
			return err
		}
	}
}
