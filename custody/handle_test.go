package custody_test

import (
	"testing"

	"strongroom/custody"
)

func TestHandlesKeepTheirSizeAndName(t *testing.T) {
	for _, size := range []int{16, 24, 32} {
		for _, serial := range []uint64{1, 1<<56 - 1} {
			h := custody.NewHandle(serial, size)
			for _, slot := range []int{0, 1, 62} {
				racked := h.InSlot(slot)
				if racked.Size() != size || racked.Slot() != slot || racked.Local() != h {
					t.Errorf("key %d of %d bytes in slot %d: size %d, slot %d, local %#x", serial, size, slot, racked.Size(), racked.Slot(), racked.Local())
				}
				if _, ok := racked.RootGeneration(); ok {
					t.Errorf("key %d in slot %d is taken for masters", serial, slot)
				}
			}
		}
	}
}

func TestMastersHaveHandles(t *testing.T) {
	for _, generation := range []uint32{0, 1, 1<<32 - 1} {
		h := custody.RootOf(generation)
		if got, ok := h.RootGeneration(); !ok || got != generation || h.Size() != 32 {
			t.Errorf("generation %d: names %d, %t, size %d", generation, got, ok, h.Size())
		}
	}
	if custody.RootOf(0) != custody.Root {
		t.Error("Root is that of a generation")
	}
}
