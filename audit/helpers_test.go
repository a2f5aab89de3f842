// The module's own random generator measures the jitter of the clock when it starts, and the clock of
// a synctest bubble stands still: these tests run without it.
//
//go:debug fips140=off

package audit_test

import (
	"cmp"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"strongroom/audit"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memAnchors is a database of checkpoints.
type memAnchors struct {
	mu   sync.Mutex
	kept []audit.Checkpoint
	fail error
}

func (a *memAnchors) SaveCheckpoint(_ context.Context, c audit.Checkpoint) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fail != nil {
		return a.fail
	}
	a.kept = append(a.kept, c)
	return nil
}

func (a *memAnchors) LastCheckpoint(_ context.Context, server string) (audit.Checkpoint, bool, error) {
	all, err := a.Checkpoints(context.Background(), server, 0)
	if len(all) == 0 {
		return audit.Checkpoint{}, false, err
	}
	return all[len(all)-1], true, err
}

func (a *memAnchors) Checkpoints(_ context.Context, server string, after uint64) ([]audit.Checkpoint, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	var out []audit.Checkpoint
	for _, c := range a.kept {
		if c.Server == server && c.Sequence > after {
			out = append(out, c)
		}
	}
	slices.SortStableFunc(out, func(x, y audit.Checkpoint) int { return cmp.Compare(x.Sequence, y.Sequence) })
	return out, nil
}

// house is what surrounds a log.
type house struct {
	key     *ecdsa.PrivateKey
	anchors *memAnchors
	options audit.Options
	files   *audit.MemFiles
}

// newHouse returns options for a log in memory with segments of about 4 kB.
func newHouse(t testing.TB) *house {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	h := &house{key: key, anchors: &memAnchors{}, files: audit.NewMemFiles()}
	h.options = audit.Options{
		Server: "server-1", Signer: audit.NewSigner("key-1", key), Anchors: h.anchors,
		Now: time.Now, SegmentBytes: 4096,
		OnError: func(err error) { t.Log("log:", err) },
	}
	return h
}

func (h *house) open(t testing.TB) *audit.Log {
	t.Helper()
	l, err := audit.Open(t.Context(), h.options.WithFiles(h.files))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func (h *house) verify(t testing.TB, anchors audit.Anchors) audit.Report {
	t.Helper()
	r, err := audit.Verify(t.Context(), audit.VerifyOptions{
		Keys: map[string]*ecdsa.PublicKey{"key-1": &h.key.PublicKey}, Anchors: anchors,
	}.WithFiles(h.files))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// verifyOK fails the test if the log has a problem.
func (h *house) verifyOK(t testing.TB) audit.Report {
	t.Helper()
	r := h.verify(t, h.anchors)
	for _, p := range r.Problems {
		t.Errorf("problem: %v", p)
	}
	return r
}

func closeLog(t testing.TB, l *audit.Log) {
	t.Helper()
	if err := l.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Fatal(err)
	}
}

func appendAll(t testing.TB, l *audit.Log, events ...*audit.Event) {
	t.Helper()
	for _, e := range events {
		if err := l.Append(t.Context(), e); err != nil {
			t.Fatal(err)
		}
	}
}

// wrapEvent is an event like those of the hot path.
func wrapEvent(n int) *audit.Event {
	const instance = "crn:v1:bluemix:public:kms:us-south:a/acc-1:inst-1:"
	return &audit.Event{
		Time:   time.Date(2026, 7, 1, 10, 11, 12, 340e6, time.UTC).Add(time.Duration(n) * time.Second),
		Action: "kms.secrets.wrap", Outcome: audit.Success,
		Message:       fmt.Sprintf("Key Protect: wrap key payments-%d", n),
		CorrelationID: fmt.Sprintf("0f0e0000-0000-4000-8000-%012d", n),
		DataEvent:     true, LogSourceCRN: instance + ":", Account: "acc-1",
		Initiator: audit.Initiator{
			ID: "iam-ServiceId-1234", Name: "ci", TypeURI: "service/security/account/serviceid",
			AuthnID: "iam-ServiceId-1234", AuthnName: "ci", CredentialType: "token",
			Host: audit.Host{Address: "192.0.2.10", AddressType: "IPv4", Agent: "Go-http-client/1.1"},
		},
		Target:       audit.Target{ID: instance + "key:key-1", Name: "payments-crk", TypeURI: "kms/secrets"},
		Reason:       audit.Reason{Code: 200, Type: "OK"},
		RequestData:  map[string]any{"requestURI": "/api/v2/keys/key-1/actions/wrap", "instanceID": "inst-1"},
		ResponseData: map[string]any{"keyVersionId": "ver-1", "keyRingId": "default"},
	}
}

// messages returns what the log holds of wrapEvent's kind, oldest first.
func messages(t testing.TB, l *audit.Log) []string {
	t.Helper()
	var out []string
	q := audit.Query{Action: "kms.*", Limit: 7}
	for {
		p, err := l.Search(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range p.Events {
			out = append(out, e.Message)
		}
		if p.Next == "" {
			slices.Reverse(out)
			return out
		}
		q.Cursor = p.Next
	}
}

// find returns the events with an action, newest first.
func find(t testing.TB, l *audit.Log, action string) []*audit.Event {
	t.Helper()
	p, err := l.Search(t.Context(), audit.Query{Action: action, Limit: 1000})
	if err != nil {
		t.Fatal(err)
	}
	return p.Events
}
