package objects_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"strongroom/objects"
	"strongroom/objects/objectstest"
)

func days(n int) *int { return &n }

func size(n int64) *int64 { return &n }

// TestConfigurationRules applies changes to buckets as they may be, and says what comes of it.
func TestConfigurationRules(t *testing.T) {
	lock := &objects.LockConfig{}
	protected := objects.Config{Protection: &objects.Protection{Minimum: 1, Default: 2, Maximum: 3, Permanent: true}}
	versioned := objects.Config{Versioning: objects.VersioningEnabled}
	suspended := objects.Config{Versioning: objects.VersioningSuspended}
	locked := objects.Config{Versioning: objects.VersioningEnabled, Lock: lock}
	blocked := objects.Config{PublicAccess: &objects.PublicAccessBlock{BlockPublicACLs: true}}
	replicated := objects.Config{Versioning: objects.VersioningEnabled, Replication: &objects.Replication{Document: []byte("x")}}
	document := &objects.Replication{Document: []byte("<ReplicationConfiguration/>")}
	for _, c := range []struct {
		name   string
		was    objects.Config
		change objects.Change
		want   error
	}{
		{"versioning on", objects.Config{}, objects.SetVersioning(objects.VersioningEnabled), nil},
		{"versioning off", versioned, objects.SetVersioning(objects.VersioningSuspended), nil},
		{"versioning unset", versioned, objects.SetVersioning(""), objects.ErrArgument},
		{"versioning under a retention policy", protected, objects.SetVersioning(objects.VersioningEnabled), objects.ErrState},
		{"versioning off under a lock", locked, objects.SetVersioning(objects.VersioningSuspended), objects.ErrState},
		{"versioning on under a lock", locked, objects.SetVersioning(objects.VersioningEnabled), nil},
		{"versioning off under replication", replicated, objects.SetVersioning(objects.VersioningSuspended), objects.ErrState},

		{"lock", versioned, objects.SetLock(objects.LockConfig{}), nil},
		{"lock by days", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: 36_500}), nil},
		{"lock by years", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Compliance, Years: 100}), nil},
		{"lock without versions", objects.Config{}, objects.SetLock(objects.LockConfig{}), objects.ErrState},
		{"lock with suspended versions", suspended, objects.SetLock(objects.LockConfig{}), objects.ErrState},
		{"lock by both", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: 1, Years: 1}), objects.ErrArgument},
		{"lock by neither", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance}), objects.ErrArgument},
		{"lock without a mode", versioned, objects.SetLock(objects.LockConfig{Days: 1}), objects.ErrArgument},
		{"lock by another mode", versioned, objects.SetLock(objects.LockConfig{Mode: "FIRM", Days: 1}), objects.ErrArgument},
		{"lock too long", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: 36_501}), objects.ErrArgument},
		{"lock for too many years", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance, Years: 101}), objects.ErrArgument},
		{"lock back in time", versioned, objects.SetLock(objects.LockConfig{Mode: objects.Governance, Days: -1}), objects.ErrArgument},

		{"policy", objects.Config{}, objects.SetProtection(objects.Protection{Minimum: 0, Default: 0, Maximum: 365_243}), nil},
		{"policy out of order", objects.Config{}, objects.SetProtection(objects.Protection{Minimum: 2, Default: 1, Maximum: 3}), objects.ErrArgument},
		{"policy too long", objects.Config{}, objects.SetProtection(objects.Protection{Maximum: 365_244}), objects.ErrArgument},
		{"policy with versions", versioned, objects.SetProtection(objects.Protection{}), objects.ErrState},
		{"policy with suspended versions", suspended, objects.SetProtection(objects.Protection{}), objects.ErrState},
		{"policy changed", protected, objects.SetProtection(objects.Protection{Maximum: 9, Permanent: true}), nil},
		{"policy no longer permanent", protected, objects.SetProtection(objects.Protection{Maximum: 9}), objects.ErrState},

		{"public", objects.Config{}, objects.SetACL(objects.ACLPublicRead), nil},
		{"public where that is blocked", blocked, objects.SetACL(objects.ACLPublicRead), objects.ErrPublicBlocked},
		{"private where public is blocked", blocked, objects.SetACL(objects.ACLPrivate), nil},
		{"another ACL", objects.Config{}, objects.SetACL("authenticated-read"), objects.ErrArgument},
		{"block", objects.Config{}, objects.SetPublicAccess(&objects.PublicAccessBlock{}), nil},

		{"replication", versioned, objects.SetReplication(document), nil},
		{"replication without versions", objects.Config{}, objects.SetReplication(document), objects.ErrState},
		{"replication of nothing", versioned, objects.SetReplication(&objects.Replication{}), objects.ErrArgument},
		{"no replication", objects.Config{}, objects.SetReplication(nil), nil},

		{"quota", objects.Config{}, objects.SetQuota(1), nil},
		{"negative quota", objects.Config{}, objects.SetQuota(-1), objects.ErrArgument},
		{"activity", objects.Config{}, objects.SetActivity(&objects.ActivityTracking{CRN: "crn:v1:bluemix:public:logdnaat:us-south:a/a:b::"}), nil},
		{"activity nowhere", objects.Config{}, objects.SetActivity(&objects.ActivityTracking{CRN: "there"}), objects.ErrArgument},
		{"metrics", objects.Config{}, objects.SetMetrics(&objects.MetricsMonitoring{}), nil},
		{"metrics nowhere", objects.Config{}, objects.SetMetrics(&objects.MetricsMonitoring{CRN: "there"}), objects.ErrArgument},
	} {
		b := objects.Bucket{Config: c.was}
		if err := c.change(&b, time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCORSRules(t *testing.T) {
	rule := func(change func(*objects.CORSRule)) []objects.CORSRule {
		r := objects.CORSRule{Origins: []string{"https://*.example.com"}, Methods: []string{"GET", "HEAD"}, Headers: []string{"x-*"}}
		change(&r)
		return []objects.CORSRule{r}
	}
	for _, c := range []struct {
		name  string
		rules []objects.CORSRule
		want  error
	}{
		{"a rule", rule(func(*objects.CORSRule) {}), nil},
		{"none", nil, nil},
		{"101 rules", make([]objects.CORSRule, 101), objects.ErrArgument},
		{"no origin", rule(func(r *objects.CORSRule) { r.Origins = nil }), objects.ErrArgument},
		{"no method", rule(func(r *objects.CORSRule) { r.Methods = nil }), objects.ErrArgument},
		{"two stars in an origin", rule(func(r *objects.CORSRule) { r.Origins = []string{"*.*"} }), objects.ErrArgument},
		{"two stars in a header", rule(func(r *objects.CORSRule) { r.Headers = []string{"**"} }), objects.ErrArgument},
		{"a star to expose", rule(func(r *objects.CORSRule) { r.Expose = []string{"*"} }), objects.ErrArgument},
		{"another method", rule(func(r *objects.CORSRule) { r.Methods = []string{"PATCH"} }), objects.ErrArgument},
		{"method in small letters", rule(func(r *objects.CORSRule) { r.Methods = []string{"get"} }), objects.ErrArgument},
		{"age below 0", rule(func(r *objects.CORSRule) { r.MaxAge = days(-1) }), nil},
		{"a header of two words", rule(func(r *objects.CORSRule) { r.Headers = []string{"x-amz date"} }), objects.ErrArgument},
		{"a header with a colon to expose", rule(func(r *objects.CORSRule) { r.Expose = []string{"x:y"} }), objects.ErrArgument},
		{"a long ID", rule(func(r *objects.CORSRule) { r.ID = strings.Repeat("x", 256) }), objects.ErrArgument},
	} {
		b := objects.Bucket{}
		if err := objects.SetCORS(c.rules)(&b, time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestCORSRuleAllows(t *testing.T) {
	r := objects.CORSRule{Origins: []string{"https://*.example.com", "http://localhost"}, Methods: []string{"GET"}, Headers: []string{"X-Amz-*", "range"}}
	for _, c := range []struct {
		origin, method string
		headers        []string
		want           bool
	}{
		{"https://a.example.com", "GET", nil, true},
		{"https://.example.com", "GET", []string{"x-amz-date", "Range"}, true},
		{"https://example.com", "GET", nil, false},
		{"https://a.example.com.evil", "GET", nil, false},
		{"HTTPS://a.example.com", "GET", nil, false},
		{"http://localhost", "PUT", nil, false},
		{"http://localhost", "GET", []string{"authorization"}, false},
		{"http://localhost:80", "GET", nil, false},
	} {
		if got := r.Allows(c.origin, c.method, c.headers); got != c.want {
			t.Errorf("%s from %s with %v: %v", c.method, c.origin, c.headers, got)
		}
	}
}

func TestWebsiteRules(t *testing.T) {
	rule := func(r objects.RoutingRule) *objects.Website {
		return &objects.Website{Index: "index.html", Rules: []objects.RoutingRule{r}}
	}
	for _, c := range []struct {
		name string
		site *objects.Website
		want error
	}{
		{"none", nil, nil},
		{"index", &objects.Website{Index: "index.html", Error: "sorry/error.html"}, nil},
		{"no index", &objects.Website{Error: "error.html"}, objects.ErrArgument},
		{"index in a folder", &objects.Website{Index: "a/index.html"}, objects.ErrArgument},
		{"redirection of all", &objects.Website{Redirect: &objects.Redirect{Host: "example.com", Protocol: "https"}}, nil},
		{"redirection to nowhere", &objects.Website{Redirect: &objects.Redirect{Protocol: "https"}}, objects.ErrArgument},
		{"redirection beside an index", &objects.Website{Index: "i", Redirect: &objects.Redirect{Host: "example.com"}}, objects.ErrArgument},
		{"redirection of all to one key", &objects.Website{Redirect: &objects.Redirect{Host: "example.com", Key: "k"}}, objects.ErrArgument},
		{"rule", rule(objects.RoutingRule{Status: "404", Prefix: "docs/", Redirect: objects.Redirect{Prefix: "documents/", Code: "301"}}), nil},
		{"rule for a success", rule(objects.RoutingRule{Status: "200", Redirect: objects.Redirect{Key: "k"}}), objects.ErrArgument},
		{"rule without effect", rule(objects.RoutingRule{Prefix: "a"}), objects.ErrArgument},
		{"rule to key and prefix", rule(objects.RoutingRule{Redirect: objects.Redirect{Key: "k", Prefix: "p"}}), objects.ErrArgument},
		{"rule with another protocol", rule(objects.RoutingRule{Redirect: objects.Redirect{Protocol: "javascript"}}), objects.ErrArgument},
		{"rule to a host with a path", rule(objects.RoutingRule{Redirect: objects.Redirect{Host: "example.com/x"}}), objects.ErrArgument},
		{"rule with line breaks", rule(objects.RoutingRule{Redirect: objects.Redirect{Host: "example.com\r\nSet-Cookie:"}}), objects.ErrArgument},
		{"rule with the status of an error", rule(objects.RoutingRule{Redirect: objects.Redirect{Key: "k", Code: "404"}}), objects.ErrArgument},
		{"rule with a choice", rule(objects.RoutingRule{Redirect: objects.Redirect{Key: "k", Code: "300"}}), objects.ErrArgument},
		{"rule with a number of four digits", rule(objects.RoutingRule{Redirect: objects.Redirect{Key: "k", Code: "0301"}}), objects.ErrArgument},
	} {
		b := objects.Bucket{}
		if err := objects.SetWebsite(c.site)(&b, time.Now()); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestConfigurationIsSeenAtOnce(t *testing.T) {
	s := newStage(t)
	made := s.NewBucket(t, s.who, s.in, "bucket", "")
	site := &objects.Website{Index: "index.html"}
	s.Clock.Advance(time.Minute)
	if rules, err := s.CORS(t.Context(), "bucket"); len(rules) != 0 || err != nil {
		t.Errorf("CORS before: %v, %v", rules, err)
	}
	if _, err := s.Site(t.Context(), "bucket"); !errors.Is(err, objects.ErrNoConfig) {
		t.Errorf("website before: %v", err)
	}
	s.configure(t, "bucket", objects.SetWebsite(site))
	b := s.configure(t, "bucket", objects.SetCORS([]objects.CORSRule{{Origins: []string{"*"}, Methods: []string{"GET"}}}))
	if b.Revision <= made.Revision || !b.Updated.Equal(s.Clock.Now()) || b.ETag() == made.ETag() {
		t.Errorf("revision %d at %v after %d", b.Revision, b.Updated, made.Revision)
	}
	if rules, err := s.CORS(t.Context(), "bucket"); len(rules) != 1 || err != nil {
		t.Errorf("CORS: %v, %v", rules, err)
	}
	if got, err := s.Site(t.Context(), "bucket"); got.Index != site.Index || err != nil {
		t.Errorf("website: %v, %v", got, err)
	}
	if rules, err := s.CORS(t.Context(), "nowhere"); rules != nil || err != nil {
		t.Errorf("CORS of no bucket: %v, %v", rules, err)
	}
	if _, err := s.Site(t.Context(), "nowhere"); !errors.Is(err, objects.ErrNoBucket) {
		t.Errorf("website of no bucket: %v", err)
	}
}

func TestConcurrentChangesAllCount(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	done := make(chan error)
	for n := range 8 {
		go func() {
			_, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutQuota, "bucket", func(b *objects.Bucket, _ time.Time) error {
				b.Quota += int64(1) << n
				return nil
			})
			done <- err
		}()
	}
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	b, err := s.Bucket(t.Context(), s.who, objects.ActionBucketGetQuota, "bucket")
	if b.Quota != 255 || err != nil {
		t.Errorf("quota %d, %v", b.Quota, err)
	}
}

func TestFirstRetentionPolicyNeedsAnEmptyBucket(t *testing.T) {
	s := newStage(t)
	s.NewBucket(t, s.who, s.in, "bucket", "")
	s.put(t, "bucket", "a")
	set := func(maximum int) error {
		_, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutProtection, "bucket",
			objects.SetProtection(objects.Protection{Maximum: maximum}))
		return err
	}
	if err := set(10); !errors.Is(err, objects.ErrState) {
		t.Errorf("on a bucket that holds something: %v", err)
	}
	if _, err := s.Remove(t.Context(), s.who, objects.Remove{Bucket: "bucket", Key: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := set(10); err != nil {
		t.Errorf("on an empty bucket: %v", err)
	}
	s.put(t, "bucket", "b")
	if err := set(20); err != nil {
		t.Errorf("changing it: %v", err)
	}
}

// TestRegistrationFollowsTheLock sees that a root key cannot be deleted by force while a bucket is locked.
func TestRegistrationFollowsTheLock(t *testing.T) {
	for name, change := range map[string]objects.Change{
		"versioned":   objects.SetLock(objects.LockConfig{}),
		"unversioned": objects.SetProtection(objects.Protection{Maximum: 1}),
	} {
		s := newStage(t)
		b := s.NewBucket(t, s.who, s.in, name, s.root.String())
		if name == "versioned" {
			s.configure(t, name, objects.SetVersioning(objects.VersioningEnabled))
		}
		prevented := func() bool {
			reg, ok := s.RootKeys.Registration(s.root, b.CRN())
			if !ok {
				t.Fatalf("%s: no registration", name)
			}
			return reg.Prevent
		}
		if prevented() {
			t.Errorf("%s: prevented before", name)
		}
		s.RootKeys.Down(true)
		if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutObjectLockConfiguration, name, change); !errors.Is(err, objects.ErrRootService) {
			t.Errorf("%s: without the key service: %v", name, err)
		}
		s.RootKeys.Down(false)
		s.Store.Steps.Before(func(step string) error {
			if step == "UpdateBucket" || step == "UpdateEmptyBucket" {
				return objectstest.ErrBroken
			}
			return nil
		})
		if _, err := s.Configure(t.Context(), s.who, objects.ActionBucketPutObjectLockConfiguration, name, change); !errors.Is(err, objectstest.ErrBroken) {
			t.Errorf("%s: with a broken store: %v", name, err)
		}
		s.Store.Steps.Reset()
		if prevented() {
			t.Errorf("%s: prevented by a change that did not come about", name)
		}
		s.configure(t, name, change)
		if !prevented() {
			t.Errorf("%s: not prevented", name)
		}
	}
}
