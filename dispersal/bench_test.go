package dispersal_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"strongroom/dispersal"
	"strongroom/objects"
)

// cpuTime returns the processor time that this process has used, in seconds.
func cpuTime(b *testing.B) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// perCPU reports how many MB were worked on in a second of processor time.
func perCPU(b *testing.B, size int, f func()) {
	began := cpuTime(b)
	b.SetBytes(int64(size))
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		f()
	}
	b.ReportMetric(float64(b.N)*float64(size)/1e6/(cpuTime(b)-began), "MB/cpu-s")
}

// benchRig is a rig without a *testing.T.
func benchRig(b *testing.B) *rig {
	b.Helper()
	r := &rig{t: b, catalog: newCatalog(nil), root: b.TempDir(), stores: map[objects.NodeID]*faulty{}, files: dispersal.Disk{}}
	for i := range 6 {
		r.add(i)
	}
	r.start()
	return r
}

const (
	benchSize    = 16 << 20
	benchSegment = 1<<20 + 28
)

func benchWrite(b *testing.B, r *rig, data []byte) objects.Blob {
	w, err := r.cluster.Write(context.Background(), objects.NewBlobID(), fourOfSix, benchSegment)
	if err != nil {
		b.Fatal(err)
	}
	defer w.Abort()
	for rest := data; len(rest) > 0; {
		n := min(benchSegment, len(rest))
		if err := w.Segment(context.Background(), rest[:n]); err != nil {
			b.Fatal(err)
		}
		rest = rest[n:]
	}
	blob, err := w.Finish(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	return r.catalog.commit(blob)
}

func BenchmarkWrite(b *testing.B) {
	for _, size := range []int{64 << 10, 1 << 20, benchSize} {
		data := content(1, size)
		b.Run(fmt.Sprintf("4 of 6/%d KiB", size>>10), func(b *testing.B) {
			r := benchRig(b)
			perCPU(b, size, func() { benchWrite(b, r, data) })
		})
		b.Run(fmt.Sprintf("plain file/%d KiB", size>>10), func(b *testing.B) {
			dir := b.TempDir()
			perCPU(b, size, func() {
				f, err := os.CreateTemp(dir, "")
				if err != nil {
					b.Fatal(err)
				}
				if _, err := f.Write(data); err != nil {
					b.Fatal(err)
				}
				if err := f.Sync(); err != nil {
					b.Fatal(err)
				}
				_ = f.Close()
			})
		})
	}
}

func BenchmarkRead(b *testing.B) {
	for _, lost := range []int{0, 2} {
		b.Run(fmt.Sprintf("4 of 6, %d lost", lost), func(b *testing.B) {
			r := benchRig(b)
			blob := benchWrite(b, r, content(1, benchSize))
			for i := range lost {
				if err := os.Remove(r.slice(blob, i)); err != nil {
					b.Fatal(err)
				}
				blob.Missing |= 1 << i
			}
			reader, err := r.cluster.Read(context.Background(), blob)
			if err != nil {
				b.Fatal(err)
			}
			defer reader.Close()
			buf := make([]byte, 0, benchSegment)
			perCPU(b, benchSize, func() {
				for i := range blob.Segments() {
					if buf, err = reader.Segment(context.Background(), i, buf[:0]); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
	b.Run("plain file", func(b *testing.B) {
		path := filepath.Join(b.TempDir(), "file")
		if err := os.WriteFile(path, content(1, benchSize), 0o600); err != nil {
			b.Fatal(err)
		}
		buf := make([]byte, benchSegment)
		perCPU(b, benchSize, func() {
			f, err := os.Open(path)
			if err != nil {
				b.Fatal(err)
			}
			for {
				if _, err := f.Read(buf); err == io.EOF {
					break
				}
			}
			_ = f.Close()
		})
	})
}
