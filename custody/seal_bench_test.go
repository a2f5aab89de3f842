package custody_test

import (
	"context"
	"path/filepath"
	"testing"

	"strongroom/custody"
	"strongroom/custody/software"
)

// openModule returns a fresh software module.
func openModule(tb testing.TB) custody.Module {
	tb.Helper()
	dir := tb.TempDir()
	m, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters.json"),
		KeyFile:    filepath.Join(dir, "master.key"),
	})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = m.Close() })
	if _, err := m.MakeMasters(tb.Context(), 1, custody.Recovery{}); err != nil {
		tb.Fatal(err)
	}
	return m
}

// makeKey returns a fresh key of 32 bytes.
func makeKey(tb testing.TB, m custody.Module) custody.Handle {
	tb.Helper()
	h, _, err := m.Make(context.Background(), custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "account", Instance: "instance",
		Generation: m.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	})
	if err != nil {
		tb.Fatal(err)
	}
	return h
}

func BenchmarkSeal(b *testing.B) {
	m := openModule(b)
	h := makeKey(b, m)
	plaintext := make([]byte, 32)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := custody.Seal(b.Context(), m, h, custody.PurposeDataKey, nil, plaintext); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	m := openModule(b)
	h := makeKey(b, m)
	box, err := custody.Seal(b.Context(), m, h, custody.PurposeDataKey, nil, make([]byte, 32))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := custody.Open(b.Context(), m, h, custody.PurposeDataKey, nil, box); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCMAC(b *testing.B) {
	m := openModule(b)
	h := makeKey(b, m)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.CMAC(b.Context(), h, [2]custody.Block{}); err != nil {
			b.Fatal(err)
		}
	}
}
