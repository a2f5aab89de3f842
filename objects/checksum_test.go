package objects

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"testing"
)

// algorithms are all that S3 knows, with the value of "123456789" by the catalogue of the CRCs and RFC 3174, FIPS 180.
var algorithms = map[Algorithm]string{
	CRC32:     "cbf43926",
	CRC32C:    "e3069283",
	CRC64NVME: "ae8b14860a799888",
	SHA1:      "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
	SHA256:    "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
}

func TestChecksumsHaveTheirPublishedValues(t *testing.T) {
	for a, want := range algorithms {
		h := a.New()
		_, _ = h.Write([]byte("123456789"))
		if got := hex.EncodeToString(h.Sum(nil)); got != want || h.Size() != a.Size() {
			t.Errorf("%s of 123456789 = %s (%d bytes), want %s", a, got, a.Size(), want)
		}
	}
	if a := Algorithm("MD6"); a.New() != nil || a.Size() != 0 {
		t.Errorf("%s is known", a)
	}
}

func TestChecksumOfTheWholeFollowsFromItsParts(t *testing.T) {
	content := make([]byte, 300_001)
	_, _ = rand.Read(content)
	for a := range algorithms {
		if !a.Combines() {
			continue
		}
		for _, sizes := range [][]int64{{300_001}, {0, 300_001}, {300_001, 0}, {1, 300_000}, {5, 0, 7, 65_536, 234_453}} {
			var (
				sums [][]byte
				rest = content
			)
			for _, size := range sizes {
				sums = append(sums, checksum(a, rest[:size]))
				rest = rest[size:]
			}
			if got, want := a.whole(sums, sizes), checksum(a, content); !bytes.Equal(got, want) {
				t.Errorf("%s of parts %v = %x, want %x", a, sizes, got, want)
			}
		}
	}
}

func checksum(a Algorithm, b []byte) []byte {
	h := a.New()
	_, _ = h.Write(b)
	return h.Sum(nil)
}

func TestCompositeChecksumsAreAsS3MakesThem(t *testing.T) {
	// Made with md5sum and sha256sum of the binary sums of "a" and "b".
	parts := [][]byte{[]byte("a"), []byte("b")}
	var md5s, sums [][]byte
	for _, p := range parts {
		h := NewMD5()
		_, _ = h.Write(p)
		md5s, sums = append(md5s, h.Sum(nil)), append(sums, checksum(SHA256, p))
	}
	if got, want := compositeETag(md5s), "96e024ba2074fe77e8e965ba43a704be-2"; got != want {
		t.Errorf("ETag = %s, want %s", got, want)
	}
	if got, want := SHA256.composite(sums), "5aAf7hTg7VxIcU8iGA8lrYNltT+XefedxKPX6Tlj+Uo=-2"; got != want {
		t.Errorf("composite = %s, want %s", got, want)
	}
}
