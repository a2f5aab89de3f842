package objects_test

import (
	"bytes"
	"fmt"
	"io"
	"testing"

	"strongroom/objects"
)

// The store is a real database, blobs are in memory: what is measured is everything but the nodes.

func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := newStand(b, false)
			content := contentOf(size)
			w := s.write("key")
			w.Expect.Size = int64(size)
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Put(b.Context(), s.who, w, bytes.NewReader(content)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkGet(b *testing.B) {
	for _, size := range []int{1 << 10, 64 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s := newStand(b, false)
			s.put(b, "key", contentOf(size))
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				c, err := s.Get(b.Context(), s.who, objects.Read{Bucket: s.bucket.Name, Key: "key"})
				if err != nil {
					b.Fatal(err)
				}
				if _, err := io.Copy(io.Discard, c); err != nil {
					b.Fatal(err)
				}
				if err := c.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
