package dispersal_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/klauspost/reedsolomon"

	"strongroom/custody"
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

// TestDocumentedSlices reads the vector of docs/formats.md: each block verifies, and holds its shard.
func TestDocumentedSlices(t *testing.T) {
	text, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "```json slices\n")
	vector, _, closed := strings.Cut(rest, "\n```")
	if !found || !closed {
		t.Fatal("the document has no vector of slices")
	}
	var v struct {
		Key    string   `json:"slice_key"`
		Blob   string   `json:"blob"`
		K      int      `json:"k"`
		N      int      `json:"n"`
		Sealed string   `json:"sealed_segment"`
		Blocks []string `json:"blocks"`
	}
	if err := json.Unmarshal([]byte(vector), &v); err != nil {
		t.Fatal(err)
	}
	id, err := objects.ParseBlobID(v.Blob)
	if err != nil {
		t.Fatal(err)
	}
	coder, err := reedsolomon.New(v.K, v.N-v.K)
	if err != nil {
		t.Fatal(err)
	}
	sealed := unhex(t, v.Sealed)
	shards, err := coder.Split(bytes.Clone(sealed))
	if err != nil {
		t.Fatal(err)
	}
	if err := coder.Encode(shards); err != nil {
		t.Fatal(err)
	}
	for i, block := range v.Blocks {
		got, err := dispersal.VerifySlice(custody.NewSecret(unhex(t, v.Key)), id, v.K, v.N, i, 0, len(sealed), unhex(t, block))
		if err != nil || !bytes.Equal(got, shards[i]) {
			t.Errorf("block %d: %x, %v, want %x", i, got, err, shards[i])
		}
	}
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
