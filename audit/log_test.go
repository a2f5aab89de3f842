package audit_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
)

func TestAppendedEventsAreFoundAndVerified(t *testing.T) {
	h := newHouse(t)
	h.options.Dir = t.TempDir()
	l, err := audit.Open(t.Context(), h.options)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := audit.Open(t.Context(), h.options); err == nil {
		t.Error("a second log opened the same folder")
	}
	for n := range 30 {
		appendAll(t, l, wrapEvent(n))
	}
	want := messages(t, l)
	closeLog(t, l)
	if err := l.Append(t.Context(), wrapEvent(1)); !errors.Is(err, audit.ErrUnavailable) {
		t.Errorf("Append after Close: %v, want ErrUnavailable", err)
	}
	closeLog(t, l)

	if l, err = audit.Open(t.Context(), h.options); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, messages(t, l)); diff != "" || len(want) != 30 {
		t.Errorf("after a new start (-before +after):\n%s", diff)
	}
	closeLog(t, l)
	r, err := audit.Verify(t.Context(), audit.VerifyOptions{Dir: h.options.Dir, Keys: h.keys(), Anchors: h.anchors})
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.Events != 30 || r.AfterAnchor != 0 || r.Anchored+1 != r.Last || r.Torn != 0 {
		t.Errorf("report: %+v", r)
	}
	if n := len(r.Segments); n < 5 || r.Segments[n-1].Epoch != 2 || r.Segments[0].Epoch != 1 {
		t.Errorf("segments: %+v", r.Segments)
	}
}

func TestAppendFillsWhatIsEmpty(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	defer closeLog(t, l)
	e := &audit.Event{Action: "kms.secrets.delete", Initiator: audit.Initiator{Host: audit.Host{Address: "2001:db8::1"}}}
	appendAll(t, l, e)
	if e.ID == "" || e.Time.IsZero() || e.Severity != audit.Critical || e.Initiator.Host.AddressType != "IPv6" {
		t.Errorf("event after Append: %+v", e)
	}
	if err := l.Append(t.Context(), &audit.Event{ID: "NOT-A-UUID"}); err == nil {
		t.Error("an event with a bad ID was recorded")
	}
}

func TestConcurrentAppendsKeepEverything(t *testing.T) {
	h := newHouse(t)
	h.options.SegmentBytes = 64 << 10
	l := h.open(t)
	const callers, each = 32, 25
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for n := range each {
				if err := l.Append(t.Context(), wrapEvent(c*each+n)); err != nil {
					t.Error(err)
				}
				if n%10 == 0 {
					if _, err := l.Search(t.Context(), audit.Query{Key: "key-1", Limit: 5}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	seen := make(map[string]bool)
	for _, m := range messages(t, l) {
		seen[m] = true
	}
	if len(seen) != callers*each {
		t.Errorf("%d different events found, want %d", len(seen), callers*each)
	}
	closeLog(t, l)
	if r := h.verifyOK(t); r.Events != callers*each {
		t.Errorf("%d events verified, want %d", r.Events, callers*each)
	}
}

func TestCheckpointIsSignedOnceASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		defer closeLog(t, l)
		first := l.Head()
		if first.Sequence == 0 || len(first.Signature) == 0 {
			t.Fatalf("no checkpoint at the start: %+v", first)
		}
		time.Sleep(10 * time.Second)
		if got := l.Head(); got.Sequence != first.Sequence {
			t.Errorf("checkpoint at %d without anything new since %d", got.Sequence, first.Sequence)
		}
		appendAll(t, l, wrapEvent(1))
		time.Sleep(1001 * time.Millisecond)
		second := l.Head()
		if second.Sequence <= first.Sequence || second.Previous != first.Digest() {
			t.Errorf("second checkpoint %+v does not follow %+v", second, first)
		}
		kept, _, _ := h.anchors.LastCheckpoint(t.Context(), "server-1")
		if diff := cmp.Diff(second, kept); diff != "" {
			t.Errorf("anchor (-want +got):\n%s", diff)
		}
	})
}

func TestAnchorsThatFailAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		h.anchors.mu.Lock()
		h.anchors.fail = errors.New("database is away")
		h.anchors.mu.Unlock()
		appendAll(t, l, wrapEvent(1))
		time.Sleep(5 * time.Second)
		if err := l.Healthy(); err != nil {
			t.Errorf("log is not healthy without its anchors: %v", err)
		}
		h.anchors.mu.Lock()
		h.anchors.fail = nil
		h.anchors.mu.Unlock()
		time.Sleep(1100 * time.Millisecond)
		kept, _, _ := h.anchors.LastCheckpoint(t.Context(), "server-1")
		if kept.Sequence != l.Head().Sequence {
			t.Errorf("anchored %d, want %d", kept.Sequence, l.Head().Sequence)
		}
		closeLog(t, l)
		h.verifyOK(t)
	})
}

func TestAppendOnceAfterCrashBetweenAppendAndDeletion(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	var outbox []*audit.Event
	for n := range 40 {
		e := wrapEvent(n)
		e.ID = fmt.Sprintf("019be0f2-7a54-7000-8000-%012d", n)
		outbox = append(outbox, e)
	}
	if err := l.AppendOnce(t.Context(), append(outbox[:20:20], outbox[3])...); err != nil {
		t.Fatal(err)
	}
	if err := l.AppendOnce(t.Context(), outbox[10:25]...); err != nil { // within one epoch
		t.Fatal(err)
	}
	crashed := h.files.Clone()
	closeLog(t, l)
	for name, files := range map[string]*audit.MemFiles{"after a crash": crashed, "after a stop": h.files} {
		h.files = files
		l = h.open(t)
		if err := l.AppendOnce(t.Context(), outbox...); err != nil {
			t.Fatal(err)
		}
		if got := messages(t, l); len(got) != 40 {
			t.Errorf("%s: %d events, want each of 40 once:\n%v", name, len(got), got)
		}
		closeLog(t, l)
	}
	if err := l.AppendOnce(t.Context(), &audit.Event{Time: time.Now()}); err == nil {
		t.Error("an event without ID was recorded once")
	}
}

func TestExportWritesJSONLines(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	defer closeLog(t, l)
	for n := range 20 {
		e := wrapEvent(n)
		if n%2 == 1 {
			e.Account = "acc-2"
		}
		appendAll(t, l, e)
	}
	var out bytes.Buffer
	from, to := wrapEvent(4).Time, wrapEvent(12).Time
	if err := l.Export(t.Context(), &out, from, to, "acc-2"); err != nil {
		t.Fatal(err)
	}
	var got []string
	for sc := bufio.NewScanner(&out); sc.Scan(); {
		var e audit.Event
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Message)
	}
	want := []string{"Key Protect: wrap key payments-5", "Key Protect: wrap key payments-7", "Key Protect: wrap key payments-9", "Key Protect: wrap key payments-11"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestRetentionRemovesWholeSegmentsAndSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.options.Retention = audit.Retention{Bytes: 16 << 10, Days: 1}
		l := h.open(t)
		for n := range 100 {
			e := wrapEvent(n)
			e.Time = time.Now()
			appendAll(t, l, e)
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(3 * time.Second)
		if size := h.files.Total(); size > 24<<10 {
			t.Errorf("log has %d bytes", size)
		}
		if n := len(find(t, l, audit.ActionRetention)); n == 0 {
			t.Error("removal is not recorded")
		}
		r := h.verifyOK(t)
		if r.RemovedThrough == 0 || r.RemovedThrough+1 != r.First {
			t.Errorf("removed through %d, first %d", r.RemovedThrough, r.First)
		}
		appendAll(t, l, &audit.Event{Action: "kms.secrets.list"})
		before, _ := l.Segments()
		time.Sleep(25 * time.Hour)
		// What may be left is a segment that was closed by the records of the removals.
		if after, _ := l.Segments(); before < 2 || after > 1 {
			t.Errorf("%d of %d closed segments are left after 25 hours", after, before)
		}
		closeLog(t, l)
		h.verifyOK(t)

		// Segments that retention never spoke of, removed by hand, are a problem.
		h.options.Retention = audit.Retention{}
		l = h.open(t)
		for n := range 20 {
			appendAll(t, l, wrapEvent(n))
		}
		closeLog(t, l)
		names := h.files.Names()
		for _, name := range names[:len(names)-2] {
			h.files.Delete(name)
		}
		wantFlaw(t, h.verify(t, h.anchors), audit.FlawBeginning)
	})
}

