package main

import (
	"bytes"
	"testing"
)

// FuzzSplitShares cuts what people hand in into shares of four lines, and loses none of them.
func FuzzSplitShares(f *testing.F) {
	f.Add([]byte("# one\nsrs1-1-a\nsrs1-2-b\nsrs1-3-c\nsrs1-4-d\n\n# two\r\n srs1-1-e\n"))
	f.Add([]byte("\n#\n"))
	f.Add([]byte("no line break"))
	f.Fuzz(func(t *testing.T, text []byte) {
		var want [][]byte
		for line := range bytes.Lines(text) {
			if line = bytes.TrimSpace(line); len(line) > 0 && line[0] != '#' {
				want = append(want, bytes.Clone(line))
			}
		}
		var got [][]byte
		shares := splitShares(bytes.Clone(text))
		for i, s := range shares {
			lines := bytes.Split(bytes.TrimSuffix(s.Reveal(), []byte("\n")), []byte("\n"))
			if i < len(shares)-1 && len(lines) != shareLines {
				t.Errorf("share %d has %d lines", i, len(lines))
			}
			got = append(got, lines...)
		}
		if !bytes.Equal(bytes.Join(got, []byte("|")), bytes.Join(want, []byte("|"))) {
			t.Errorf("%q was cut into %q", text, got)
		}
	})
}
