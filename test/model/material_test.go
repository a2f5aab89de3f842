package model_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"

	"pgregory.net/rapid"

	"strongroom/custody"
)

// brought is key material that is imported, in the clear or under an import token.
type brought struct {
	text  string // the material in base64
	token *retrieved
	fault string // what is wrong with it
}

// What can be wrong with material that comes under an import token.
const (
	noIV         = "no initialization vector"
	noCipher     = "material that is not encrypted"
	otherNonce   = "another nonce"
	otherSealing = "a nonce sealed under other material"
)

func (b *brought) secure() bool { return b != nil && b.token != nil }

// garbled says whether the request that brings the material cannot be understood.
func (b *brought) garbled() bool { return b != nil && b.fault == noIV }

// bring draws material for a request, which gets its fields.
func (m *machine) bring(t *rapid.T, fields map[string]any) *brought {
	material := somematerial(t)
	b := &brought{text: base64.StdEncoding.EncodeToString(material)}
	if len(m.retrieved) == 0 || rapid.IntRange(0, 2).Draw(t, "in the clear") == 0 {
		fields["payload"] = b.text
		return b
	}
	// The newest token is the one that counts, if any does.
	b.token = &m.retrieved[len(m.retrieved)-1]
	if rapid.IntRange(0, 5).Draw(t, "earlier token") == 0 {
		b.token = &m.retrieved[rapid.IntRange(0, len(m.retrieved)-1).Draw(t, "token")]
	}
	b.fault = rapid.SampledFrom([]string{"", "", "", "", "", noIV, noCipher, otherNonce, otherSealing}).Draw(t, "fault")
	sealed := b.seal(material)
	fields["payload"], fields["encryptedNonce"] = sealed.Material, sealed.SealedNonce // a slice of bytes becomes base64
	if b.fault != noIV {
		fields["iv"] = sealed.IV[:]
	}
	fields["encryptionAlgorithm"] = "RSAES_OAEP_SHA_256"
	return b
}

// seal does the part of the owner of the material, with the fault.
func (b *brought) seal(material []byte) custody.Transported {
	nonce := b.token.nonce
	if b.fault == otherNonce {
		nonce = bytes.Repeat([]byte{9}, len(nonce))
	}
	sealed := sealTransported(b.token.public, nonce, material)
	switch b.fault {
	case noCipher:
		sealed.Material = make([]byte, len(sealed.Material))
		_, _ = rand.Read(sealed.Material[1:])
	case otherSealing:
		sealed.Material = sealTransported(b.token.public, nonce, bytes.Repeat([]byte{9}, len(material))).Material
	}
	return sealed
}

func sealTransported(public, nonce, material []byte) custody.Transported {
	sealed, err := custody.SealTransported(public, nonce, custody.NewSecret(bytes.Clone(material)))
	if err != nil {
		panic(err) // the test has made the nonce and the material
	}
	return sealed
}

// somematerial draws what imported keys are made of; there is little, so that keys share some.
func somematerial(t *rapid.T) []byte {
	b := rapid.SampledFrom([]byte{1, 2, 3}).Draw(t, "material")
	return bytes.Repeat([]byte{b}, rapid.SampledFrom([]int{16, 24, 32, 32}).Draw(t, "size"))
}
