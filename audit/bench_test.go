package audit_test

import (
	"fmt"
	"sync"
	"testing"

	"strongroom/audit"
)

func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 64} {
		for _, where := range []string{"disk", "memory"} {
			b.Run(fmt.Sprintf("%s/%d", where, callers), func(b *testing.B) {
				h := newHouse(b)
				h.options.SegmentBytes = 64 << 20
				h.options.Dir = b.TempDir()
				if where == "memory" {
					h.options = h.options.WithFiles(audit.NewDiscard())
				}
				l, err := audit.Open(b.Context(), h.options)
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				b.ResetTimer()
				var wg sync.WaitGroup
				for c := range callers {
					wg.Go(func() {
						for range (b.N + c) / callers {
							e := wrapEvent(1)
							if err := l.Append(b.Context(), e); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wg.Wait()
				b.StopTimer()
				closeLog(b, l)
			})
		}
	}
}
