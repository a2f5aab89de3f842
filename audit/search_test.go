package audit_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/audit"
)

func TestSearchAgreesWithAPlainFilter(t *testing.T) {
	h := newHouse(t)
	base := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)
	account := rapid.SampledFrom([]string{"", "acc-1", "acc-2", "acc-\xff"})
	instance := rapid.SampledFrom([]string{"", "inst-1", "inst-2"})
	key := rapid.SampledFrom([]string{"", "k1", "k2", "k3"})
	action := rapid.SampledFrom([]string{"kms.secrets.wrap", "kms.secrets.unwrap", "kms.policies.read", "iam-identity.apikey.create"})
	initiator := rapid.SampledFrom([]string{"", "iam-1", "iam-\"2\""})
	outcome := rapid.SampledFrom([]audit.Outcome{audit.Success, audit.Failure, audit.Pending})
	correlation := rapid.SampledFrom([]string{"", "c1", "c2"})
	second := rapid.IntRange(0, 200)

	rapid.Check(t, func(t *rapid.T) {
		l := h.openFresh(t)
		var all []*audit.Event
		for range rapid.IntRange(0, 60).Draw(t, "events") {
			inst, k := instance.Draw(t, "instance"), key.Draw(t, "key")
			e := &audit.Event{
				Time:   base.Add(time.Duration(second.Draw(t, "second")) * time.Second),
				Action: action.Draw(t, "action"), Outcome: outcome.Draw(t, "outcome"),
				Account: account.Draw(t, "account"), CorrelationID: correlation.Draw(t, "correlation"),
				LogSourceCRN: "crn:v1:bluemix:public:kms:us-south:a/a:" + inst + "::",
				Initiator:    audit.Initiator{ID: initiator.Draw(t, "initiator")},
				Target:       audit.Target{ID: "crn:v1:bluemix:public:kms:us-south:a/a:" + inst + ":key:" + k},
			}
			if err := l.Append(t.Context(), e); err != nil {
				t.Fatal(err)
			}
			all = append(all, e)
		}
		q := audit.Query{
			Account: rapid.OneOf(account, rapid.Just(audit.NoAccount)).Draw(t, "q.account"), Instance: instance.Draw(t, "q.instance"), Key: key.Draw(t, "q.key"),
			Action:    rapid.SampledFrom([]string{"", "*", "kms.*", "kms.secrets.wrap", "kms.secrets.wrap*", "none"}).Draw(t, "q.action"),
			Initiator: initiator.Draw(t, "q.initiator"), Correlation: correlation.Draw(t, "q.correlation"),
			Limit: rapid.IntRange(1, 10).Draw(t, "limit"),
		}
		if rapid.Bool().Draw(t, "by outcome") {
			q.Outcome = outcome.Draw(t, "q.outcome")
		}
		if rapid.Bool().Draw(t, "by time") {
			q.From = base.Add(time.Duration(second.Draw(t, "from")) * time.Second)
			q.To = base.Add(time.Duration(second.Draw(t, "to")) * time.Second)
		}
		if strings.Contains(q.Account, "\xff") {
			q.Account = "acc-\ufffd" // as it is shown
		}
		if rapid.Bool().Draw(t, "no index") {
			l.DropIndex()
		}
		var want []string
		for _, e := range slices.Backward(all) {
			if plain(q, e) {
				want = append(want, e.ID)
			}
		}
		var got []string
		for pages := 0; ; pages++ {
			p, err := l.Search(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Events) > q.Limit || pages > len(all) {
				t.Fatalf("page %d of %d events, limit %d", pages, len(p.Events), q.Limit)
			}
			for _, e := range p.Events {
				got = append(got, e.ID)
			}
			if q.Cursor = p.Next; q.Cursor == "" {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%+v (-want +got):\n%s", q, diff)
		}
		h.closeFresh(t, l)
	})
}

