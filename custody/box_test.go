package custody_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/custody"
)

// minBox is the size of a box that holds nothing.
const minBox = 1 + 12 + 12 + 32 + 16

func TestBoxesOutsideTheFormatAreRefused(t *testing.T) {
	valid := append([]byte{custody.FormatSeal1}, make([]byte, minBox-1)...)
	if _, err := custody.ParseBox(valid); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"nothing":        nil,
		"one byte short": valid[:minBox-1],
		"format 0":       make([]byte, minBox),
		"format 2":       append([]byte{2}, valid[1:]...),
		"too long":       append(bytes.Clone(valid), make([]byte, custody.MaxPlaintext+1)...),
	} {
		if b, err := custody.ParseBox(data); err == nil {
			t.Errorf("%s: parsed as %v", name, b)
		}
	}
}

func TestParsedBoxKeepsNoReference(t *testing.T) {
	data := append([]byte{custody.FormatSeal1}, make([]byte, minBox)...)
	b, err := custody.ParseBox(data)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)-1] = 1
	if b.Ciphertext[len(b.Ciphertext)-1] != 0 {
		t.Error("the box changes with the bytes that it was parsed from")
	}
}

func FuzzParseBox(f *testing.F) {
	f.Add([]byte(nil))
	f.Add(append([]byte{custody.FormatSeal1}, make([]byte, minBox-1)...))
	f.Add(append([]byte{custody.FormatSeal1}, bytes.Repeat([]byte{0xa5}, minBox+32)...))
	f.Add(append([]byte{2}, make([]byte, minBox)...))
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := custody.ParseBox(data)
		if err != nil {
			if !cmp.Equal(b, custody.Box{}) {
				t.Errorf("refused, and yet returned %v", b)
			}
			return
		}
		again, err := b.MarshalBinary()
		if err != nil || !bytes.Equal(again, data) {
			t.Errorf("%x parsed and marshalled is %x, %v", data, again, err)
		}
	})
}
