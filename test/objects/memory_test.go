package objects_test

import (
	"io"
	"net/http"
	"runtime"
	"runtime/metrics"
	"testing"

	"strongroom/server"
)

// TestMemoryOfARequestDoesNotGrowWithTheObject measures what is alive in the heap, of the server and of
// its client, in the middle of transfers.
func TestMemoryOfARequestDoesNotGrowWithTheObject(t *testing.T) {
	const large, mostMore = 64 << 20, 24 << 20
	s := open(t, 6, func(c *server.Config) { c.Objects.EmbedKiB = -1 })
	s.newBucket(t, "memory", "")
	peaks := map[int64]peak{}
	for i, size := range []int64{segment, large} {
		var p peak
		key, c := []string{"small", "large"}[i], content{byte(i + 1), size}
		s.must(t, http.MethodPut, "/"+key, nil, &watched{c.from(0, size), size / 8, 0, &p.put}, size)
		resp, err := s.ask(t.Context(), http.MethodGet, "/"+key, nil, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		err = c.same(&watched{resp.Body, size / 8, 0, &p.get}, 0, size)
		if resp.Body.Close(); err != nil {
			t.Fatal(err)
		}
		peaks[size] = p
	}
	t.Logf("alive at most: %+v", peaks)
	if more := int64(peaks[large].put) - int64(peaks[segment].put); more > mostMore {
		t.Errorf("storing 64 MiB holds %d bytes more than storing 1 MiB", more)
	}
	if more := int64(peaks[large].get) - int64(peaks[segment].get); more > mostMore {
		t.Errorf("reading 64 MiB holds %d bytes more than reading 1 MiB", more)
	}
}

// peak is how many bytes were alive at most while an object was stored, and while it was read.
type peak struct{ put, get uint64 }

// watched is a stream in which it is measured what is alive, every so many bytes.
type watched struct {
	io.Reader
	every, passed int64
	most          *uint64
}

// Read implements io.Reader.
func (w *watched) Read(p []byte) (int, error) {
	n, err := w.Reader.Read(p)
	if w.passed += int64(n); w.passed >= w.every {
		w.passed = 0
		*w.most = max(*w.most, alive())
	}
	return n, err
}

// alive is how many bytes of the heap a collection leaves.
func alive() uint64 {
	runtime.GC()
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
