package kms

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash"
	"strings"
	"sync"
	"time"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/lease"
)

// MaxWatched is how many root keys one call of Watch asks about at most.
const MaxWatched = 128

// defaultWatchWait is what remote object stores reckon with: see [Service.Watch].
const defaultWatchWait = 400 * time.Millisecond

// Watched says how the root keys stand that somebody watches.
type Watched struct {
	Keys   []WatchedKey  // in the order in which they were asked for
	Cursor string        // opaque; what to ask with for what changes from now on
	Waited time.Duration // how much later than the request began this was true, at least
}

// WatchedKey says how one of them stands.
type WatchedKey struct {
	Version VersionID // the newest; empty if there is a failure
	Failure error     // what Unwrap would fail with: a refusal, or a state of the key; nil while it can be used
}

// Watch tells how root keys stand, as Standing does, and who calls it again and again learns of every
// change within the time of a wait and a round trip. Without a cursor it answers at once. With the
// cursor of the last answer it answers when something is different from that answer, of the keys or of
// what the caller is authorized to, and else after 400 milliseconds; what it says is true at the moment
// of the answer. It fails as a whole when one of the keys cannot be told about now, for who gets no
// answer must not go on with an older one.
//
// A watch leaves one event for each key when it begins, and none for the calls that go on with a
// cursor: they are several in a second, tell nothing that the caller was not told it may know, and each
// use that is made of a key's standing is recorded by who makes it. A cursor is good for the same
// caller and the same keys, at this server, until it ends; with another one the watch begins anew.
func (s *Service) Watch(ctx context.Context, who iam.Caller, roots []crn.CRN, cursor string) (Watched, error) {
	w := s.watching
	begun := s.now()
	changed := w.next() // before anything is read, so that no change falls between
	keys, err := s.watched(ctx, who, roots)
	if err != nil {
		return Watched{}, err
	}
	out := Watched{Keys: keys, Cursor: w.cursor(&who, roots, keys)}
	if !goesOn(cursor, out.Cursor) {
		return out, s.recordWatch(ctx, who, roots)
	}
	if who.Trail != nil {
		who.Trail.MarkRecorded() // by the events of the beginning
	}
	timer := time.NewTimer(w.wait)
	defer timer.Stop()
	for last := false; out.Cursor == cursor && !last; {
		select {
		case <-ctx.Done():
			return Watched{}, ctx.Err()
		case <-changed:
		case <-timer.C:
			last = true
		}
		changed = w.next()
		// The clock may have been put forward meanwhile, which must not prolong what the answer is good for.
		out.Waited = min(max(s.now().Sub(begun), 0), w.wait)
		if out.Keys, err = s.watched(ctx, who, roots); err != nil {
			return Watched{}, err
		}
		out.Cursor = w.cursor(&who, roots, out.Keys)
	}
	return out, nil
}

// watched asks how the keys stand.
func (s *Service) watched(ctx context.Context, who iam.Caller, roots []crn.CRN) ([]WatchedKey, error) {
	if len(roots) == 0 || len(roots) > MaxWatched {
		return nil, ErrParameter.On("keys", "a list of 1 to 128 CRNs")
	}
	keys := make([]WatchedKey, len(roots))
	for i, root := range roots {
		version, err := s.watchedKey(ctx, who, root)
		switch fault.KindOf(err) {
		case fault.Internal, fault.Unavailable:
			if err != nil {
				return nil, err
			}
		}
		keys[i] = WatchedKey{Version: version, Failure: err}
	}
	return keys, nil
}

func (s *Service) watchedKey(ctx context.Context, who iam.Caller, root crn.CRN) (VersionID, error) {
	ref := Ref{Instance: InstanceID(root.Instance), Key: root.Resource}
	in, err := s.instances.Instance(ctx, ref.Instance)
	if err == nil && (in.CRN != root.Child("", "") || root.Type != "key") {
		return "", iam.ErrForbidden // another account or region around the right ID
	}
	return s.NewestVersion(ctx, who, ref)
}

// recordWatch leaves the events of a watch that begins, all at once.
func (s *Service) recordWatch(ctx context.Context, who iam.Caller, roots []crn.CRN) error {
	events := gathered{log: s.door.Log}
	for _, root := range roots {
		ref := Ref{Instance: InstanceID(root.Instance), Key: root.Resource}
		// What comes of it is in the event; the caller hears how the key stands.
		_ = s.visit(ctx, who, ref, operation{action: ActionWatch, log: &events, act: func(v *visit) error {
			v.tell(&v.record.Key, nil)
			return nil
		}})
	}
	if err := errors.Join(s.door.Log.Healthy(), events.flush(ctx)); err != nil {
		return errors.Join(iam.ErrUnrecordable, err)
	}
	return nil
}

// watching wakes who waits in Watch, and makes cursors.
type watching struct {
	wait time.Duration
	key  []byte // of cursors

	mu      sync.Mutex
	changed chan struct{} // closed at the next change; guarded by mu
}

func newWatching(c *Config) *watching {
	w := &watching{wait: cmp.Or(c.WatchWait, defaultWatchWait), key: make([]byte, sha256.Size), changed: make(chan struct{})}
	_, _ = rand.Read(w.key) // never fails: crypto/rand ends the process instead
	c.Hub.Watch(func(ch lease.Change) {
		if !ch.Pending {
			w.wake()
		}
	}, ChangeKey, ChangeAlias, ChangeInstance, ChangePolicies, iam.ChangePolicy, iam.ChangeMembership, iam.ChangeRole)
	c.Hub.OnDrop(w.wake)
	return w
}

// next returns what is closed when something changes from now on.
func (w *watching) next() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changed
}

func (w *watching) wake() {
	w.mu.Lock()
	defer w.mu.Unlock()
	close(w.changed)
	w.changed = make(chan struct{})
}

// cursor is an answer in short. Before the dot it says who asks for which keys, and proves that it was
// given to them; behind it what they were answered.
func (w *watching) cursor(who *iam.Caller, roots []crn.CRN, keys []WatchedKey) string {
	asked, answered := hmac.New(sha256.New, w.key), hmac.New(sha256.New, w.key)
	write(asked, "asked", string(who.Identity), string(who.Account), string(who.Credential))
	for _, root := range roots {
		write(asked, root.String())
	}
	write(answered, "answered")
	for _, k := range keys {
		failure, _ := fault.Explain(k.Failure)
		write(answered, string(k.Version), failure)
	}
	short := func(h hash.Hash) string { return base64.RawURLEncoding.EncodeToString(h.Sum(nil)) }
	return short(asked) + "." + short(answered)
}

// write writes texts so that no others give the same.
func write(h hash.Hash, texts ...string) {
	for _, t := range texts {
		h.Write(binary.BigEndian.AppendUint32(nil, uint32(len(t))))
		h.Write([]byte(t))
	}
}

// goesOn reports whether a cursor was given to who is given another one now.
func goesOn(cursor, now string) bool {
	asked, _, _ := strings.Cut(cursor, ".")
	want, _, _ := strings.Cut(now, ".")
	return hmac.Equal([]byte(asked), []byte(want))
}
