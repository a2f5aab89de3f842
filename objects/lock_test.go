package objects_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/objects"
)

var noon = time.Date(2024, 2, 29, 12, 0, 0, 0, time.UTC)

// TestLockOfNewVersion says which lock a version begins with, by what the request and the bucket say.
func TestLockOfNewVersion(t *testing.T) {
	later, past := noon.Add(time.Hour), noon.Add(-time.Second)
	days := &objects.LockConfig{Mode: objects.Governance, Days: 3}
	for _, c := range []struct {
		name   string
		config *objects.LockConfig
		asked  objects.Lock
		want   objects.Lock
		err    error
	}{
		{name: "nothing in a plain bucket"},
		{name: "mode in a plain bucket", asked: objects.Lock{Mode: objects.Compliance, Until: later}, err: objects.ErrNotLockable},
		{name: "hold in a plain bucket", asked: objects.Lock{Hold: true}, err: objects.ErrNotLockable},
		{name: "no hold in a plain bucket", asked: objects.Lock{Lifted: true}},
		{name: "no hold beside the default", config: days, asked: objects.Lock{Lifted: true}, want: objects.Lock{
			Mode: objects.Governance, Until: noon.AddDate(0, 0, 3), Lifted: true,
		}},
		{name: "nothing without a default", config: &objects.LockConfig{}},
		{name: "hold without a default", config: &objects.LockConfig{}, asked: objects.Lock{Hold: true}, want: objects.Lock{Hold: true}},
		{name: "default in days", config: days, want: objects.Lock{Mode: objects.Governance, Until: noon.AddDate(0, 0, 3)}},
		{
			name: "default in years", config: &objects.LockConfig{Mode: objects.Compliance, Years: 1},
			want: objects.Lock{Mode: objects.Compliance, Until: noon.AddDate(1, 0, 0)},
		},
		{
			name: "hold beside the default", config: days, asked: objects.Lock{Hold: true},
			want: objects.Lock{Mode: objects.Governance, Until: noon.AddDate(0, 0, 3), Hold: true},
		},
		{
			name: "asked beats the default", config: days, asked: objects.Lock{Mode: objects.Compliance, Until: later},
			want: objects.Lock{Mode: objects.Compliance, Until: later},
		},
		{name: "mode without a date", config: days, asked: objects.Lock{Mode: objects.Compliance}, err: objects.ErrArgument},
		{name: "date without a mode", config: days, asked: objects.Lock{Until: later}, err: objects.ErrArgument},
		{name: "date in the past", config: days, asked: objects.Lock{Mode: objects.Compliance, Until: past}, err: objects.ErrArgument},
		{name: "date that is now", config: days, asked: objects.Lock{Mode: objects.Compliance, Until: noon}, err: objects.ErrArgument},
		{name: "unknown mode", config: days, asked: objects.Lock{Mode: "FOREVER", Until: later}, err: objects.ErrArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := objects.LockFor(c.config, c.asked, noon)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if diff := cmp.Diff(c.want, got); err == nil && diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestChangeOfLock says what it takes to change mode and date, and to remove the version.
func TestChangeOfLock(t *testing.T) {
	hour := func(n int) time.Time { return noon.Add(time.Duration(n) * time.Hour) }
	governance := objects.Lock{Mode: objects.Governance, Until: hour(5)}
	compliance := objects.Lock{Mode: objects.Compliance, Until: hour(5)}
	expired := objects.Lock{Mode: objects.Compliance, Until: noon}
	for _, c := range []struct {
		name  string
		lock  objects.Lock
		mode  objects.LockMode
		until time.Time
		takes string
		err   error
	}{
		{"first retention", objects.Lock{}, objects.Compliance, hour(1), "free", nil},
		{"removal of nothing", objects.Lock{}, "", time.Time{}, "free", nil},
		{"after expiry", expired, objects.Governance, hour(1), "free", nil},
		{"removal after expiry", expired, "", time.Time{}, "free", nil},
		{"longer governance", governance, objects.Governance, hour(6), "free", nil},
		{"same governance", governance, objects.Governance, hour(5), "free", nil},
		{"shorter governance", governance, objects.Governance, hour(4), "bypass", nil},
		{"removal of governance", governance, "", time.Time{}, "bypass", nil},
		{"governance to compliance", governance, objects.Compliance, hour(5), "free", nil},
		{"governance to shorter compliance", governance, objects.Compliance, hour(4), "bypass", nil},
		{"longer compliance", compliance, objects.Compliance, hour(6), "free", nil},
		{"shorter compliance", compliance, objects.Compliance, hour(4), "never", nil},
		{"longer, but governance", compliance, objects.Governance, hour(6), "never", nil},
		{"removal of compliance", compliance, "", time.Time{}, "never", nil},
		{"date in the past", governance, objects.Governance, hour(-1), "", objects.ErrArgument},
		{"mode without a date", governance, objects.Governance, time.Time{}, "", objects.ErrArgument},
		{"date without a mode", governance, "", hour(9), "", objects.ErrArgument},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.lock.Hold = true // neither hinders a retention nor is lost with it
			next, takes, err := objects.RetainLock(c.lock, c.mode, c.until, noon)
			if !errors.Is(err, c.err) {
				t.Fatalf("got error %v, want %v", err, c.err)
			}
			if err != nil {
				return
			}
			want := objects.Lock{Mode: c.mode, Until: c.until, Hold: true}
			if next != want || takes != c.takes {
				t.Errorf("got %+v, which takes %q; want %+v, which takes %q", next, takes, want, c.takes)
			}
		})
	}
	for want, l := range map[string]objects.Lock{
		"free":   expired,
		"bypass": governance,
		"never":  {Mode: objects.Governance, Until: hour(5), Hold: true},
	} {
		if got := objects.RemovalOf(l, noon); got != want {
			t.Errorf("removal under %+v takes %q, want %q", l, got, want)
		}
	}
	if got := objects.RemovalOf(compliance, hour(5)); got != "free" {
		t.Errorf("removal at the date takes %q", got)
	}
}
