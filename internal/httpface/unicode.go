package httpface

import (
	"bytes"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"
)

// isUnicode tells whether all that a JSON text says is Unicode: it is UTF-8,
// and no escape stands for half of a character alone. The decoder would put the
// same replacement character for anything else, and so make different texts
// equal, among them those that are to bind a data key.
func isUnicode(text []byte) bool {
	if !utf8.Valid(text) {
		return false
	}
	for {
		at := bytes.IndexByte(text, '\\')
		if at < 0 {
			return true
		}
		text = text[at:]
		unit, ok := escaped(text)
		switch {
		case !ok:
			text = text[min(2, len(text)):]
			continue
		case !utf16.IsSurrogate(unit):
			text = text[escapeLength:]
			continue
		}
		second, ok := escaped(text[escapeLength:])
		if !ok || utf16.DecodeRune(unit, second) == utf8.RuneError {
			return false
		}
		text = text[2*escapeLength:]
	}
}

// escapeLength is the length of an escape like \u00e9.
const escapeLength = 6

// escaped returns the UTF-16 unit that an escape at the beginning of text
// stands for, if there is one.
func escaped(text []byte) (rune, bool) {
	if len(text) < escapeLength || text[0] != '\\' || text[1] != 'u' {
		return 0, false
	}
	unit, err := strconv.ParseUint(string(text[2:escapeLength]), 16, 16)
	return rune(unit), err == nil
}
