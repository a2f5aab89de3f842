package audit_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"strongroom/audit"
)

// documented is the example of docs/formats.md.
type documented struct {
	PublicKey string   `json:"publicKey"`
	Digest    string   `json:"digest"`
	Lines     []string `json:"lines"`
}

func readDocumented(t *testing.T) documented {
	t.Helper()
	doc, err := os.ReadFile("../docs/formats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := bytes.Cut(doc, []byte("```json audit-log\n"))
	block, _, closed := bytes.Cut(rest, []byte("```"))
	if !found || !closed {
		t.Fatal("docs/formats.md has no vector of an audit log")
	}
	var v documented
	if err := json.Unmarshal(block, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

func TestDocumentedLogIsVerified(t *testing.T) {
	v := readDocumented(t)
	point, err := hex.DecodeString(v.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
	if err != nil {
		t.Fatal(err)
	}
	files := audit.NewMemFiles()
	files.Put("00000000000000000001.log", []byte(strings.Join(v.Lines, "\n")+"\n"))
	r, err := audit.Verify(t.Context(), audit.VerifyOptions{Keys: map[string]*ecdsa.PublicKey{"key-1": key}}.WithFiles(files))
	if err != nil {
		t.Fatal(err)
	}
	if !r.OK() || r.Events != 1 || r.AfterSigned != 0 || r.Last != uint64(len(v.Lines)) {
		t.Errorf("report: %+v", r)
	}
}

// TestDocumentedHashes computes what the document describes without the package's own code.
func TestDocumentedHashes(t *testing.T) {
	v := readDocumented(t)
	numbers := map[string]byte{"segment": 1, "event": 2, "checkpoint": 3}
	before := make([]byte, sha256.Size)
	for i, text := range v.Lines {
		var l map[string]json.RawMessage
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		for kind, number := range numbers {
			body, ok := l[kind]
			if !ok {
				continue
			}
			b := append([]byte("strongroom/audit/line/1"), before...)
			b = append(b, number)
			b = binary.BigEndian.AppendUint64(b, uint64(i+1))
			b = binary.BigEndian.AppendUint64(b, uint64(len(body)))
			sum := sha256.Sum256(append(b, body...))
			if got := `"` + base64.RawURLEncoding.EncodeToString(sum[:]) + `"`; got != string(l["hash"]) {
				t.Errorf("line %d has hash %s, computed %s", i+1, l["hash"], got)
			}
			before = sum[:]
		}
	}
	var last struct{ Checkpoint audit.Checkpoint }
	if err := json.Unmarshal([]byte(v.Lines[len(v.Lines)-1]), &last); err != nil {
		t.Fatal(err)
	}
	c := last.Checkpoint
	field := func(b []byte, s string) []byte {
		return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	b := field([]byte("strongroom/audit/checkpoint/1"), c.Server)
	b = binary.BigEndian.AppendUint64(b, c.Epoch)
	b = binary.BigEndian.AppendUint64(b, c.Sequence)
	b = append(append(b, c.Hash[:]...), c.Previous[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time.UnixMilli()))
	sum := sha256.Sum256(field(b, c.KeyID))
	if got := hex.EncodeToString(sum[:]); got != v.Digest {
		t.Errorf("digest %s, computed %s", v.Digest, got)
	}
}
