package audit_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"

	"strongroom/audit"
)

func (h *house) keys() map[string]*ecdsa.PublicKey {
	return map[string]*ecdsa.PublicKey{"key-1": &h.key.PublicKey}
}

func wantFlaw(t testing.TB, r audit.Report, want audit.Flaw) {
	t.Helper()
	if r.OK() || !slices.ContainsFunc(r.Problems, func(p audit.Problem) bool { return p.Kind == want }) {
		t.Errorf("problems: %v, want one of kind %s", r.Problems, want)
	}
}

// finished is a closed log of several segments and two epochs, with events in the last segment.
func finished(t testing.TB) *house {
	t.Helper()
	h := newHouse(t)
	h.options.SegmentBytes = 6000
	for range 2 {
		l := h.open(t)
		segments := len(h.files.Names())
		n := 0
		for ; len(h.files.Names()) == segments; n++ {
			appendAll(t, l, wrapEvent(n))
		}
		appendAll(t, l, wrapEvent(n), wrapEvent(n+1))
		closeLog(t, l)
	}
	// On a slow machine it is now and then a checkpoint, and no event, that closes a segment.
	if r := h.verifyOK(t); len(r.Segments) != 4 || r.Segments[3].Events < 2 {
		t.Fatalf("report: %+v", r)
	}
	return h
}

// lines splits a segment into its lines, with their ends.
func lines(h *house, name string) [][]byte {
	return slices.DeleteFunc(bytes.SplitAfter(h.files.Bytes(name), []byte("\n")), func(b []byte) bool { return len(b) == 0 })
}

func TestVerifyFindsEveryChangedByte(t *testing.T) {
	h := finished(t)
	whole := h.files
	const stride = 11
	start := mathrand.IntN(stride)
	t.Logf("every %dth byte from %d", stride, start)
	names := whole.Names()
	for _, name := range names {
		content := whole.Bytes(name)
		for i := start; i < len(content); i += stride {
			if name == names[len(names)-1] && i == len(content)-1 {
				continue // the end of the last checkpoint itself: a torn line behind the anchor
			}
			h.files = whole.Clone()
			changed := slices.Clone(content)
			changed[i] ^= 1 << (i % 8)
			h.files.Put(name, changed)
			if r := h.verify(t, nil); r.OK() && r.Torn == 0 {
				t.Fatalf("%s: bit %d of byte %d (%q) changed unseen", name, i%8, i, content[i])
			} else if r.OK() && h.verify(t, h.anchors).OK() {
				t.Fatalf("%s: byte %d changed: taken for a torn line in spite of the anchor", name, i)
			}
		}
	}
}

func TestVerifyFindsTampering(t *testing.T) {
	edit := func(n int, f func(lines [][]byte) [][]byte) func(*testing.T, *house) {
		return func(_ *testing.T, h *house) {
			name := h.files.Names()[n]
			h.files.Put(name, bytes.Join(f(lines(h, name)), nil))
		}
	}
	for name, c := range map[string]struct {
		tamper func(*testing.T, *house)
		want   audit.Flaw
	}{
		"an event is edited": {edit(0, func(l [][]byte) [][]byte {
			l[3] = bytes.Replace(l[3], []byte("acc-1"), []byte("acc-2"), 1)
			return l
		}), audit.FlawContent},
		"a line is removed":       {edit(1, func(l [][]byte) [][]byte { return slices.Delete(l, 1, 2) }), audit.FlawSequence},
		"a line is repeated":      {edit(1, func(l [][]byte) [][]byte { return slices.Insert(l, 2, l[1]) }), audit.FlawSequence},
		"two lines change places": {edit(0, func(l [][]byte) [][]byte { l[1], l[2] = l[2], l[1]; return l }), audit.FlawSequence},
		"a header is removed":     {edit(1, func(l [][]byte) [][]byte { return l[1:] }), audit.FlawHeader},
		"a header is repeated":    {edit(1, func(l [][]byte) [][]byte { return slices.Insert(l, 1, l[0]) }), audit.FlawHeader},
		"a line is not JSON":      {edit(0, func(l [][]byte) [][]byte { l[2] = []byte("nonsense\n"); return l }), audit.FlawMalformed},
		"a line is far too long": {edit(0, func(l [][]byte) [][]byte {
			l[2] = []byte(strings.Repeat("x", 1<<20) + "\n")
			return l
		}), audit.FlawMalformed},
		"a segment is cut inside a line": {edit(0, func(l [][]byte) [][]byte {
			l[len(l)-1] = l[len(l)-1][:100]
			return l
		}), audit.FlawMalformed},
		"a segment is cut at a line": {edit(1, func(l [][]byte) [][]byte { return l[:len(l)-1] }), audit.FlawSequence},
		"a segment is emptied":       {edit(1, func([][]byte) [][]byte { return nil }), audit.FlawHeader},
		"a segment is removed": {func(_ *testing.T, h *house) {
			h.files.Delete(h.files.Names()[1])
		}, audit.FlawLink},
		"the first segment is removed": {func(_ *testing.T, h *house) {
			h.files.Delete(h.files.Names()[0])
		}, audit.FlawBeginning},
		"two segments change places": {func(_ *testing.T, h *house) {
			names := h.files.Names()
			a, b := h.files.Bytes(names[0]), h.files.Bytes(names[1])
			h.files.Put(names[0], b)
			h.files.Put(names[1], a)
		}, audit.FlawHeader},
		"the end is cut before an anchor": {func(_ *testing.T, h *house) {
			names := h.files.Names()
			l := lines(h, names[len(names)-1])
			h.files.Put(names[len(names)-1], bytes.Join(l[:len(l)-3], nil))
		}, audit.FlawTruncated},
		"the last segment is removed": {func(_ *testing.T, h *house) {
			names := h.files.Names()
			h.files.Delete(names[len(names)-1])
		}, audit.FlawTruncated},
		"everything is removed": {func(_ *testing.T, h *house) {
			for _, name := range h.files.Names() {
				h.files.Delete(name)
			}
		}, audit.FlawTruncated},
		"another log of the same server takes its place": {func(t *testing.T, h *house) {
			other := newHouse(t)
			other.options.Signer = h.options.Signer
			for range 2 {
				l := other.open(t)
				for n := range 9 {
					appendAll(t, l, wrapEvent(n+100))
				}
				closeLog(t, l)
			}
			h.files = other.files
		}, audit.FlawAnchor},
		"a log signed by another key takes its place": {func(t *testing.T, h *house) {
			key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
			if err != nil {
				t.Fatal(err)
			}
			other := newHouse(t)
			other.options.Signer = audit.NewSigner("key-1", key)
			l := other.open(t)
			closeLog(t, l)
			h.files = other.files
		}, audit.FlawSignature},
		"a key that nobody knows": {func(t *testing.T, h *house) {
			other := newHouse(t)
			other.options.Signer = audit.NewSigner("key-2", h.key)
			l := other.open(t)
			closeLog(t, l)
			h.files = other.files
		}, audit.FlawKey},
	} {
		t.Run(name, func(t *testing.T) {
			h := finished(t)
			c.tamper(t, h)
			server := audit.VerifyOptions{Server: "server-1", Keys: h.keys(), Anchors: h.anchors}
			r, err := audit.Verify(t.Context(), server.WithFiles(h.files))
			if err != nil {
				t.Fatal(err)
			}
			wantFlaw(t, r, c.want)
		})
	}
}

