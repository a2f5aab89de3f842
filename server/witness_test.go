package server

import (
	"context"
	"errors"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"strongroom/audit"
)

// fullWitness keeps checkpoints unless it is full.
type fullWitness struct {
	audit.Witness
	audit.Anchors
	full bool
}

func (w *fullWitness) Keep(context.Context, audit.Checkpoint) error {
	if w.full {
		return errors.New("no space left on /srv/secret-place")
	}
	return nil
}

func (w *fullWitness) SaveCheckpoint(context.Context, audit.Checkpoint) error { return nil }

// TestAWitnessThatKeepsNothingIsSeen where operators look, and the server goes on.
func TestAWitnessThatKeepsNothingIsSeen(t *testing.T) {
	cfg := Config{Data: t.TempDir()}
	if _, err := Bootstrap(t.Context(), cfg, io.Discard, false); err != nil {
		t.Fatal(err)
	}
	err := offline(t.Context(), cfg, io.Discard, func(h *house) error {
		disk, other := &fullWitness{}, &fullWitness{}
		heads := []witness{newWitness(disk, "witness folder /srv/secret-place", "folder"), newWitness(other, "a token", "module:hsm")}
		probe := &health{db: h.db, log: h.audit, rack: h.rack, heads: heads}
		probe.started.Store(true)
		m := newMetrics(h.db)
		m.watchWitnesses(heads)
		failures := 0
		log := witnessed{disk, heads, func(error) { failures++ }}
		at := time.Date(2026, 7, 1, 10, 0, 0, 0, time.UTC)
		for i, c := range []struct {
			full          bool
			ready, metric string
		}{
			{false, "ready\n", `strongroom_audit_witness_failing{witness="folder"} 0`},
			{true, "since 2026-07-01T10:00:01Z", `strongroom_audit_witness_failing{witness="folder"} 1`},
			{true, "since 2026-07-01T10:00:01Z", `strongroom_audit_witness_failing{witness="folder"} 1`},
			{false, "ready\n", `strongroom_audit_witness_failing{witness="folder"} 0`},
		} {
			disk.full = c.full
			if err := log.SaveCheckpoint(t.Context(), audit.Checkpoint{Time: at.Add(time.Duration(i) * time.Second)}); err != nil {
				t.Errorf("checkpoint %d: %v", i, err)
			}
			answer, scraped := httptest.NewRecorder(), httptest.NewRecorder()
			probe.ready(answer, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil))
			m.handler().ServeHTTP(scraped, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
			text := answer.Body.String()
			if answer.Code != 200 || !strings.HasPrefix(text, "ready\n") || !strings.Contains(text, c.ready) {
				t.Errorf("checkpoint %d: %d %q, want %q", i, answer.Code, text, c.ready)
			}
			if strings.Contains(text, "warning") != c.full || strings.Contains(text, "secret-place") {
				t.Errorf("checkpoint %d: %q", i, text)
			}
			if page := scraped.Body.String(); !strings.Contains(page, c.metric) || !strings.Contains(page, `{witness="module:hsm"} 0`) {
				t.Errorf("checkpoint %d: the metrics lack %s", i, c.metric)
			}
		}
		if failures != 2 {
			t.Errorf("%d failures went to the log, want 2", failures)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
