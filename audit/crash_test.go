package audit_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"strongroom/audit"
)

// session appends events until the power goes, with rotation, retention and a second start on the
// way, and returns the messages of those that were acknowledged.
func session(t *testing.T, h *house) (acknowledged []string) {
	n := 0
	for range 2 {
		l, err := audit.Open(t.Context(), h.options.WithFiles(h.files))
		if err != nil {
			return acknowledged
		}
		for range 8 {
			e := wrapEvent(n)
			n++
			if l.Append(t.Context(), e) == nil {
				acknowledged = append(acknowledged, e.Message)
			}
			time.Sleep(600 * time.Millisecond)
		}
		_ = l.Close(context.WithoutCancel(t.Context())) // fails without power
	}
	return acknowledged
}

func TestPowerLossAtEveryStepKeepsWhatWasAcknowledged(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for step := 1; ; step++ {
		finished := false
		synctest.Test(t, func(t *testing.T) {
			h := newHouse(t)
			h.options.SegmentBytes = 2500
			h.options.OnError = nil
			h.files.FailAt(func(n int) error {
				if n == step {
					return audit.ErrCrashed
				}
				return nil
			})
			acknowledged := session(t, h)
			finished = h.files.Steps() < step

			crashed, anchored := h.files, slices.Clone(h.anchors.kept)
			for variant := range uint64(4) {
				h.files = crashed.AfterPowerLoss(rand.New(rand.NewPCG(seed, variant)))
				h.anchors.kept = slices.Clone(anchored)
				l := h.open(t)
				got := messages(t, l)
				missing := slices.DeleteFunc(slices.Clone(acknowledged), func(m string) bool { return slices.Contains(got, m) })
				if len(missing) > 0 {
					t.Errorf("step %d, variant %d: acknowledged events are gone: %v", step, variant, missing)
				}
				if n := len(find(t, l, audit.ActionTruncated)); n > 0 {
					t.Errorf("step %d, variant %d: a loss of power is taken for a truncation", step, variant)
				}
				closeLog(t, l)
				h.verifyOK(t)
			}
		})
		if finished || t.Failed() {
			t.Logf("%d steps", step)
			return
		}
	}
}

func TestFailureAtEveryStepIsRefusedAndHeals(t *testing.T) {
	for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
		for step := 1; ; step++ {
			finished := false
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				h.options.SegmentBytes = 2500
				h.options.OnError = nil
				l := h.open(t)
				h.files.FailAt(func(n int) error {
					if n >= step && n < step+3 { // so that rolling back fails too
						return cause
					}
					return nil
				})
				var kept, refused []string
				for n := range 12 {
					e := wrapEvent(n)
					if err := l.Append(t.Context(), e); err == nil {
						kept = append(kept, e.Message)
					} else {
						refused = append(refused, e.Message)
						if !errors.Is(err, audit.ErrUnavailable) || !errors.Is(err, cause) {
							t.Errorf("step %d: Append: %v", step, err)
						}
					}
					time.Sleep(300 * time.Millisecond)
				}
				time.Sleep(5 * time.Second)
				if err := l.Healthy(); err != nil {
					t.Errorf("step %d: not healthy again: %v", step, err)
				}
				got := messages(t, l)
				if !slices.Equal(got, kept) {
					t.Errorf("step %d: log holds %v, want %v; refused %v", step, got, kept, refused)
				}
				if len(refused) > 0 && len(find(t, l, audit.ActionRecovered)) == 0 {
					t.Errorf("step %d: the log does not say that it could not be written", step)
				}
				finished = h.files.Steps() < step
				h.files.FailAt(nil)
				closeLog(t, l)
				h.verifyOK(t)
			})
			if finished || t.Failed() {
				t.Logf("%d steps", step)
				break
			}
		}
	}
}

func TestFolderThatVanishesTurnsTheLogRed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		appendAll(t, l, wrapEvent(1), wrapEvent(2))
		time.Sleep(1100 * time.Millisecond)
		names := h.files.Names()
		h.files.Delete(names[len(names)-1])
		time.Sleep(1100 * time.Millisecond)
		if l.Healthy() == nil && len(find(t, l, audit.ActionTruncated)) == 0 {
			t.Error("the log does not notice that its segment is gone")
		}
		time.Sleep(2 * time.Second)
		if err := l.Healthy(); err != nil {
			t.Errorf("not healthy again: %v", err)
		}
		if len(find(t, l, audit.ActionTruncated)) != 1 {
			t.Error("the log goes on silently")
		}
		closeLog(t, l)
		wantFlaw(t, h.verify(t, h.anchors), audit.FlawRecorded)
	})
}
