package objects_test

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/objects"
)

func TestFirewallAdmits(t *testing.T) {
	for _, c := range []struct {
		allowed, denied []string
		address         string
		want            bool
	}{
		{nil, nil, "192.0.2.1", true},
		{[]string{"192.0.2.1"}, nil, "192.0.2.1", true},
		{[]string{"192.0.2.1"}, nil, "192.0.2.2", false},
		{[]string{"192.0.2.0/24"}, nil, "192.0.2.255", true},
		{[]string{"192.0.2.77/24"}, nil, "192.0.2.1", true},
		{[]string{"192.0.2.0/24"}, nil, "192.0.3.0", false},
		{[]string{"192.0.2.0/24"}, nil, "::ffff:192.0.2.1", true},
		{[]string{"::ffff:192.0.2.0/120"}, nil, "192.0.2.1", true},
		{[]string{"::ffff:192.0.2.1"}, nil, "192.0.2.1", true},
		{[]string{"2001:db8::/32"}, nil, "2001:db8::1", true},
		{[]string{"2001:db8::/32"}, nil, "2001:db9::1", false},
		{[]string{"0.0.0.0/0"}, nil, "2001:db8::1", false},
		{[]string{"::/0"}, nil, "192.0.2.1", false},
		{[]string{"fe80::1"}, nil, "fe80::1%eth0", true},
		{nil, []string{"192.0.2.1"}, "192.0.2.1", false},
		{nil, []string{"192.0.2.1"}, "192.0.2.2", true},
		{[]string{"192.0.2.0/24"}, []string{"192.0.2.1"}, "192.0.2.1", false},
		{[]string{"192.0.2.0/24"}, nil, "", false},
		{[]string{"192.0.2.0/24"}, nil, "@", false},
	} {
		f := &objects.Firewall{AllowedIP: c.allowed, DeniedIP: c.denied}
		err := objects.CheckFirewall(f, iam.Caller{Trail: &audit.Trail{Address: c.address}})
		if (err == nil) != c.want || err != nil && !errors.Is(err, objects.ErrFirewall) {
			t.Errorf("%s with allowed %v and denied %v: %v", c.address, c.allowed, c.denied, err)
		}
	}
	if err := objects.CheckFirewall(&objects.Firewall{AllowedIP: []string{"192.0.2.1"}}, iam.ServerCaller("acme")); err != nil {
		t.Errorf("the server itself: %v", err)
	}
}

func TestFirewallRules(t *testing.T) {
	for _, c := range []struct {
		name string
		f    *objects.Firewall
		want error
		set  bool
	}{
		{"none", nil, nil, false},
		{"empty", &objects.Firewall{AllowedIP: []string{}}, nil, false},
		{"one", &objects.Firewall{AllowedIP: []string{"192.0.2.1"}}, nil, true},
		{"networks", &objects.Firewall{NetworkType: []string{"private", "direct"}}, nil, true},
		{"other networks", &objects.Firewall{NetworkType: []string{"secret"}}, objects.ErrArgument, false},
		{"no address", &objects.Firewall{AllowedIP: []string{"example.com"}}, objects.ErrArgument, false},
		{"no denied address", &objects.Firewall{DeniedIP: []string{"192.0.2.1/33"}}, objects.ErrArgument, false},
		{"zone", &objects.Firewall{AllowedIP: []string{"fe80::1%eth0"}}, objects.ErrArgument, false},
		{"1000", &objects.Firewall{AllowedIP: strings.Split(strings.Repeat("192.0.2.1 ", 999)+"192.0.2.1", " ")}, nil, true},
		{"1001", &objects.Firewall{AllowedIP: strings.Split(strings.Repeat("192.0.2.1 ", 1000)+"192.0.2.1", " ")}, objects.ErrArgument, false},
	} {
		b := objects.Bucket{}
		if err := objects.SetFirewall(c.f)(&b, time.Now()); !errors.Is(err, c.want) || (b.Firewall != nil) != c.set {
			t.Errorf("%s: %v, set %v", c.name, err, b.Firewall != nil)
		}
	}
}

// TestFirewallStandsBeforeTheBucket reaches a bucket from elsewhere: only its configuration answers, so
// that its owner can take the wall down again.
func TestFirewallStandsBeforeTheBucket(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.put(t, "bucket", "a")
	s.configure(t, "bucket", objects.SetFirewall(&objects.Firewall{AllowedIP: []string{"203.0.113.0/24"}}))
	if _, err := s.List(t.Context(), s.who, objects.List{Bucket: "bucket", Limit: 1}); !errors.Is(err, objects.ErrFirewall) {
		t.Errorf("list from elsewhere: %v", err)
	}
	if _, err := s.Bucket(t.Context(), s.who, objects.ActionBucketGetFirewall, "bucket"); err != nil {
		t.Errorf("reading the firewall: %v", err)
	}
	inside := s.who
	inside.Trail = &audit.Trail{Address: "203.0.113.9"}
	if _, err := s.List(t.Context(), inside, objects.List{Bucket: "bucket", Limit: 1}); err != nil {
		t.Errorf("list from inside: %v", err)
	}
	if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutFirewall, "bucket", objects.SetFirewall(nil)); err != nil {
		t.Errorf("taking it down: %v", err)
	}
}

func FuzzAddresses(f *testing.F) {
	for _, s := range []string{"192.0.2.1", "192.0.2.0/24", "::1", "::ffff:192.0.2.0/100", "fe80::1%x", "1/0", "::/0", "/"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := objects.ParseAddresses(s)
		if err != nil {
			return
		}
		if !p.IsValid() || p != p.Masked() || p.Addr().Is4In6() || !p.Contains(p.Addr()) {
			t.Errorf("%q is %v", s, p)
		}
		if a, err := netip.ParseAddr(s); err == nil && (!p.IsSingleIP() || p.Addr() != a.Unmap()) {
			t.Errorf("%q is %v", s, p)
		}
	})
}

func FuzzStarPattern(f *testing.F) {
	for _, s := range [][2]string{{"*", ""}, {"a*c", "abc"}, {"a*a", "a"}, {"abc", "abc"}, {"", ""}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, s string) {
		if strings.Count(pattern, "*") > 1 {
			return
		}
		want := pattern == s
		if i := strings.IndexByte(pattern, '*'); i >= 0 {
			want = false
			for n := 0; n <= len(s); n++ { // every text that the star could stand for
				for m := n; m <= len(s) && !want; m++ {
					want = pattern[:i]+s[n:m]+pattern[i+1:] == s && n == i
				}
			}
		}
		if got := objects.MatchStar(pattern, s); got != want {
			t.Errorf("%q of %q: %v", pattern, s, got)
		}
	})
}
