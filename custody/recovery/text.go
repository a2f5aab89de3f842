package recovery

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"

	"strongroom/custody"
)

// ErrShare says that a text, or a value, is no recovery share. What wraps it says where to look.
var ErrShare = errors.New("not a recovery share")

// A printed share has lines of this form, numbered by the digit after the prefix:
//
//	srs1-1-7k3m-9xq2-0c1g-8000-5rtz
//
// Four groups carry the share, the last one is a checksum of this line and those before it: it finds
// the line that was mistyped, and one that belongs to another share.
const (
	prefix    = "srs1"
	lines     = 4
	lineChars = 16 // that carry the share
	sumChars  = 4  // 20 bits
	textChars = len(prefix) + 1 + lineChars + sumChars

	charBits  = 5
	setChars  = setBytes * 8 / charBits
	shareSize = setBytes + 3 + scalarSize // bytes: set, index, threshold, count, value

	maxText  = 4 << 10 // bytes
	sumLabel = "strongroom/recovery-share/1"
)

// alphabet is Crockford's base32: no i, l, o and u.
const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// Print returns the share for paper: lines that can be typed, below one that says what it is and
// begins with '#'. The caller wipes it. It panics for a share that neither Make nor Parse has returned.
func (s Share) Print() custody.Secret {
	set, err := decode([]byte(s.Set))
	if err := errors.Join(err, s.check()); err != nil {
		panic("recovery: printing " + err.Error())
	}
	data := make([]byte, 0, shareSize)
	data = append(append(data, set...), byte(s.Index), byte(s.Threshold), byte(s.Count))
	data = append(data, s.Value.Reveal()...)
	defer clear(data)
	chars := make([]byte, 0, lines*lineChars)
	chars = appendEncoded(chars, data)
	defer clear(chars)

	out := make([]byte, 0, 512) // enough, so that no copy is left behind
	out = fmt.Appendf(out, "# Strongroom recovery %s.\n", s)
	for i := range lines {
		out = fmt.Appendf(out, "%s-%d", prefix, i+1)
		line := chars[i*lineChars:][:lineChars]
		for group := range len(line) / 4 {
			out = append(append(out, '-'), line[4*group:][:4]...)
		}
		out = append(append(out, '-'), checksum(i+1, chars)...)
		out = append(out, '\n')
	}
	return custody.NewSecret(out)
}

// checksum returns that of a line, from 1: it covers the characters of this line and of those before.
func checksum(line int, chars []byte) []byte {
	h := sha256.New()
	h.Write([]byte(sumLabel))
	h.Write([]byte{byte(line)})
	h.Write(chars[:line*lineChars])
	return appendEncoded(nil, h.Sum(nil)[:5])[:sumChars]
}

// Parse reads what Print wrote, as people type it: in either case, with any spaces and hyphens, with o
// for 0 and i or l for 1, and the lines in any order. Errors wrap ErrShare, and say which line to
// look at. The caller wipes the value.
func Parse(text custody.Secret) (Share, error) {
	if text.Len() > maxText {
		return Share{}, fmt.Errorf("%w: longer than %d bytes", ErrShare, maxText)
	}
	var found [lines][]byte
	defer func() {
		for _, line := range found {
			clear(line)
		}
	}()
	row := 0
	for raw := range bytes.Lines(text.Reveal()) {
		row++
		if raw = bytes.TrimSpace(raw); len(raw) == 0 || raw[0] == '#' {
			continue
		}
		number, line, err := parseLine(raw)
		switch {
		case err != nil:
			return Share{}, fmt.Errorf("%w: row %d: %w", ErrShare, row, err)
		case found[number-1] != nil:
			clear(line)
			return Share{}, fmt.Errorf("%w: row %d: line %d is there twice", ErrShare, row, number)
		}
		found[number-1] = line
	}
	chars := make([]byte, 0, lines*lineChars)
	defer func() { clear(chars) }()
	for i, line := range found {
		if line == nil {
			return Share{}, fmt.Errorf("%w: line %d is missing", ErrShare, i+1)
		}
		chars = append(chars, line[:lineChars]...)
		if !bytes.Equal(line[lineChars:], checksum(i+1, chars)) {
			return Share{}, fmt.Errorf("%w: line %d: its checksum does not fit: compare it with the paper", ErrShare, i+1)
		}
	}
	return parseChars(chars)
}

// parseLine returns the number of a line and its characters, those of the checksum included.
func parseLine(raw []byte) (number int, line []byte, err error) {
	chars := make([]byte, 0, len(raw))
	defer func() { clear(chars) }()
	for i, c := range raw {
		if c == '-' || c == ' ' || c == '\t' {
			continue
		}
		value := charValue(c)
		if value < 0 {
			return 0, nil, fmt.Errorf("character %d is one that no share has", i+1)
		}
		chars = append(chars, alphabet[value])
	}
	start := min(len(prefix), len(chars))
	switch {
	case string(chars[:start]) != prefix:
		return 0, nil, fmt.Errorf("it does not begin with %s", prefix)
	case len(chars) != textChars:
		return 0, nil, fmt.Errorf("it has %d letters and digits, not %d", len(chars), textChars)
	}
	number = int(chars[start]) - '0'
	if number < 1 || number > lines {
		return 0, nil, fmt.Errorf("its number is not from 1 to %d", lines)
	}
	return number, bytes.Clone(chars[start+1:]), nil
}

// parseChars reads the share that the lines carry.
func parseChars(chars []byte) (Share, error) {
	data, err := decode(chars)
	if err != nil {
		return Share{}, fmt.Errorf("%w: %w", ErrShare, err)
	}
	defer clear(data)
	s := Share{
		Set:   encode(data[:setBytes]),
		Index: int(data[setBytes]), Threshold: int(data[setBytes+1]), Count: int(data[setBytes+2]),
		Value: custody.NewSecret(bytes.Clone(data[setBytes+3:])),
	}
	if err := s.check(); err != nil {
		s.Value.Wipe()
		return Share{}, err
	}
	return s, nil
}

// charValue returns what a character stands for, or -1.
func charValue(c byte) int {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	switch c {
	case 'o':
		c = '0'
	case 'i', 'l':
		c = '1'
	}
	return strings.IndexByte(alphabet, c)
}

// encode returns bytes, a multiple of 5, in the alphabet.
func encode(data []byte) string { return string(appendEncoded(nil, data)) }

func appendEncoded(out, data []byte) []byte {
	for ; len(data) > 0; data = data[5:] {
		var bits uint64
		for _, b := range data[:5] {
			bits = bits<<8 | uint64(b)
		}
		for i := 7; i >= 0; i-- {
			out = append(out, alphabet[bits>>(charBits*i)&31])
		}
	}
	return out
}

// decode undoes encode.
func decode(text []byte) ([]byte, error) {
	if len(text)%8 != 0 {
		return nil, fmt.Errorf("%d characters, not a multiple of 8", len(text))
	}
	out := make([]byte, 0, len(text)/8*5)
	for ; len(text) > 0; text = text[8:] {
		var bits uint64
		for i := range 8 {
			value := strings.IndexByte(alphabet, text[i])
			if value < 0 {
				return nil, errors.New("a character that no share has")
			}
			bits = bits<<charBits | uint64(value)
		}
		for i := 4; i >= 0; i-- {
			out = append(out, byte(bits>>(8*i)))
		}
	}
	return out, nil
}
