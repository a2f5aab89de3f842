package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/test/process"
)

// TestKillWhileObjectsAreWritten kills the server without warning while objects are put, uploaded in parts,
// copied and deleted, while their bucket moves to another root key and back, and while storage nodes are
// emptied. After every start each object is what was acknowledged, byte for byte, or what was asked for and
// not answered. In the end all jobs have come to their end, and when everything is deleted no slice is left.
func TestKillWhileObjectsAreWritten(t *testing.T) {
	kills, workers := 6, 4
	if soak() {
		kills = 100
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))

	place := process.NewPlace(t, process.Build(t))
	server := place.Start(t)
	token := server.Token(t)
	s := newStore(t, server, token)
	s.authorize(t)
	roots := []string{s.rootKey(t, "first", ""), s.rootKey(t, "second", "")}
	buckets := []string{"moving", "staying"}
	s.bucket(t, "moving", roots[0])
	s.bucket(t, "staying", "")
	book := newObjectLedger(workers, func(i int) string { return buckets[i%2] })
	drained := 0
	for cycle := range kills {
		s := newStore(t, server, token)
		for _, on := range book.shelves {
			prepareUpload(t, s, on, r)
		}
		workOnObjects(t, s, book, r, func() {
			switch cycle % 3 {
			case 0, 1:
				s.startJob(t, "rekey", map[string]any{"root_key_crn": roots[(cycle+1)%2], "reencrypt": cycle%3 == 0})
			default:
				s.rotate(t, roots[r.IntN(2)])
				s.startJob(t, "rewrap", map[string]any{})
			}
			if drained < 2 && cycle%2 == 1 {
				drained++
				s.exchangeNode(t, place.Data, drained)
			}
			book.await(t, 10) // however slow the machine is
			time.Sleep(time.Duration(r.IntN(500)) * time.Millisecond)
			server.Kill()
		})
		server = place.Start(t)
		compareObjects(t, newStore(t, server, token), book)
		if t.Failed() {
			t.Fatalf("after kill %d: %v\n%s", cycle+1, book, tail(server.Output(t)))
		}
	}
	s = newStore(t, server, token)
	s.jobsDone(t, "moving")
	for _, b := range buckets {
		s.control(t, http.MethodPost, "/strongroom/v1/buckets/"+b+"/verify", map[string]any{}, nil)
		s.jobsDone(t, b)
	}
	compareObjects(t, s, book)
	clear := deleteEverything(t, s, book, buckets)
	server.Stop(t)
	server = place.Start(t) // which looks for what is to be collected at once
	wantNoSlices(t, place.Data)
	server.Stop(t)
	if out, err := exec.Command(place.Binary, "audit", "verify", "--data", place.Data).CombinedOutput(); err != nil {
		t.Errorf("audit verify: %v\n%s", err, out)
	}
	t.Logf("%d kills: %v; %d objects at the end", kills, book, clear)
	if book.puts < kills {
		t.Errorf("too little was done to show anything: %v", book)
	}
}

