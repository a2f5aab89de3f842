package software_test

import (
	"bytes"
	"errors"
	"testing"

	"strongroom/custody"
	"strongroom/custody/software"
)

func FuzzMasterFile(f *testing.F) {
	for _, seed := range []string{
		``,
		`{}`,
		`null`,
		`{"version":1,"sealed_by":"key-file","key_id":"000102030405060708090a0b0c0d0e0f","generations":[{"number":1}],"masters":"AQ=="}`,
		`{"version":1,"sealed_by":"passphrase","kdf":{"name":"pbkdf2-hmac-sha256","salt":"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=","rounds":600000},"key_id":"000102030405060708090a0b0c0d0e0f","generations":[{"number":1,"recovery":"set"},{"number":2}],"masters":"AQ=="}`,
		`{"version":1,"sealed_by":"key-file","generations":[{"number":4294967296}]}`,
		`{"version":1,"sealed_by":"key-file","kdf":null}{}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		once, err := software.ReencodeMasterFile(data)
		if err != nil {
			return
		}
		twice, err := software.ReencodeMasterFile(once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s\nreads back as\n%s, %v", once, twice, err)
		}
	})
}

func FuzzLoadSealed(f *testing.F) {
	m := create(f, keyFileOptions(f))
	b := custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	}
	_, sealed, err := m.Make(f.Context(), custody.Root, b)
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(nil))
	f.Add([]byte(sealed))
	f.Add([]byte(sealed[:len(sealed)-1]))
	f.Add(append([]byte{2}, sealed[1:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := m.Load(t.Context(), custody.Root, b, data)
		switch {
		case bytes.Equal(data, sealed):
			if err != nil {
				t.Errorf("the genuine key does not load: %v", err)
			}
			m.Unload(h)
		case !errors.Is(err, custody.ErrUnreadable) || h != 0:
			t.Errorf("Load(%x) = %d, %v, want ErrUnreadable", data, h, err)
		}
	})
}
