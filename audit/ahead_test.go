package audit_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
)

func (h *house) ahead(t *testing.T, anchors audit.Anchors) (audit.Lead, bool) {
	t.Helper()
	o := audit.VerifyOptions{Server: "server-1", Keys: h.keys(), Anchors: anchors}
	lead, ahead, err := audit.Ahead(t.Context(), o.WithFiles(h.files))
	if err != nil {
		t.Fatal(err)
	}
	return lead, ahead
}

// TestALogThatIsAheadOfItsAnchors of a database restored from an older copy, that is.
func TestALogThatIsAheadOfItsAnchors(t *testing.T) {
	h := finished(t)
	all := h.anchors.kept
	if len(all) < 3 {
		t.Fatalf("only %d checkpoints", len(all))
	}
	if lead, ahead := h.ahead(t, h.anchors); ahead {
		t.Errorf("with all checkpoints: %+v", lead)
	}
	older := &memAnchors{kept: all[:len(all)-2]}
	lead, ahead := h.ahead(t, older)
	if !ahead || lead.Log.Sequence != all[len(all)-1].Sequence || lead.Anchor.Sequence != all[len(all)-3].Sequence {
		t.Errorf("without the last two: ahead %v, %+v", ahead, lead)
	}
	if len(older.kept) != len(all)-2 {
		t.Error("the older copy was brought up to date")
	}
	if _, ahead := h.ahead(t, &memAnchors{}); !ahead {
		t.Error("without any: not ahead")
	}
}

func TestTheCheckpointThatACrashKeptBackIsHandedOver(t *testing.T) {
	h := finished(t)
	all := h.anchors.kept
	anchors := &memAnchors{kept: all[:len(all)-1]}
	if lead, ahead := h.ahead(t, anchors); ahead {
		t.Fatalf("without the last: %+v", lead)
	}
	if diff := cmp.Diff(all[len(all)-1], anchors.kept[len(anchors.kept)-1]); diff != "" {
		t.Error(diff)
	}
}

func TestForeignCheckpointsDoNotCount(t *testing.T) {
	h := finished(t)
	lead, ahead, err := audit.Ahead(t.Context(), audit.VerifyOptions{Server: "server-1", Anchors: &memAnchors{}}.WithFiles(h.files))
	if err != nil || ahead {
		t.Errorf("without a key: ahead %v, %+v, %v", ahead, lead, err)
	}
}

func TestNoLogIsNotAhead(t *testing.T) {
	o := audit.VerifyOptions{Dir: filepath.Join(t.TempDir(), "none"), Server: "server-1", Anchors: &memAnchors{}}
	if lead, ahead, err := audit.Ahead(t.Context(), o); err != nil || ahead {
		t.Errorf("ahead %v, %+v, %v", ahead, lead, err)
	}
}

func TestAWitnessKeepsTheNewestOfEachServer(t *testing.T) {
	w, err := audit.NewFolderWitness(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	h := finished(t)
	first, last := h.anchors.kept[0], h.anchors.kept[len(h.anchors.kept)-1]
	other := first
	other.Server = "server-2"
	for _, c := range []audit.Checkpoint{first, other, last} {
		if err := w.Keep(t.Context(), c); err != nil {
			t.Fatal(err)
		}
	}
	kept, err := w.Kept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]audit.Checkpoint{last, other}, kept); diff != "" {
		t.Error(diff)
	}
	if err := kept[0].Verify(&h.key.PublicKey); err != nil {
		t.Error(err)
	}
}

func TestAWitnessIsAFolderThatExists(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, file + ".none"} {
		if _, err := audit.NewFolderWitness(path); err == nil {
			t.Errorf("%s: accepted", path)
		}
	}
}

func TestAWitnessWritesNowhereElse(t *testing.T) {
	w, err := audit.NewFolderWitness(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range []string{"", "../server", "a/b", ".hidden"} {
		if err := w.Keep(t.Context(), audit.Checkpoint{Server: server}); err == nil {
			t.Errorf("server %q: kept", server)
		}
	}
}
