package kms

import (
	"encoding/base64"
	"errors"
	"strings"

	"github.com/google/uuid"

	"strongroom/custody"
)

// envelopeFormat names the one format of wrapped data keys that exists.
const envelopeFormat = "strongroom/1"

// maxEnvelope is the length in bytes of the longest envelope: of a plaintext of maxWrapSize bytes.
const maxEnvelope = 14 << 10

// Sizes in bytes of the parts of a sealing.
const (
	saltSize       = 12
	nonceSize      = 12
	commitmentSize = 32
	tagSize        = 16
)

// envelope is a wrapped data key. Its text is base64 of a JSON object with these members, in this
// order and without spaces:
//
//	ciphertext  base64 of commitment, ciphertext and tag
//	iv          base64 of salt and nonce
//	version     "strongroom/1", the format
//	handle      ID of the key version that wrapped
//	material    hexadecimal material ID of that version
//
// Exactly one text stands for an envelope: what differs in a single byte is another envelope or
// none.
type envelope struct {
	box      custody.Box
	handle   VersionID
	material custody.MaterialID
}

// String returns the text of the envelope.
func (e envelope) String() string {
	b64 := base64.StdEncoding
	sealed := make([]byte, 0, commitmentSize+len(e.box.Ciphertext))
	sealed = append(append(sealed, e.box.Commitment[:]...), e.box.Ciphertext...)
	iv := make([]byte, 0, saltSize+nonceSize)
	iv = append(append(iv, e.box.Salt[:]...), e.box.Nonce[:]...)

	text := make([]byte, 0, 192+b64.EncodedLen(len(sealed)))
	text = append(text, `{"ciphertext":"`...)
	text = b64.AppendEncode(text, sealed)
	text = append(text, `","iv":"`...)
	text = b64.AppendEncode(text, iv)
	text = append(text, `","version":"`+envelopeFormat+`","handle":"`...)
	text = append(text, e.handle...)
	text = append(text, `","material":"`...)
	text = append(text, e.material.String()...)
	text = append(text, `"}`...)
	return b64.EncodeToString(text)
}

var errEnvelope = errors.New("not a wrapped data key")

// parseEnvelope reads the text of an envelope. It checks form and sizes; whether the envelope is
// genuine only opening it can tell.
func parseEnvelope(text string) (envelope, error) {
	if len(text) > maxEnvelope {
		return envelope{}, errEnvelope
	}
	inner, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return envelope{}, errEnvelope
	}
	r := envelopeReader{rest: string(inner), ok: true}
	sealed := r.base64(`{"ciphertext":"`)
	iv := r.base64(`","iv":"`)
	r.skip(`","version":"` + envelopeFormat)
	handle := r.text(`","handle":"`, 36)
	material := r.text(`","material":"`, 2*len(custody.MaterialID{}))
	r.skip(`"}`)
	if !r.ok || r.rest != "" || len(iv) != saltSize+nonceSize ||
		len(sealed) <= commitmentSize+tagSize || uuid.Validate(handle) != nil {
		return envelope{}, errEnvelope
	}
	e := envelope{handle: VersionID(handle)}
	if e.material.UnmarshalText([]byte(material)) != nil {
		return envelope{}, errEnvelope
	}
	copy(e.box.Salt[:], iv)
	copy(e.box.Nonce[:], iv[saltSize:])
	copy(e.box.Commitment[:], sealed)
	e.box.Ciphertext = sealed[commitmentSize:]
	if e.String() != text { // another spelling of the same: capitals, line breaks, spare bits
		return envelope{}, errEnvelope
	}
	return e, nil
}

// envelopeReader takes an envelope apart from the front. Once something is not as it must be, ok
// is false and stays so.
type envelopeReader struct {
	rest string
	ok   bool
}

func (r *envelopeReader) skip(literal string) {
	rest, ok := strings.CutPrefix(r.rest, literal)
	r.rest, r.ok = rest, r.ok && ok
}

// text reads n characters after a literal.
func (r *envelopeReader) text(literal string, n int) string {
	r.skip(literal)
	if !r.ok || len(r.rest) < n {
		r.ok = false
		return ""
	}
	s := r.rest[:n]
	r.rest = r.rest[n:]
	return s
}

// base64 reads what is encoded between a literal and the next quotation mark.
func (r *envelopeReader) base64(literal string) []byte {
	r.skip(literal)
	end := strings.IndexByte(r.rest, '"')
	if !r.ok || end < 0 {
		r.ok = false
		return nil
	}
	b, err := base64.StdEncoding.DecodeString(r.rest[:end])
	r.rest, r.ok = r.rest[end:], err == nil
	return b
}
