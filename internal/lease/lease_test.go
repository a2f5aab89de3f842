package lease_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"strongroom/internal/lease"
)

func value(v int) func(context.Context) (int, error) {
	return func(context.Context) (int, error) { return v, nil }
}

func TestCacheServesUntilChanged(t *testing.T) {
	hub := lease.Always()
	c := lease.NewCache[string, int](hub, 10, nil)
	hub.Watch(func(ch lease.Change) { c.Drop(ch.ID) }, "thing")

	for _, step := range []struct {
		change lease.Change
		read   int
		want   int
	}{
		{read: 1, want: 1},
		{read: 2, want: 1},
		{change: lease.Change{Kind: "other", ID: "a"}, read: 3, want: 1},
		{change: lease.Change{Kind: "thing", ID: "b"}, read: 4, want: 1},
		{change: lease.Change{Kind: "thing", ID: "a"}, read: 5, want: 5},
	} {
		hub.Apply([]lease.Change{step.change})
		if got, _ := c.Get(t.Context(), "a", value(step.read)); got != step.want {
			t.Errorf("after %v: got %d, want %d", step.change, got, step.want)
		}
	}
}

func TestReadOvertakenByChangeIsNotKept(t *testing.T) {
	c := lease.NewCache[string, int](lease.Always(), 10, nil)
	got, _ := c.Get(t.Context(), "a", func(context.Context) (int, error) {
		c.Drop("a") // the record changes after it was read
		return 1, nil
	})
	if got != 1 || c.Len() != 0 {
		t.Errorf("got %d with %d values kept", got, c.Len())
	}
}

func TestPendingRecordIsReadFromTheStore(t *testing.T) {
	hub := lease.Always()
	c := lease.NewCache[string, int](hub, 10, nil)
	hub.Watch(func(ch lease.Change) { c.Heed(ch.ID, ch) }, "thing")
	change := []lease.Change{{Kind: "thing", ID: "a"}}

	for _, step := range []struct {
		before func()
		read   int
		want   int
	}{
		{func() {}, 1, 1},
		{func() {}, 2, 1}, // from memory
		{func() { hub.Announce(change) }, 3, 3},
		{func() {}, 4, 4},
		{func() { hub.Announce(change); hub.Apply(change) }, 5, 5}, // another commit is still to come
		{func() { hub.Apply(change) }, 6, 6},
		{func() {}, 7, 6}, // from memory again
	} {
		step.before()
		if got, _ := c.Get(t.Context(), "a", value(step.read)); got != step.want {
			t.Errorf("reading %d: got %d, want %d", step.read, got, step.want)
		}
	}
}

func TestErrorIsNotKept(t *testing.T) {
	c := lease.NewCache[string, int](lease.Always(), 10, nil)
	_, err := c.Get(t.Context(), "a", func(context.Context) (int, error) { return 1, errors.New("unreachable") })
	if err == nil || c.Len() != 0 {
		t.Errorf("err %v with %d values kept", err, c.Len())
	}
}

func TestNothingIsUsedWithoutLease(t *testing.T) {
	var now time.Duration
	hub := lease.Leased(func() time.Duration { return now })
	c := lease.NewCache[string, int](hub, 10, nil)

	if hub.Held() {
		t.Fatal("held before it was ever confirmed")
	}
	hub.Extend(400)
	pass := hub.Enter()
	_, _ = c.Get(t.Context(), "a", value(1))
	if got, _ := c.Get(t.Context(), "a", value(2)); got != 1 || !pass.Good() {
		t.Errorf("under the lease: got %d, pass %v", got, pass.Good())
	}
	now = 400
	if got, _ := c.Get(t.Context(), "a", value(3)); got != 3 || pass.Good() {
		t.Errorf("after the lease: got %d, pass %v", got, pass.Good())
	}
	hub.Extend(300) // late news of an older confirmation
	if hub.Held() {
		t.Error("an older confirmation prolonged the lease")
	}
	hub.Extend(800)
	pass = hub.Enter()
	hub.DropAll()
	if pass.Good() || c.Len() != 0 {
		t.Errorf("after DropAll: pass %v, %d values", pass.Good(), c.Len())
	}
}

func TestCacheIsBounded(t *testing.T) {
	left := 0
	c := lease.NewCache[int, int](lease.Always(), 3, func(int) { left++ })
	for i := range 10 {
		_, _ = c.Get(t.Context(), i, value(i))
	}
	if c.Len() != 3 || left != 7 {
		t.Errorf("%d kept, %d left", c.Len(), left)
	}
	c.Clear()
	if c.Len() != 0 || left != 10 {
		t.Errorf("after Clear: %d kept, %d left", c.Len(), left)
	}
}

func TestPeekReadsNothing(t *testing.T) {
	hub := lease.Always()
	c := lease.NewCache[string, int](hub, 10, nil)
	hub.Watch(func(ch lease.Change) { c.Heed(ch.ID, ch) }, "thing")
	if v, ok := c.Peek("a"); ok {
		t.Errorf("found %d before anything was read", v)
	}
	_, _ = c.Get(t.Context(), "a", value(1))
	if v, ok := c.Peek("a"); !ok || v != 1 {
		t.Errorf("got %d, %t", v, ok)
	}
	hub.Announce([]lease.Change{{Kind: "thing", ID: "a"}})
	if v, ok := c.Peek("a"); ok {
		t.Errorf("found %d while it is about to change", v)
	}

	var now time.Duration
	leased := lease.Leased(func() time.Duration { return now })
	leased.Extend(time.Second)
	c = lease.NewCache[string, int](leased, 10, nil)
	_, _ = c.Get(t.Context(), "a", value(1))
	now = 2 * time.Second
	if v, ok := c.Peek("a"); ok {
		t.Errorf("found %d without the lease", v)
	}
}
