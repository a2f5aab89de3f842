package custodytest

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"testing"

	"strongroom/custody"
)

// testCMAC compares with the examples of one block in NIST SP 800-38B, appendix D, whose keys are
// published for tests.
func testCMAC(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	message := custody.Block(fromHex("6bc1bee22e409f96e93d7e117393172a"))
	for _, v := range []struct{ key, mac string }{
		{"2b7e151628aed2a6abf7158809cf4f3c", "070a16b46b4d4144f79bdd9dd04a287c"},
		{"8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b", "9e99a7bf31e710900662f65e617c5184"},
		{"603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4", "28a7023f452e8f82bd4bf28d8c37c35c"},
	} {
		h, _, _ := f.importKey(t, fromHex(v.key))
		out, err := f.CMAC(t.Context(), h, [2]custody.Block{{}, message})
		if err != nil {
			t.Fatal(err)
		}
		if got := hex.EncodeToString(out[1][:]); got != v.mac {
			t.Errorf("CMAC under a key of %d bits = %s, want %s", 4*len(v.key), got, v.mac)
		}
		swapped, err := f.CMAC(t.Context(), h, [2]custody.Block{message, {}})
		if err != nil {
			t.Fatal(err)
		}
		if swapped[0] != out[1] || swapped[1] != out[0] {
			t.Errorf("CMAC of one block depends on the other, under a key of %d bits", 4*len(v.key))
		}
	}
}

func testSeal(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	for _, size := range sizes {
		h, _, _ := f.importKey(t, bytes.Repeat([]byte{7}, size))
		for _, n := range []int{0, 1, 16, 24, 32, 7500, custody.MaxPlaintext} {
			plaintext := bytes.Repeat([]byte{'p'}, n)
			bound := custody.Context("aad", "")
			box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, bound, plaintext)
			if err != nil {
				t.Fatalf("sealing %d bytes: %v", n, err)
			}
			again, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, bound, plaintext)
			if err != nil {
				t.Fatalf("sealing %d bytes: %v", n, err)
			}
			if box.Salt == again.Salt || box.Nonce == again.Nonce || box.Commitment == again.Commitment || bytes.Equal(box.Ciphertext, again.Ciphertext) {
				t.Errorf("two sealings of %d bytes have something in common", n)
			}
			got, err := custody.Open(t.Context(), f, h, custody.PurposeDataKey, bound, box)
			if err != nil || !bytes.Equal(got.Reveal(), plaintext) {
				t.Errorf("%d bytes under a key of %d: opened to %d bytes, %v", n, size, got.Len(), err)
			}
		}
		if _, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, nil, make([]byte, custody.MaxPlaintext+1)); err == nil {
			t.Error("a plaintext above the limit was sealed")
		}
	}
}

func testBoxTampering(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	h, _, _ := f.importKey(t, bytes.Repeat([]byte{7}, 32))
	other, _, _ := f.importKey(t, bytes.Repeat([]byte{8}, 32))
	short, _, _ := f.importKey(t, bytes.Repeat([]byte{7}, 16))
	bound := custody.Context("a", "b")
	box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, bound, []byte("plaintext"))
	if err != nil {
		t.Fatal(err)
	}
	refused := func(what string, h custody.Handle, p custody.Purpose, bound []byte, b custody.Box) {
		t.Helper()
		got, err := custody.Open(t.Context(), f, h, p, bound, b)
		if !errors.Is(err, custody.ErrUnreadable) || got.Len() != 0 {
			t.Errorf("%s: Open: %d bytes, %v, want ErrUnreadable", what, got.Len(), err)
		}
	}
	refused("another key", other, custody.PurposeDataKey, bound, box)
	refused("a shorter key", short, custody.PurposeDataKey, bound, box)
	refused("another purpose", h, custody.PurposeSecret, bound, box)
	for _, fields := range [][]string{nil, {"ab"}, {"a"}, {"b", "a"}, {"a", "b", ""}, {"", "a", "b"}, {"a", "B"}} {
		refused(fmt.Sprintf("context %q", fields), h, custody.PurposeDataKey, custody.Context(fields...), box)
	}
	data, err := box.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	for i := 1; i < len(data); i++ {
		changed := bytes.Clone(data)
		changed[i] ^= 1 << (i % 8)
		b, err := custody.ParseBox(changed)
		if err != nil {
			t.Fatal(err)
		}
		refused(fmt.Sprintf("byte %d changed", i), h, custody.PurposeDataKey, bound, b)
	}
	for n := range box.Ciphertext {
		b := box
		b.Ciphertext = box.Ciphertext[:n]
		refused(fmt.Sprintf("ciphertext of %d bytes", n), h, custody.PurposeDataKey, bound, b)
	}
	refused("nothing", h, custody.PurposeDataKey, bound, custody.Box{})
}

func testMaterialID(t *testing.T, open func(t *testing.T) Subject) {
	f, elsewhere := newFixture(t, open), newFixture(t, open)
	second, _ := f.make(t, custody.Root, f.instanceBinding("instance-2"))
	identify := func(m custody.Module, h custody.Handle) custody.MaterialID {
		t.Helper()
		id, err := custody.Identify(t.Context(), m, h)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	seen := map[custody.MaterialID]int{}
	for _, size := range sizes {
		material := bytes.Repeat([]byte{7}, size)
		h, _, _ := f.importKey(t, material)
		id := identify(f, h)
		if size, ok := seen[id]; ok {
			t.Errorf("material of %d and %d bytes have one ID", size, len(material))
		}
		seen[id] = size

		b := f.versionBinding(custody.OriginImported, size)
		b.Instance = "instance-2"
		same, _, err := f.Import(t.Context(), second, b, custody.NewSecret(material))
		if err != nil {
			t.Fatal(err)
		}
		if got := identify(f, same); got != id {
			t.Errorf("ID in another instance = %s, want %s", got, id)
		}
		far, _, _ := elsewhere.importKey(t, material)
		if got := identify(elsewhere, far); got != id {
			t.Errorf("ID in another module = %s, want %s", got, id)
		}
		changed := bytes.Clone(material)
		changed[size-1] ^= 1
		near, _, _ := f.importKey(t, changed)
		if identify(f, near) == id {
			t.Error("other material has the same ID")
		}

		// The same material opens what was sealed under it anywhere.
		box, err := custody.Seal(t.Context(), f, h, custody.PurposeDataKey, nil, []byte("data key"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := custody.Open(t.Context(), f, same, custody.PurposeDataKey, nil, box); err != nil {
			t.Errorf("opening in another instance: %v", err)
		}
		if _, err := custody.Open(t.Context(), elsewhere, far, custody.PurposeDataKey, nil, box); err != nil {
			t.Errorf("opening in another module: %v", err)
		}
	}
}

// fromHex decodes a constant.
func fromHex(s string) []byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return b
}
