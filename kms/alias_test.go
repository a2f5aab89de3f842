package kms_test

import (
	"fmt"
	"sync"
	"testing"

	"strongroom/kms"
)

func TestAliasFindsItsKeyAtOnce(t *testing.T) {
	h := newHouse(t)
	one, two := h.create(t, kms.NewKey{}), h.create(t, kms.NewKey{Extractable: true})
	_, err := h.Metadata(t.Context(), h.owner, h.ref("pay"))
	wantError(t, err, kms.ErrKeyNotFound)

	a, err := h.AddAlias(t.Context(), h.owner, one, "pay")
	if err != nil || string(a.Key) != one.Key || a.Alias != "pay" || a.CreatedBy != h.owner.Identity {
		t.Errorf("%+v, %v", a, err)
	}
	k, err := h.Metadata(t.Context(), h.owner, h.ref("pay"))
	if err != nil || string(k.ID) != one.Key {
		t.Errorf("found %s, %v", k.ID, err)
	}
	for _, ref := range []kms.Ref{one, two} {
		_, err = h.AddAlias(t.Context(), h.owner, ref, "pay")
		wantError(t, err, kms.ErrAliasTaken)
	}
	wantError(t, h.RemoveAlias(t.Context(), h.owner, two, "pay"), kms.ErrAliasNotFound)
	wantError(t, h.RemoveAlias(t.Context(), h.owner, h.ref("pay"), "pay"), nil)
	_, err = h.Metadata(t.Context(), h.owner, h.ref("pay"))
	wantError(t, err, kms.ErrKeyNotFound)

	_, err = h.AddAlias(t.Context(), h.owner, two, "pay")
	wantError(t, err, nil)
	if k, err = h.Metadata(t.Context(), h.owner, h.ref("pay")); err != nil || string(k.ID) != two.Key {
		t.Errorf("found %s, %v", k.ID, err)
	}
	_, err = h.Delete(t.Context(), h.owner, two)
	wantError(t, err, nil)
	_, err = h.AddAlias(t.Context(), h.owner, two, "more")
	wantError(t, err, kms.ErrDeleted)
	wantError(t, h.RemoveAlias(t.Context(), h.owner, two, "pay"), kms.ErrDeleted)
	_, err = h.AddAlias(t.Context(), h.owner, one, "pay") // a deleted key gives way
	wantError(t, err, nil)
	if k, err = h.Metadata(t.Context(), h.owner, h.ref("pay")); err != nil || string(k.ID) != one.Key {
		t.Errorf("found %s, %v", k.ID, err)
	}
}

func TestAliasRules(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	for _, alias := range []string{"x", "a b", "rings", "default.", ref.Key} {
		_, err := h.AddAlias(t.Context(), h.owner, ref, alias)
		wantError(t, err, kms.ErrField)
	}
}

// TestSixAliasesAtOnce adds six in parallel, of which five fit.
func TestSixAliasesAtOnce(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	errs := make([]error, 6)
	var wait sync.WaitGroup
	for i := range errs {
		wait.Go(func() { _, errs[i] = h.AddAlias(t.Context(), h.owner, ref, fmt.Sprintf("alias-%d", i)) })
	}
	wait.Wait()
	refused := 0
	for _, err := range errs {
		if err != nil {
			wantError(t, err, kms.ErrAliasQuota)
			refused++
		}
	}
	k, err := h.Metadata(t.Context(), h.owner, ref)
	if err != nil || refused != 1 || len(k.Aliases) != 5 {
		t.Errorf("%d refused, aliases %v, %v", refused, k.Aliases, err)
	}
}
