package dispersal_test

import (
	"bytes"
	"encoding/hex"
	"testing"

	"strongroom/dispersal"
	"strongroom/objects"
)

func FuzzSliceHeader(f *testing.F) {
	good := dispersal.NewHeader(objects.BlobID{1, 2, 3}, 4, 6, 5, 7, 1<<20+28)
	f.Add(good)
	f.Add(good[:len(good)-1])
	f.Add(append(bytes.Clone(good), 1))
	f.Add(dispersal.NewHeader(objects.BlobID{}, 32, 64, 63, 1<<61, 1))
	f.Add(make([]byte, dispersal.HeaderSize))
	f.Fuzz(func(t *testing.T, b []byte) {
		again, err := dispersal.ReencodeHeader(b)
		if err == nil && !bytes.Equal(again, b[:dispersal.HeaderSize]) {
			t.Errorf("%x is read as %x", b, again)
		}
	})
}

func FuzzSliceName(f *testing.F) {
	f.Add(dispersal.SliceName{Blob: objects.BlobID{1}, Index: 5}.String())
	f.Add("00000000000000000000000000000000.64")
	f.Add("0000000000000000000000000000000A.00")
	f.Add("../../../../../../../../../etc/p.00")
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := dispersal.ParseSliceName(s); err == nil && n.String() != s {
			t.Errorf("%q is read as %q", s, n)
		}
	})
}

func TestHeaderIsAsDocumented(t *testing.T) {
	id, _ := objects.ParseBlobID("000102030405060708090a0b0c0d0e0f")
	const want = "53524d736c696365" + "01" + "04" + "06" + "05" + "000102030405060708090a0b0c0d0e0f" +
		"0000000000000007" + "0010001c" + "00040007"
	if got := hex.EncodeToString(dispersal.NewHeader(id, 4, 6, 5, 7, 1<<20+28)); got != want {
		t.Errorf("the header is %s, want %s", got, want)
	}
}
