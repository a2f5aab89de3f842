package objects

import (
	"bytes"
	"testing"

	"strongroom/custody"
)

func sealsOf(allOrNothing bool) *segments {
	part := &PartRow{Number: 1, Write: newHex32(), Blob: Blob{ID: NewBlobID(), AllOrNothing: allOrNothing}}
	return newSegments("bucket", part, custody.RandomSecret(dataKeySize))
}

// FuzzOpenSegment gives stored bytes of every kind to be opened: none may, and none may do harm.
func FuzzOpenSegment(f *testing.F) {
	f.Add([]byte(nil), int64(0), true, false)
	f.Add(make([]byte, 28), int64(0), true, false)
	f.Add(make([]byte, 59), int64(1), false, true)
	f.Add(make([]byte, 60), int64(1), false, true)
	f.Fuzz(func(t *testing.T, sealed []byte, index int64, final, allOrNothing bool) {
		if plain, err := sealsOf(allOrNothing).open(nil, sealed, index, final); err == nil || len(plain) > 0 {
			t.Fatalf("opened to %x, %v", plain, err)
		}
	})
}

func TestSegmentOpensOnlyInItsPlace(t *testing.T) {
	for _, allOrNothing := range []bool{false, true} {
		s := sealsOf(allOrNothing)
		sealed := s.seal(nil, []byte("plain"), 3, true)
		if got, err := s.open(nil, sealed, 3, true); err != nil || string(got) != "plain" {
			t.Fatalf("%q, %v", got, err)
		}
		elsewhere := map[string]func(*segments){
			"bucket": func(s *segments) { s.bucket = "other" },
			"write":  func(s *segments) { s.write = newHex32() },
			"blob":   func(s *segments) { s.blob = NewBlobID() },
			"number": func(s *segments) { s.number++ },
		}
		for what, change := range elsewhere {
			other := *s
			change(&other)
			if _, err := other.open(nil, sealed, 3, true); err == nil {
				t.Errorf("opened with another %s", what)
			}
		}
		if _, err := s.open(nil, sealed, 2, true); err == nil {
			t.Error("opened at another index")
		}
		if _, err := s.open(nil, sealed, 3, false); err == nil {
			t.Error("opened though it is not the last")
		}
	}
}

func BenchmarkSealSegment(b *testing.B) {
	plain := bytes.Repeat([]byte{1}, segmentSize)
	for name, allOrNothing := range map[string]bool{"plain": false, "all-or-nothing": true} {
		b.Run(name, func(b *testing.B) {
			s := sealsOf(allOrNothing)
			var sealed []byte
			b.SetBytes(segmentSize)
			for b.Loop() {
				sealed = s.seal(sealed[:0], plain, 0, true)
			}
		})
	}
}
