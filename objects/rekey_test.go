package objects_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/crn"
	"strongroom/objects"
)

func TestRekeyMovesEverythingToTheOtherRootKey(t *testing.T) {
	for _, reencrypt := range []bool{false, true} {
		for _, target := range []string{"another root key", "the provider's", "the same"} {
			t.Run(fmt.Sprintf("%s, reencrypt %t", target, reencrypt), func(t *testing.T) {
				h := newJobHouse(t)
				other := h.RootKeys.NewRoot(h.instance.Account)
				to := map[string]crn.CRN{"another root key": other, "the provider's": {}, "the same": h.root}[target]
				own := h.RootKeys.NewRoot(h.instance.Account)
				all := contents(8)
				for key, content := range all {
					h.put(key, content)
				}
				h.put("own", "under its own root key", func(w *objects.Write) { w.Encryption.Root = own.String() })
				before := h.bucket().Key

				name := ""
				if to != (crn.CRN{}) {
					name = to.String()
				}
				j, err := h.StartRekey(t.Context(), h.owner, jobBucket, name, reencrypt)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := h.StartRekey(t.Context(), h.owner, jobBucket, name, reencrypt); !errors.Is(err, objects.ErrBusy) {
					t.Errorf("a second rekey: %v", err)
				}
				j = h.finish(j.ID)
				moved := int64(len(all))
				if j.State != objects.JobDone || j.Done != moved || j.Total != moved || j.Bad != 0 {
					t.Errorf("job: %+v", j)
				}
				h.wantKeys(before, to, reencrypt, target != "the same", own)
				all["own"] = "under its own root key"
				h.want(all)
				h.put("after", "written afterwards")
				h.want(map[string]string{"after": "written afterwards"})
			})
		}
	}
}

// wantKeys fails unless the bucket's own key is a new one under a root key, and the old one is gone.
func (h *jobHouse) wantKeys(before objects.BucketKeyID, root crn.CRN, fresh, otherRoot bool, own crn.CRN) {
	h.t.Helper()
	b := h.bucket()
	for _, k := range h.keys() {
		switch {
		case k.ID == before:
			h.t.Error("the old key is still there")
		case k.ID == b.Key && (k.Root != root || k.Fresh != fresh || k.Pending):
			h.t.Errorf("the new key is %+v", k)
		}
	}
	if b.Key == before {
		h.t.Error("new objects are still sealed by the old key")
	}
	if _, ok := h.RootKeys.Registration(h.root, b.CRN()); ok == otherRoot {
		h.t.Errorf("registered at the old root key: %t", ok)
	}
	if _, ok := h.RootKeys.Registration(root, b.CRN()); root != (crn.CRN{}) && !ok {
		h.t.Error("not registered at the new root key")
	}
	if own != (crn.CRN{}) {
		if i := slices.IndexFunc(h.keys(), func(k objects.BucketKey) bool { return k.Root == own }); i < 0 {
			h.t.Error("the object with a root key of its own has lost it")
		}
	}
}

func TestRekeyIsFinishedAfterACrashAtAnyStep(t *testing.T) {
	for _, reencrypt := range []bool{false, true} {
		t.Run(fmt.Sprintf("reencrypt %t", reencrypt), func(t *testing.T) {
			h := newJobHouse(t)
			all := contents(4)
			delete(all, "large")
			for key, content := range all {
				h.put(key, content)
			}
			upload, err := h.StartUpload(t.Context(), h.owner, objects.StartUpload{Write: objects.Write{Bucket: jobBucket, Key: "upload"}})
			if err != nil {
				t.Fatal(err)
			}
			roots := []crn.CRN{h.root, h.RootKeys.NewRoot(h.instance.Account)}
			reached := true
			for n := 0; reached; n++ {
				for _, happens := range []bool{false, true} {
					slices.Reverse(roots)
					j, err := h.StartRekey(t.Context(), h.owner, jobBucket, roots[0].String(), reencrypt)
					if err != nil {
						t.Fatal(err)
					}
					h.Store.Steps.CrashAt(n, happens)
					if err := h.WorkJobs(t.Context()); err != nil {
						t.Fatal(err)
					}
					steps := h.Store.Steps.Names()
					reached = len(steps) > n
					h.Store.Steps.Reset()
					h.Restart()
					if !reached {
						break
					}
					if j = h.finish(j.ID); j.State != objects.JobDone || j.Bad != 0 {
						t.Fatalf("crash at %v: %+v", steps[:n+1], j)
					}
					keys, b := h.keys(), h.bucket()
					if len(keys) != 1 || keys[0].ID != b.Key || keys[0].Root != roots[0] {
						t.Errorf("crash at %v: keys %+v", steps[:n+1], keys)
					}
					_, now := h.RootKeys.Registration(roots[0], b.CRN())
					_, before := h.RootKeys.Registration(roots[1], b.CRN())
					if !now || before {
						t.Errorf("crash at %v: registered at the new root key %t, at the old %t", steps[:n+1], now, before)
					}
					h.want(all)
				}
			}
			h.complete(upload, "part of an upload")
			h.want(map[string]string{"upload": "part of an upload"})
		})
	}
}

// complete makes an object of one part of an upload.
func (h *jobHouse) complete(u objects.Upload, content string) {
	h.t.Helper()
	p, err := h.PutPart(h.t.Context(), h.owner, objects.PartWrite{
		Bucket: jobBucket, Key: u.Key, Upload: u.ID, Number: 1, Expect: objects.Expect{Size: int64(len(content))},
	}, strings.NewReader(content))
	if err == nil {
		_, err = h.CompleteUpload(h.t.Context(), h.owner, objects.Complete{
			Bucket: jobBucket, Key: u.Key, Upload: u.ID, Parts: []objects.Part{p}, Size: -1,
		})
	}
	if err != nil {
		h.t.Fatal(err)
	}
}

