package audit_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"strongroom/audit"
)

func refusal(source string) *audit.Event {
	return &audit.Event{
		Action: "kms.secrets.list", Outcome: audit.Failure, Message: "Key Protect: list keys -failure",
		Initiator: audit.Initiator{Host: audit.Host{Address: source, Agent: "flood"}},
		Reason:    audit.Reason{Code: 401, Type: "Unauthorized"},
	}
}

// counted returns how many refusals the log accounts for, written out or counted.
func counted(t *testing.T, l *audit.Log) (n int) {
	t.Helper()
	n = len(find(t, l, "kms.secrets.list"))
	for _, e := range find(t, l, audit.ActionRefusals) {
		c, err := e.RequestData["count"].(json.Number).Int64()
		if err != nil {
			t.Fatal(err)
		}
		n += int(c)
	}
	return n
}

func TestFloodOfRefusalsIsCountedAndHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.options.SegmentBytes = 1 << 20
		l := h.open(t)
		const flood = 100_000
		for i := range flood {
			source := fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255)
			if i%4 == 0 {
				source = "192.0.2.1"
			}
			if err := l.Refused(t.Context(), source, refusal(source)); err != nil {
				t.Fatal(err)
			}
			if i == flood/2 {
				appendAll(t, l, wrapEvent(1))
			}
		}
		time.Sleep(62 * time.Second)
		if size := h.files.Total(); size > 200<<10 {
			t.Errorf("the flood wrote %d bytes", size)
		}
		if got := counted(t, l); got != flood {
			t.Errorf("the log accounts for %d refusals, want %d", got, flood)
		}
		if got := messages(t, l); len(got) == 0 || len(find(t, l, "kms.secrets.wrap")) != 1 {
			t.Errorf("the normal event is not found among %d", len(got))
		}
		closeLog(t, l)
		h.verifyOK(t)
	})
}

// TestFloodOfOpenRequestsIsCounted: what everybody may ask for can be asked for
// without end, and must not fill the disk either.
func TestFloodOfOpenRequestsIsCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		const flood = 10_000
		for range flood {
			answer := refusal("192.0.2.1")
			answer.Action, answer.Outcome, answer.Message = "iam-identity.signingkey.list", audit.Success, "IAM Identity: list"
			if err := l.Refused(t.Context(), "192.0.2.1", answer); err != nil {
				t.Fatal(err)
			}
		}
		if err := l.Refused(t.Context(), "192.0.2.1", refusal("192.0.2.1")); err != nil {
			t.Fatal(err)
		}
		time.Sleep(62 * time.Second)
		n := len(find(t, l, "iam-identity.signingkey.list"))
		if n == 0 || n > 100 {
			t.Errorf("%d of the flood are recorded each", n)
		}
		for _, e := range find(t, l, audit.ActionAnswers) {
			c, err := e.RequestData["count"].(json.Number).Int64()
			if err != nil || e.Outcome != audit.Success {
				t.Fatalf("the count is %+v, %v", e, err)
			}
			n += int(c)
		}
		if n != flood {
			t.Errorf("the log accounts for %d answers, want %d", n, flood)
		}
		if got := counted(t, l); got != 1 {
			t.Errorf("beside the answers the log accounts for %d refusals, want 1", got)
		}
		closeLog(t, l)
	})
}

func TestFewRefusalsAreRecordedEach(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		for range 3 {
			for n := range 5 {
				source := fmt.Sprintf("2001:db8::%d", n) // one network
				if err := l.Refused(t.Context(), source, refusal(source)); err != nil {
					t.Fatal(err)
				}
			}
		}
		if got := len(find(t, l, "kms.secrets.list")); got != 10 {
			t.Errorf("%d of 15 recorded each, want 10", got)
		}
		closeLog(t, l) // writes the count
		l = h.open(t)
		if got := counted(t, l); got != 15 {
			t.Errorf("the log accounts for %d refusals, want 15", got)
		}
		closeLog(t, l)
	})
}

func TestRefusalsLeaveTheReserve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		h.options.Reserve = 1 << 20
		l := h.open(t)
		h.files.SetFree(1<<20 - 1)
		for range 50 {
			if err := l.Refused(t.Context(), "192.0.2.1", refusal("192.0.2.1")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(5 * time.Minute)
		if got := counted(t, l); got != 0 {
			t.Errorf("%d refusals written into the reserve", got)
		}
		appendAll(t, l, wrapEvent(1))
		h.files.SetFree(1 << 30)
		time.Sleep(2 * time.Second)
		if got := counted(t, l); got != 50 {
			t.Errorf("the log accounts for %d refusals, want 50", got)
		}
		closeLog(t, l)
	})
}

func TestRefusalsSurviveAFailureToWriteTheirCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		for range 30 {
			if err := l.Refused(t.Context(), "192.0.2.1", refusal("192.0.2.1")); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(58 * time.Second)
		broken := true
		h.files.FailAt(func(int) error {
			if broken {
				return context.DeadlineExceeded // any failure
			}
			return nil
		})
		time.Sleep(5 * time.Second)
		if l.Healthy() == nil {
			t.Fatal("log is healthy although it could not write")
		}
		if err := l.Refused(t.Context(), "192.0.2.1", refusal("192.0.2.1")); err == nil {
			t.Error("a refusal is accepted while the log cannot be written")
		}
		h.files.FailAt(nil)
		time.Sleep(2 * time.Minute)
		if got := counted(t, l); got != 30 {
			t.Errorf("the log accounts for %d refusals, want 30", got)
		}
		closeLog(t, l)
	})
}