// workOnObjects lets one worker for each shelf load the server until disaster has struck and all of them
// have noticed.
func workOnObjects(t *testing.T, s *store, book *objectLedger, r *rand.Rand, disaster func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, on := range book.shelves {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		wg.Go(func() {
			for {
				err := changeObject(ctx, s, book, on, own)
				if errors.Is(err, errNoAnswer) {
					return
				}
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	disaster()
	cancel()
	wg.Wait()
}

// changeObject does one thing at random and writes what was acknowledged into the book.
func changeObject(ctx context.Context, s *store, book *objectLedger, on *shelf, r *rand.Rand) error {
	const embedded, several = 64 << 10, 3 << 20
	i := r.IntN(keysOnShelf)
	var a answer
	var err error
	counter := &book.puts
	switch dice := r.IntN(100); {
	case dice < 40:
		to := newContent(r, embedded)
		on.begin(i, to)
		a, _, err = s.ask(ctx, http.MethodPut, on.key(i), to.bytes())
	case dice < 75:
		to := newContent(r, several)
		on.begin(i, to)
		a, _, err = s.ask(ctx, http.MethodPut, on.key(i), to.bytes())
	case dice < 90 && on.ready != nil:
		ready := *on.ready
		on.ready = nil // it cannot be told from outside whether an unanswered completion was carried out
		i = ready.key
		on.begin(i, ready.content)
		counter = &book.uploads
		a, err = s.complete(ctx, on.key(i), ready.upload)
	default:
		on.begin(i, content{})
		counter = &book.deletions
		a, _, err = s.ask(ctx, http.MethodDelete, on.key(i), nil)
	}
	switch {
	case err != nil:
		book.count(&book.doubts)
		return errNoAnswer
	case a.status == http.StatusServiceUnavailable: // on a machine so busy that storage nodes seem to hang
		book.count(&book.doubts)
		return nil
	case a.status/100 != 2:
		return fmt.Errorf("writing %s: %d %s", on.key(i), a.status, a.body)
	}
	on.done(i)
	book.count(counter)
	return nil
}

// prepareUpload uploads the parts of an object, which the work then completes.
func prepareUpload(t *testing.T, s *store, on *shelf, r *rand.Rand) {
	t.Helper()
	if on.ready != nil {
		return
	}
	const part, last = 5 << 20, 64 << 10
	to := newContent(r, last)
	to.size += part
	all := to.bytes()
	key := r.IntN(keysOnShelf)
	u, a, err := s.uploadParts(t.Context(), on.key(key), [][]byte{all[:part], all[part:]})
	if err != nil || a.status != http.StatusOK {
		t.Fatalf("uploading parts: %d %s (%v)", a.status, a.body, err)
	}
	on.ready = &prepared{key, to, u}
}

// compareObjects holds the server against the book.
func compareObjects(t *testing.T, s *store, book *objectLedger) {
	t.Helper()
	for _, on := range book.shelves {
		for _, i := range on.written() {
			a, err := s.read(t.Context(), on.key(i))
			if err != nil || a.status != http.StatusOK && a.status != http.StatusNotFound {
				t.Errorf("reading %s: %d %s (%v)", on.key(i), a.status, a.body, err)
			} else if err := on.found(i, a.body, a.status == http.StatusOK); err != nil {
				t.Error(err)
			}
		}
	}
}

// startJob starts a job on the bucket that moves, unless another is not done yet.
func (s *store) startJob(t *testing.T, kind string, body any) {
	t.Helper()
	a, err := s.do(t.Context(), http.MethodPost, "/strongroom/v1/buckets/moving/"+kind, body)
	if err != nil || a.status != http.StatusAccepted && a.status != http.StatusConflict {
		t.Errorf("%s: %d %s (%v)", kind, a.status, a.body, err)
	}
}

// rotate makes a new version of a root key.
func (s *store) rotate(t *testing.T, root string) {
	t.Helper()
	id := root[strings.LastIndexByte(root, ':')+1:]
	s.control(t, http.MethodPost, "/api/v2/keys/"+id+"/actions/rotate", nil, nil)
}

// exchangeNode adds a storage node and begins to empty another.
func (s *store) exchangeNode(t *testing.T, data string, n int) {
	t.Helper()
	folder := url.URL{Scheme: "file", Path: filepath.Join(data, "nodes", fmt.Sprintf("spare-%d", n))}
	s.control(t, http.MethodPost, "/strongroom/v1/nodes", map[string]any{"name": fmt.Sprintf("spare-%d", n), "site": "local", "url": folder.String()}, nil)
	s.control(t, http.MethodPost, fmt.Sprintf("/strongroom/v1/nodes/local-%d/drain", n), map[string]any{}, nil)
}

// deleteEverything deletes all objects and what was uploaded of others, and then the buckets, which shows
// that nothing else was in them. It returns how many objects there were.
func deleteEverything(t *testing.T, s *store, book *objectLedger, buckets []string) (count int) {
	t.Helper()
	for _, on := range book.shelves {
		for _, i := range on.written() {
			if on.may[i][0] != (content{}) {
				count++
			}
			s.must(t, http.MethodDelete, on.key(i), nil)
		}
	}
	for _, b := range buckets {
		for _, u := range s.openUploads(t, b) {
			s.must(t, http.MethodDelete, "/"+b+"/"+u.Key+"?uploadId="+u.ID, nil)
		}
		s.must(t, http.MethodDelete, "/"+b, nil)
	}
	return count
}

// wantNoSlices waits until no storage node holds a slice any more.
func wantNoSlices(t *testing.T, data string) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		left := slicesBelow(t, filepath.Join(data, "nodes"))
		if len(left) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d slices are left that nothing refers to, such as %s", len(left), left[0])
		}
	}
}

// slicesBelow lists the slices in the folders of storage nodes.
func slicesBelow(t *testing.T, nodes string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(nodes, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was removed meanwhile
		}
		if err == nil && d.Type().IsRegular() && strings.Contains(path, "/slices/") {
			found = append(found, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
