package server

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"strongroom/iam"
)

// TestResetWithdrawsTheKeysOfTheFile also after a start or a reset that was cut
// short between writing the file and remembering which key is in it.
func TestResetWithdrawsTheKeysOfTheFile(t *testing.T) {
	for name, crash := range map[string]func(t *testing.T, cfg Config){
		"whole": func(*testing.T, Config) {},
		"first cut": func(t *testing.T, cfg Config) {
			tamper(t, cfg.Data, `DELETE FROM settings WHERE name = $1`, settingKey)
		},
		"second cut": func(t *testing.T, cfg Config) {
			err := offline(t.Context(), cfg, io.Discard, func(h *house) error {
				return h.db.SetSetting(t.Context(), settingKey, "ApiKey-older")
			})
			if err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := Config{Data: emptied(t), Now: time.Now}
			bootstrap := func(reset bool) string {
				t.Helper()
				if _, err := Bootstrap(context.Background(), cfg, io.Discard, reset); err != nil {
					t.Fatal(err)
				}
				kept, err := readCredentials(filepath.Join(cfg.Data, credentialsFile))
				if err != nil {
					t.Fatal(err)
				}
				return kept["STRONGROOM_API_KEY"]
			}
			old := bootstrap(false)
			crash(t, cfg)
			fresh := bootstrap(true)
			if fresh == old {
				t.Fatal("the key is still the same")
			}
			err := offline(t.Context(), cfg, io.Discard, func(h *house) error {
				if _, err := h.identities.TokenForAPIKey(t.Context(), iam.ClientNone, fresh, nil); err != nil {
					return err
				}
				_, err := h.identities.TokenForAPIKey(t.Context(), iam.ClientNone, old, nil)
				return err
			})
			if !errors.Is(err, iam.ErrUnknownAPIKey) {
				t.Errorf("the old key gives %v, want %v", err, iam.ErrUnknownAPIKey)
			}
		})
	}
}

// TestIBMsIssuerIsForTheFirstStart: later it could not be taken, and must not seem to be.
func TestIBMsIssuerIsForTheFirstStart(t *testing.T) {
	reopen := func(c Config) error {
		c.Listen, c.S3Listen = "127.0.0.1:0", "127.0.0.1:0"
		s, err := Open(t.Context(), c, io.Discard)
		if err != nil {
			return err
		}
		return s.Close()
	}
	ours, theirs := Config{Data: t.TempDir()}, Config{Data: t.TempDir(), IBMIssuer: true}
	for _, c := range []Config{ours, theirs, theirs} {
		if err := reopen(c); err != nil {
			t.Fatal(err)
		}
	}
	ours.IBMIssuer = true
	if err := reopen(ours); err == nil || !strings.Contains(err.Error(), "ibm_issuer") {
		t.Errorf("got %v, want a refusal that names ibm_issuer", err)
	}
}

// TestTheFirstStartTakesARelativeFolder as "make run" has it, also for the storage nodes inside.
func TestTheFirstStartTakesARelativeFolder(t *testing.T) {
	t.Chdir(t.TempDir())
	s, err := Open(t.Context(), Config{Data: "data", Listen: "127.0.0.1:0", S3Listen: "127.0.0.1:0"}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}