// openFresh opens an empty log for one run of a property.
func (h *house) openFresh(t *rapid.T) *audit.Log {
	h.files, h.anchors.kept = audit.NewMemFiles(), nil
	l, err := audit.Open(t.Context(), h.options.WithFiles(h.files))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (h *house) closeFresh(t *rapid.T, l *audit.Log) {
	if err := l.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// plain is what a query means.
func plain(q audit.Query, e *audit.Event) bool {
	crn := strings.Split(e.Target.ID, ":")
	prefix, some := strings.CutSuffix(q.Action, "*")
	switch {
	case q.Account == audit.NoAccount && e.Account != "",
		q.Account != "" && q.Account != audit.NoAccount && strings.ToValidUTF8(e.Account, "\ufffd") != q.Account,
		q.Instance != "" && crn[7] != q.Instance,
		q.Key != "" && crn[9] != q.Key,
		some && !strings.HasPrefix(e.Action, prefix),
		!some && q.Action != "" && e.Action != q.Action,
		q.Initiator != "" && e.Initiator.ID != q.Initiator,
		q.Correlation != "" && e.CorrelationID != q.Correlation,
		q.Outcome != "" && e.Outcome != q.Outcome,
		!q.From.IsZero() && e.Time.Before(q.From),
		!q.To.IsZero() && !e.Time.Before(q.To):
		return false
	}
	return true
}

func TestCursorHoldsWhileTheLogGrows(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	defer closeLog(t, l)
	for n := range 30 {
		appendAll(t, l, wrapEvent(n))
	}
	q := audit.Query{Limit: 4}
	var got []string
	for n := 30; ; n++ {
		p, err := l.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			got = append(got, e.Message)
		}
		if p.Next == "" {
			break
		}
		q.Cursor = p.Next
		appendAll(t, l, wrapEvent(n))
	}
	for i, m := range got {
		if want := wrapEvent(29 - i).Message; m != want {
			t.Fatalf("event %d is %q, want %q", i, m, want)
		}
	}
	if len(got) != 30 {
		t.Errorf("%d events, want 30", len(got))
	}
}

func TestSearchRefusesCursorsThatItDidNotMake(t *testing.T) {
	h := newHouse(t)
	l := h.open(t)
	defer closeLog(t, l)
	appendAll(t, l, wrapEvent(1))
	for _, cursor := range []string{"x", "1", "1-", "0-0", "1-17", "1-999999", "1--1", "01-0", "1-0 ", "99999999999999999999999-1"} {
		if _, err := l.Search(t.Context(), audit.Query{Cursor: cursor}); !errors.Is(err, audit.ErrCursor) {
			t.Errorf("cursor %q: %v, want ErrCursor", cursor, err)
		}
	}
}

func TestIndexSparesReadingOldSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		for n := range 60 {
			e := wrapEvent(n)
			e.Initiator.ID = fmt.Sprintf("iam-%d", n)
			appendAll(t, l, e)
		}
		time.Sleep(1500 * time.Millisecond)
		closed, indexed := l.Segments()
		if closed < 10 || indexed != closed {
			t.Fatalf("%d of %d closed segments are indexed", indexed, closed)
		}
		// With the segments' bytes gone only what the index lets through is missed.
		names := h.files.Names()
		for _, name := range names[1 : len(names)-1] {
			h.files.Delete(name)
		}
		if p, err := l.Search(t.Context(), audit.Query{Initiator: "iam-0"}); err != nil || len(p.Events) != 1 {
			t.Errorf("found %d events, %v; want the one of the first segment", len(p.Events), err)
		}
		closeLog(t, l)
	})
}

func TestDamagedIndexHidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHouse(t)
		l := h.open(t)
		for n := range 30 {
			e := wrapEvent(n)
			e.Initiator.ID = fmt.Sprintf("iam-%d", n)
			appendAll(t, l, e)
		}
		time.Sleep(1500 * time.Millisecond)
		closeLog(t, l)
		for _, name := range h.files.Names() {
			name = strings.TrimSuffix(name, ".log") + ".idx"
			b := h.files.Bytes(name)
			clear(b[len(b)-64:])
			h.files.Put(name, b)
		}
		l = h.open(t)
		for n := range 30 {
			p, err := l.Search(t.Context(), audit.Query{Initiator: fmt.Sprintf("iam-%d", n)})
			if err != nil || len(p.Events) != 1 {
				t.Errorf("iam-%d: %d events, %v", n, len(p.Events), err)
			}
		}
		closeLog(t, l)
	})
}
