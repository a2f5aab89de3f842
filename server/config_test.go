package server

import (
	"strings"
	"testing"
	"time"
)

func TestConfig(t *testing.T) {
	c, err := parseConfig("c.yaml", []byte("listen: 127.0.0.1:1\naudit:\n  retention_days: 30\nkeys:\n  rotation_wait: 1h\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Data = t.TempDir()
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.Listen != "127.0.0.1:1" || c.S3Listen != "127.0.0.1:9443" || c.Region != "us-south" ||
		c.Audit.RetentionDays != 30 || c.Audit.SegmentMiB != 64 || c.Keys.RotationWait != time.Hour {
		t.Errorf("got %+v", c)
	}
	if _, err := parseConfig("c.yaml", nil); err != nil {
		t.Errorf("an empty file: %v", err)
	}
}

func TestConfigRefuses(t *testing.T) {
	for name, tc := range map[string]struct{ text, want string }{
		"unknown field":  {"listen: 127.0.0.1:1\nlisten_s3: 127.0.0.1:2\n", `line 2: unknown field "listen_s3"`},
		"unknown nested": {"audit:\n  days: 3\n", `line 2: unknown field "days"`},
		"wrong type":     {"audit:\n  retention_days: many\n", "line 2"},
		"no duration":    {"region: eu-de\nkeys:\n  purge_wait: soon\n", "line 3: keys.purge_wait"},
		"not YAML":       {"listen: [\n", "line"},
		"empty document": {"---\n# nothing\n---\nlisten: somewhere\n", "empty YAML document"},
		"two documents":  {"region: eu-de\n---\nlisten: somewhere\n", "only one YAML document"},
		"address":        {"listen: somewhere\n", "host:port"},
		"URL with path":  {"public_url: https://keys.example.com/api\n", "public_url"},
		"plain HTTP":     {"s3_url: http://objects.example.com\n", "s3_url"},
		"half of a pair": {"tls:\n  cert_file: a.pem\n", "tls.key_file"},
		"both sealings":  {"custody:\n  key_file: a\n  passphrase_file: b\n", "exclude"},
		"domain as URL":  {"s3_domain: https://s3.example.com\n", "s3_domain"},
		"domain by port": {"s3_domain: s3.example.com:9443\n", "s3_domain"},
		"domain in caps": {"website_domain: Web.example.com\n", "website_domain"},
		"empty label":    {"s3_domain: .example.com\n", "s3_domain"},
		"address domain": {"s3_domain: 127.0.0.1\n", "s3_domain"},
		"region":         {"region: 'us:south'\n", "region"},
		"log level":      {"log:\n  level: loud\n", "log.level"},
		"negative":       {"audit:\n  retention_days: -1\n", "negative"},
	} {
		c, err := parseConfig("c.yaml", []byte(tc.text))
		if err == nil {
			c.Data = t.TempDir()
			err = c.complete()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, want %q", name, err, tc.want)
		}
	}
}

// TestZeroIsNoDefault: what a file sets to 0 is none of it, or an error that says where.
func TestZeroIsNoDefault(t *testing.T) {
	c, err := parseConfig("c.yaml", []byte("keys: {purge_wait: 0s, sync_wait: 0h0m, rotation_wait: 0s}\nobjects: {embed_kib: 0, name_wait: 0s}\n"))
	if err != nil {
		t.Fatal(err)
	}
	c.Data = t.TempDir()
	if err := c.complete(); err != nil {
		t.Fatal(err)
	}
	if c.Keys.PurgeWait >= 0 || c.Keys.SyncWait >= 0 || c.Objects.EmbedKiB >= 0 {
		t.Errorf("an explicit 0 has become the default: %+v, embed_kib %d", c.Keys, c.Objects.EmbedKiB)
	}
	for text, want := range map[string]string{
		"audit: {retention_days: 0}": "audit.retention_days",
		"audit: {retention_mib: 0}":  "audit.retention_mib",
		"audit: {segment_mib: 0}":    "audit.segment_mib",
		"audit: {reserve_mib: 0x0}":  "audit.reserve_mib",
		"custody: {master_days: 0}":  "custody.master_days",
		"custody: {modules: [{name: a}, {name: b, pkcs11: {sessions: 0}}]}": "custody.modules.pkcs11.sessions",
		"custody: {modules: [{name: b, pkcs11: {cached_keys: 0}}]}":         "custody.modules.pkcs11.cached_keys",
		"objects: {max_buckets: &none 0}":                                   "objects.max_buckets",
		"objects: {scrub_mib: 0}":                                           "objects.scrub_mib",
		"objects: {rebuild_mib: 0}":                                         "objects.rebuild_mib",
		"objects: {profiles: [{name: a, data: 1, total: 1, write: 0}]}":     "objects.profiles.write",
		"objects: {key_service: {poll: 0s}}":                                "objects.key_service.poll",
		"objects: {name_wait: &none 0s, key_service: {poll: *none}}":        "objects.key_service.poll",
	} {
		if _, err := parseConfig("c.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want+": must be more than 0") {
			t.Errorf("%s: %v, want a refusal of %s", text, err, want)
		}
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte("listen: 127.0.0.1:1\n"))
	f.Add([]byte("tls: {cert_file: &a x, key_file: *a}\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parseConfig("c.yaml", text)
		if err == nil {
			c.Data = t.TempDir()
			_ = c.complete()
		}
	})
}

func TestCredentialsSurviveShellAndRestart(t *testing.T) {
	for _, v := range []string{"plain", "crn:v1:a/b::", "with space", "it's", `back\slash`, "$HOME`id`", ""} {
		if got := unquote(quote(v)); got != v {
			t.Errorf("%q came back as %q", v, got)
		}
	}
	if got := quote("it's"); got != `'it'\''s'` {
		t.Errorf("got %s", got)
	}
}
