package custodytest

import (
	"bytes"
	"testing"

	"strongroom/custody"
)

func testAnchors(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	if _, ok := f.Module.(custody.Anchors); !ok {
		t.Skip("the module keeps no anchors")
	}
	anchor := func() []byte {
		t.Helper()
		record, err := f.Module.(custody.Anchors).Anchor(t.Context())
		if err != nil {
			t.Fatalf("Anchor: %v", err)
		}
		return record
	}
	set := func(record []byte) error { return f.Module.(custody.Anchors).SetAnchor(t.Context(), record) }
	if got := anchor(); got != nil {
		t.Errorf("fresh module has an anchor of %d bytes", len(got))
	}
	for _, size := range []int{1, custody.MaxAnchor, 100} {
		record := custody.RandomSecret(size).Reveal()
		if err := set(record); err != nil {
			t.Fatalf("SetAnchor of %d bytes: %v", size, err)
		}
		if got := anchor(); !bytes.Equal(got, record) {
			t.Errorf("anchor of %d bytes reads back as %d others", size, len(got))
		}
		if err := set(make([]byte, custody.MaxAnchor+1)); err == nil {
			t.Errorf("anchor of %d bytes was accepted", custody.MaxAnchor+1)
		}
		f.restart(t)
		if got := anchor(); !bytes.Equal(got, record) {
			t.Errorf("anchor of %d bytes is another one after reopening, or gone", size)
		}
	}
}
