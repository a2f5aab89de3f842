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
		"not YAML":       {"listen: [\n", "line"},
		"two documents":  {"region: eu-de\n---\nlisten: somewhere\n", "only one YAML document"},
		"address":        {"listen: somewhere\n", "host:port"},
		"URL with path":  {"public_url: https://keys.example.com/api\n", "public_url"},
		"plain HTTP":     {"s3_url: http://objects.example.com\n", "s3_url"},
		"half of a pair": {"tls:\n  cert_file: a.pem\n", "tls.key_file"},
		"both sealings":  {"custody:\n  key_file: a\n  passphrase_file: b\n", "exclude"},
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