func TestVerifySaysWhatItCouldNotAnchor(t *testing.T) {
	h := newHouse(t)
	h.options.SegmentBytes = 64 << 10 // a segment closed among the three would sign them
	l := h.open(t)
	appendAll(t, l, wrapEvent(1), wrapEvent(2), wrapEvent(3))
	crashed := h.files.Clone() // before any checkpoint of the three
	closeLog(t, l)
	anchors := &memAnchors{kept: h.anchors.kept[:1]}
	h.files = crashed
	r := h.verify(t, anchors)
	if !r.OK() || r.Anchored != 1 || r.AfterAnchor != 3 || r.AfterSigned != 3 {
		t.Errorf("report: %+v", r)
	}
	names := h.files.Names()
	name := names[len(names)-1]
	h.files.Put(name, append(h.files.Bytes(name), `{"sequence":6,"ha`...))
	if r := h.verify(t, anchors); !r.OK() || r.Torn != 17 {
		t.Errorf("report of a torn log: %+v", r)
	}
}

func TestStartRecordsThatEntriesAreMissing(t *testing.T) {
	cutLines := func(n int) func(h *house) {
		return func(h *house) {
			names := h.files.Names()
			last := names[len(names)-1]
			l := lines(h, last)
			h.files.Put(last, bytes.Join(l[:len(l)-n], nil))
		}
	}
	for name, damage := range map[string]func(h *house){
		"three lines": cutLines(3),
		"a segment": func(h *house) {
			names := h.files.Names()
			h.files.Delete(names[len(names)-1])
		},
		"everything": func(h *house) { h.files = audit.NewMemFiles() },
		"replaced": func(h *house) {
			name := h.files.Names()[0]
			l := lines(h, name)
			h.files = audit.NewMemFiles()
			h.files.Put(name, bytes.Join(l, nil))
		},
		"damaged in the middle": func(h *house) {
			names := h.files.Names()
			last := names[len(names)-1]
			l := lines(h, last)
			l[1][150] ^= 1
			h.files.Put(last, bytes.Join(l, nil))
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := finished(t)
			damage(h)
			l := h.open(t)
			appendAll(t, l, wrapEvent(50))
			if n := len(find(t, l, audit.ActionTruncated)); n != 1 {
				t.Errorf("%d events say that entries are missing, want 1", n)
			}
			closeLog(t, l)
			wantFlaw(t, h.verify(t, h.anchors), audit.FlawRecorded)

			// A second start has nothing new to say.
			l = h.open(t)
			if n := len(find(t, l, audit.ActionTruncated)); n != 1 {
				t.Errorf("%d events say that entries are missing after another start, want 1", n)
			}
			closeLog(t, l)
		})
	}
}
