//go:build cgo && pkcs11

package token

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/miekg/pkcs11"

	"strongroom/custody"
)

// anchorSerial is the size of what precedes the record in an anchor: which of two is newer, should
// the replacement of one have been interrupted.
const anchorSerial = 8

func (l *link) anchorTemplate() []attribute {
	return []attribute{
		attr(pkcs11.CKA_CLASS, pkcs11.CKO_DATA),
		attr(pkcs11.CKA_TOKEN, true),
		attr(pkcs11.CKA_PRIVATE, true), // to change it takes the PIN
		attr(pkcs11.CKA_LABEL, l.hello.Label+" anchor"),
	}
}

// Anchor returns the record, nil if there is none.
func (t *Token) Anchor() (record []byte, err error) {
	err = t.use(func(l *link, s session) error {
		value, _, err := l.anchors(s)
		if value != nil {
			record = slices.Clone(value[anchorSerial:])
		}
		return err
	})
	return record, err
}

// anchors returns the value of the newest anchor, nil if there is none, and all of them.
func (l *link) anchors(s session) (newest []byte, all []object, err error) {
	all, err = l.find(s, l.anchorTemplate()...)
	if err != nil {
		return nil, nil, err
	}
	for _, o := range all {
		attrs, err := l.GetAttributeValue(s, o, []attribute{attr(pkcs11.CKA_VALUE, nil)})
		if err != nil {
			return nil, nil, fail("C_GetAttributeValue", err)
		}
		value := attrs[0].Value
		if len(value) >= anchorSerial && (newest == nil || binary.BigEndian.Uint64(value) > binary.BigEndian.Uint64(newest)) {
			newest = value
		}
	}
	return newest, all, nil
}

// SetAnchor replaces the record. The new one is there before the old one goes.
func (t *Token) SetAnchor(record []byte) error {
	if len(record) > custody.MaxAnchor {
		return fmt.Errorf("%w: anchor of %d bytes, at most %d", custody.ErrBinding, len(record), custody.MaxAnchor)
	}
	t.changing.Lock()
	defer t.changing.Unlock()
	return t.use(func(l *link, s session) error {
		newest, old, err := l.anchors(s)
		if err != nil {
			return err
		}
		serial := uint64(1)
		if newest != nil {
			serial += binary.BigEndian.Uint64(newest)
		}
		value := append(binary.BigEndian.AppendUint64(nil, serial), record...)
		if _, err := l.create(s, append(l.anchorTemplate(), attr(pkcs11.CKA_VALUE, value))); err != nil {
			return err
		}
		for _, o := range old {
			if err := l.DestroyObject(s, o); err != nil {
				return fail("C_DestroyObject", err)
			}
		}
		return nil
	})
}
