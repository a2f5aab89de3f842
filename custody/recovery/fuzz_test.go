package recovery_test

import (
	"errors"
	"testing"

	"strongroom/custody"
	"strongroom/custody/recovery"
)

// FuzzParse holds that whatever is read as a share prints as one that reads back as the same.
func FuzzParse(f *testing.F) {
	_, shares := divide(f, 2, 3)
	for _, s := range shares {
		f.Add(s.Print().Reveal())
	}
	f.Add([]byte("# share\nsrs1-1-0000-0000-0000-0000-0000"))
	f.Add([]byte("srs1 5 0000"))
	f.Add([]byte("\n\n-\r\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := recovery.Parse(custody.NewSecret(text))
		if err != nil {
			if !errors.Is(err, recovery.ErrShare) {
				t.Errorf("%v, want ErrShare", err)
			}
			return
		}
		again, err := recovery.Parse(s.Print())
		if err != nil || again.String() != s.String() || !again.Value.Equal(s.Value) {
			t.Errorf("%v reads back as %v, %v", s, again, err)
		}
	})
}
