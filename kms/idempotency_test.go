package kms_test

import (
	"crypto/sha256"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/iam/iamtest"
	"strongroom/kms"
)

func repeat(key, body string) *kms.Repeat {
	return &kms.Repeat{Key: key, Body: sha256.Sum256([]byte(body))}
}

func TestRepeatedCreationReturnsTheFirstKey(t *testing.T) {
	h := newHouse(t)
	create := func(key, body string) (kms.Created, error) {
		return h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{
			Name: "std", Extractable: true, Aliases: []string{"only"}, Repeat: repeat(key, body),
		})
	}
	first, err := create("k1", "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := create("k1", "a")
	if err != nil || again.Key.ID != first.Key.ID || !again.Material.Equal(first.Material) {
		t.Errorf("%v: the second is %s, the first %s", err, again.Key.ID, first.Key.ID)
	}
	_, err = create("k1", "b")
	wantError(t, err, kms.ErrRepeatDiffers)
	_, err = create("k2", "a") // another request, whose alias is taken
	wantError(t, err, kms.ErrAliasTaken)

	h.Clock.Advance(kms.RepeatWindow - time.Microsecond)
	if again, err = create("k1", "a"); err != nil || again.Key.ID != first.Key.ID {
		t.Errorf("at the end of the window: %v", err)
	}
	h.Clock.Advance(time.Microsecond)
	_, err = create("k1", "a")
	wantError(t, err, kms.ErrAliasTaken) // made anew, as far as that goes
}

func TestRepeatsAreOfOneCallerAndInstance(t *testing.T) {
	h := newHouse(t)
	other := iamtest.Caller(account, "other")
	other.Owner = true
	there := kms.Ref{Instance: h.NewInstance(t, account).ID}
	n := kms.NewKey{Name: "key", Repeat: repeat("k", "a")}
	a, aerr := h.Create(t.Context(), h.owner, h.ref(""), n)
	b, berr := h.Create(t.Context(), other, h.ref(""), n)
	c, cerr := h.Create(t.Context(), h.owner, there, n)
	if aerr != nil || berr != nil || cerr != nil || a.Key.ID == b.Key.ID || a.Key.ID == c.Key.ID {
		t.Errorf("%v, %v, %v: keys %s, %s, %s", aerr, berr, cerr, a.Key.ID, b.Key.ID, c.Key.ID)
	}
}

func TestRepeatedRotationRotatesOnce(t *testing.T) {
	h := newHouse(t, func(c *kms.Config) { c.RotationWait = time.Hour })
	ref, other := h.create(t, kms.NewKey{Name: "key", Aliases: []string{"alias"}}), h.create(t, kms.NewKey{})
	rotate := func(ref kms.Ref, key string) error {
		return h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{Repeat: repeat(key, "")})
	}
	wantError(t, rotate(ref, "k"), nil)
	wantError(t, rotate(ref, "k"), nil)
	wantError(t, rotate(h.ref("alias"), "k"), nil) // the same key by another name
	wantError(t, rotate(other, "k"), kms.ErrRepeatDiffers)
	wantError(t, rotate(ref, "k2"), kms.ErrRotatedAgain)
	if k, err := h.Metadata(t.Context(), h.owner, ref); err != nil || k.Newest.Number != 2 {
		t.Errorf("%v: version %d, want 2", err, k.Newest.Number)
	}
}

func TestRacingRepeatsChangeOnce(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	var (
		wg  sync.WaitGroup
		mu  sync.Mutex
		ids = map[kms.KeyID]bool{}
	)
	for range 8 {
		wg.Go(func() {
			out, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "key", Repeat: repeat("create", "")})
			wantError(t, err, nil)
			mu.Lock()
			ids[out.Key.ID] = true
			mu.Unlock()
			wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{Repeat: repeat("rotate", "")}), nil)
		})
	}
	wg.Wait()
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || len(ids) != 1 || k.Newest.Number != 2 {
		t.Errorf("%v: %d keys and version %d, want 1 and 2", err, len(ids), k.Newest.Number)
	}
}

func TestKeysOfRepeatableRequestsHaveAForm(t *testing.T) {
	h := newHouse(t)
	for _, key := range []string{"", "a b", "ä", "\x00", strings.Repeat("x", 256)} {
		_, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "key", Repeat: repeat(key, "")})
		wantError(t, err, kms.ErrHeader)
	}
}

func TestOldRequestsAreForgotten(t *testing.T) {
	h := newHouse(t)
	h.create(t, kms.NewKey{Repeat: repeat("k", "")})
	f := kms.First{Instance: h.ID, Caller: h.owner.Identity, Key: "k"}
	kept := func() bool {
		_, _, err := h.DB.Keys().FirstRequest(t.Context(), f, time.Time{})
		return err == nil
	}
	wantError(t, h.ForgetRepeats(t.Context()), nil)
	if !kept() {
		t.Error("forgotten within the window")
	}
	h.Clock.Advance(kms.RepeatWindow)
	wantError(t, h.ForgetRepeats(t.Context()), nil)
	if kept() {
		t.Error("kept after the window")
	}
}

func TestChangedRecordOfARequestIsNotBelieved(t *testing.T) {
	h := newHouse(t)
	h.create(t, kms.NewKey{Repeat: repeat("k", "")})
	other := h.create(t, kms.NewKey{})
	h.Exec(t, `UPDATE first_requests SET of_key = $1`, other.Key)
	if _, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "key", Repeat: repeat("k", "")}); err == nil {
		t.Error("the changed row was believed")
	}
}
