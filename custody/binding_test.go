package custody_test

import (
	"bytes"
	"testing"

	"pgregory.net/rapid"

	"strongroom/custody"
)

func TestContextsOfDifferentFieldsDiffer(t *testing.T) {
	// Few letters, and bytes that occur in lengths, make it likely that fields could be confused.
	fields := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune{0, 1, 8, 'a'}), 0, 9, -1), 0, 4)
	rapid.Check(t, func(t *rapid.T) {
		a, b := fields.Draw(t, "a"), fields.Draw(t, "b")
		same := len(a) == len(b)
		for i := 0; same && i < len(a); i++ {
			same = a[i] == b[i]
		}
		if got := bytes.Equal(custody.Context(a...), custody.Context(b...)); got != same {
			t.Errorf("contexts of %q and %q equal: %v", a, b, got)
		}
	})
}

func TestNoFieldsAreNoContext(t *testing.T) {
	if got := custody.Context(); len(got) != 0 {
		t.Errorf("Context() = %x", got)
	}
	if got := custody.Context(""); len(got) == 0 {
		t.Error("one empty field is the same as none")
	}
}

func TestHandlesTellTheirSize(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		for _, serial := range []uint64{1, 2, 1 << 50} {
			if got := custody.NewHandle(serial, size).Size(); got != size {
				t.Errorf("size of handle %d = %d, want %d", serial, got, size)
			}
		}
	}
	if custody.NewHandle(1, 16) == custody.NewHandle(2, 16) {
		t.Error("two serial numbers have one handle")
	}
	if got := custody.Root.Size(); got != 32 {
		t.Errorf("size of the masters = %d, want 32", got)
	}
	if got := custody.Handle(0).Size(); got != 0 {
		t.Errorf("size of the zero handle = %d, want 0", got)
	}
}
