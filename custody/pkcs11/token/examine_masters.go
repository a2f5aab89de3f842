//go:build cgo && pkcs11

package token

import (
	"github.com/miekg/pkcs11"

	"strongroom/custody/pkcs11/wire"
)

// expectation is an attribute that a master has or lacks.
type expectation struct {
	kind uint
	name string
	want bool
}

// expected are the attributes that every key of ours in the token has, and those of each role.
func expected(role string) []expectation {
	return []expectation{
		{pkcs11.CKA_PRIVATE, "CKA_PRIVATE", true},
		{pkcs11.CKA_SENSITIVE, "CKA_SENSITIVE", true},
		{pkcs11.CKA_EXTRACTABLE, "CKA_EXTRACTABLE", false},
		{pkcs11.CKA_ENCRYPT, "CKA_ENCRYPT", false},
		{pkcs11.CKA_DECRYPT, "CKA_DECRYPT", false},
		{pkcs11.CKA_VERIFY, "CKA_VERIFY", false},
		{pkcs11.CKA_DERIVE, "CKA_DERIVE", false},
		{pkcs11.CKA_WRAP, "CKA_WRAP", role != roleSeal},
		{pkcs11.CKA_UNWRAP, "CKA_UNWRAP", role == roleWrap},
		{pkcs11.CKA_SIGN, "CKA_SIGN", role == roleSeal},
	}
}

// beyond are attributes that make a master stronger than it must be. That of a recovery key and the
// seal master that goes with one cannot say that they were never outside.
func beyond() []expectation {
	return []expectation{
		{pkcs11.CKA_LOCAL, "CKA_LOCAL: drawn in the token", true},
		{pkcs11.CKA_ALWAYS_SENSITIVE, "CKA_ALWAYS_SENSITIVE: was never readable", true},
		{pkcs11.CKA_NEVER_EXTRACTABLE, "CKA_NEVER_EXTRACTABLE: could never be taken out", true},
		{pkcs11.CKA_MODIFIABLE, "not CKA_MODIFIABLE: its attributes cannot change", false},
		{pkcs11.CKA_WRAP_WITH_TRUSTED, "CKA_WRAP_WITH_TRUSTED: only keys of the security officer wrap it", true},
	}
}

// examineMasters compares the keys in the token with what they should be.
func (l *link) examineMasters(s session) ([]wire.Master, error) {
	ours, err := l.storedKeys(s)
	if err != nil {
		return nil, err
	}
	var all []wire.Master
	for _, k := range ours {
		m := wire.Master{Generation: k.number, Role: k.role}
		for _, e := range expected(k.role) {
			switch is, known := l.flag(s, k.object, e.kind); {
			case !known:
				m.Wrong = append(m.Wrong, e.name+" cannot be read")
			case is && !e.want:
				m.Wrong = append(m.Wrong, e.name+" is set")
			case !is && e.want:
				m.Wrong = append(m.Wrong, e.name+" is not set")
			}
		}
		for _, e := range beyond() {
			if is, known := l.flag(s, k.object, e.kind); known && is == e.want {
				m.Strength = append(m.Strength, e.name)
			}
		}
		all = append(all, m)
	}
	return all, nil
}

// flag reads a truth value.
func (l *link) flag(s session, o object, kind uint) (is, known bool) {
	attrs, err := l.GetAttributeValue(s, o, []attribute{attr(kind, nil)})
	if err != nil || len(attrs) != 1 || len(attrs[0].Value) != 1 {
		return false, false
	}
	return attrs[0].Value[0] != 0, true
}