func TestReadsAndWritesGoOnWhileABucketIsRekeyed(t *testing.T) {
	h := newJobHouse(t)
	other := h.RootKeys.NewRoot(h.instance.Account)
	all := contents(6)
	all["large"] = all["large"][:2<<20+1]
	for key, content := range all {
		h.put(key, content)
	}
	stop := make(chan struct{})
	var users sync.WaitGroup
	for user := range 3 {
		users.Go(func() {
			for n := 0; ; n++ {
				select {
				case <-stop:
					return
				default:
				}
				key, content := fmt.Sprintf("user-%d-%d", user, n%5), strings.Repeat(fmt.Sprint(n), 500*(n%4))
				w := objects.Write{Bucket: jobBucket, Key: key, Expect: objects.Expect{Size: int64(len(content))}}
				if _, err := h.Put(t.Context(), h.owner, w, strings.NewReader(content)); err != nil {
					t.Errorf("putting %s: %v", key, err)
					return
				}
				if got, err := h.get(key); err != nil || got != content {
					t.Errorf("getting %s: %d bytes, %v, want %d", key, len(got), err, len(content))
					return
				}
				if got, err := h.get("large"); err != nil || got != all["large"] {
					t.Errorf("getting the large one: %d bytes, %v", len(got), err)
					return
				}
			}
		})
	}
	for i, root := range []crn.CRN{other, h.root, other, {}} {
		name := ""
		if root != (crn.CRN{}) {
			name = root.String()
		}
		j, err := h.StartRekey(t.Context(), h.owner, jobBucket, name, i%2 == 1)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if err := h.WorkJobs(t.Context()); err != nil {
				t.Fatal(err)
			}
			if j, err = h.Job(t.Context(), h.owner, jobBucket, j.ID); err != nil || j.State != objects.JobRunning {
				break
			}
		}
		if err != nil || j.State != objects.JobDone {
			t.Fatalf("rekey %d: %+v, %v", i, j, err)
		}
		if keys := h.keys(); len(keys) != 1 || keys[0].Root != root {
			t.Errorf("after rekey %d: %+v", i, keys)
		}
	}
	close(stop)
	users.Wait()
	h.want(all)
}

func TestDamagedVersionStaysUnderTheOldKey(t *testing.T) {
	h := newJobHouse(t)
	for key, content := range contents(2) {
		h.put(key, content)
	}
	row, err := h.DB.Objects().Latest(t.Context(), h.bucket().ID, "object-001")
	if err != nil {
		t.Fatal(err)
	}
	row.Record[len(row.Record)-1] ^= 1
	if err := h.DB.Objects().UpdateVersion(t.Context(), row, nil); err != nil {
		t.Fatal(err)
	}
	j, err := h.StartRekey(t.Context(), h.owner, jobBucket, "", false)
	if err != nil {
		t.Fatal(err)
	}
	if j = h.finish(j.ID); j.State != objects.JobFailed || j.Bad != 1 || j.Done != 3 {
		t.Errorf("job: %+v", j)
	}
	if keys := h.keys(); len(keys) != 2 {
		t.Errorf("keys: %+v", keys)
	}
}

func TestRekeyUnderARootKeyThatCannotBeChosen(t *testing.T) {
	h := newJobHouse(t)
	disabled := h.RootKeys.NewRoot(h.instance.Account)
	h.RootKeys.Fail(disabled, objects.ErrRootDisabled)
	unknown := disabled.Child("key", "nothing")
	for name, c := range map[string]struct {
		root string
		want error
	}{
		"disabled": {disabled.String(), objects.ErrRootUnusable},
		"unknown":  {unknown.String(), objects.ErrRootUnknown},
		"no CRN":   {"key", objects.ErrArgument},
	} {
		if _, err := h.StartRekey(t.Context(), h.owner, jobBucket, c.root, false); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
	}
	if jobs, err := h.Jobs(t.Context(), h.owner, jobBucket); err != nil || len(jobs) != 0 {
		t.Errorf("jobs %+v, %v", jobs, err)
	}
}

func TestRekeyFollowsAChangeOfConfiguration(t *testing.T) {
	h := newJobHouse(t)
	all := contents(3)
	for key, content := range all {
		h.put(key, content)
	}
	before := h.bucket().Key
	other := h.RootKeys.NewRoot(h.instance.Account)
	h.Clock.Advance(time.Hour)
	if _, err := h.SetEncryption(t.Context(), h.owner, jobBucket, other.String()); err != nil {
		t.Fatal(err)
	}
	h.Clock.Advance(time.Hour)
	own := h.RootKeys.NewRoot(h.instance.Account)
	h.put("own", "under its own root key", func(w *objects.Write) { w.Encryption.Root = own.String() })
	h.put("new", "under the other root key")
	j, err := h.StartRekey(t.Context(), h.owner, jobBucket, other.String(), false)
	if err != nil {
		t.Fatal(err)
	}
	if j = h.finish(j.ID); j.State != objects.JobDone || j.Done != int64(len(all))+1 {
		t.Errorf("job: %+v", j)
	}
	h.wantKeys(before, other, false, true, own)
	all["own"], all["new"] = "under its own root key", "under the other root key"
	h.want(all)
}