// slowSigner lets something happen while a checkpoint is being signed.
type slowSigner struct {
	audit.Signer
	meanwhile func()
}

func (s *slowSigner) Sign(ctx context.Context, digest []byte) ([]byte, error) {
	if s.meanwhile != nil {
		s.meanwhile()
	}
	return s.Signer.Sign(ctx, digest)
}

func TestCheckpointMayLandBehindTheSegmentThatItSigns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		signer := &slowSigner{Signer: h.options.Signer}
		h.options.Signer = signer
		h.options.Retention.Bytes = 6000
		l := h.open(t)
		for range 20 {
			signer.meanwhile = func() {
				signer.meanwhile = nil
				appendAll(t, l, wrapEvent(0), wrapEvent(1), wrapEvent(2))
			}
			appendAll(t, l, wrapEvent(10))
			time.Sleep(time.Second)
			synctest.Wait()
			h.verifyOK(t)
		}
		closeLog(t, l)
		if r := h.verifyOK(t); r.RemovedThrough == 0 {
			t.Errorf("nothing was removed: %+v", r)
		}
	})
}

// TestOlderDatabaseIsNoticed: a database that was put back to an older copy has lost checkpoints
// that the log still has. A crash loses one at most, and is nothing to report.
func TestOlderDatabaseIsNoticed(t *testing.T) {
	for name, tc := range map[string]struct {
		lose int
		want int
	}{"nothing": {0, 0}, "a crash": {1, 0}, "an older copy": {2, 1}, "a new database": {1000, 1}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHouse(t)
				l := h.open(t)
				for range 3 {
					if err := l.Append(t.Context(), &audit.Event{Action: "kms.secrets.wrap"}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(2 * time.Second) // of the bubble: a checkpoint is signed
				}
				closeLog(t, l)
				h.anchors.kept = h.anchors.kept[:max(0, len(h.anchors.kept)-tc.lose)]
				l = h.open(t)
				page, err := l.Search(t.Context(), audit.Query{Action: audit.ActionBehind})
				if err != nil || len(page.Events) != tc.want {
					t.Errorf("%d reports, %v, want %d", len(page.Events), err, tc.want)
				}
				closeLog(t, l)
				h.verifyOK(t)
			})
		})
	}
}

func TestContextEndsTheWaitOnly(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := l.Append(ctx, wrapEvent(1)); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("Append: %v", err)
	}
	closeLog(t, l)
	if r := h.verifyOK(t); r.Events != 1 {
		t.Errorf("%d events, want the one that was being recorded", r.Events)
	}
}

func TestWeakerSyncShowsInTheChain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.options.Sync = audit.SyncSecond
		l := h.open(t)
		h.files.FailAt(func(int) error { return nil })
		appendAll(t, l, wrapEvent(1), wrapEvent(2))
		if n := h.files.Steps(); n != 2 {
			t.Errorf("%d steps for two events, want two writes", n)
		}
		time.Sleep(2 * time.Second)
		closeLog(t, l)
		if r := h.verifyOK(t); r.Segments[0].Sync != "second" {
			t.Errorf("segment says sync %q", r.Segments[0].Sync)
		}
	})
}
