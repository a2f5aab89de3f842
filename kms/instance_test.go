package kms_test

import (
	"testing"

	"strongroom/fault"
	"strongroom/iam/iamtest"
	"strongroom/kms"
)

func TestPrepareInstanceMayBeRepeated(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{})
	wrapped := h.wrap(t, ref, "data key")
	wantError(t, h.PrepareInstance(t.Context(), h.Instance), nil)
	again := kms.New(h.Config())
	if u, err := again.Unwrap(t.Context(), h.owner, ref, wrapped, nil); err != nil || string(u.Plaintext.Reveal()) != "data key" {
		t.Errorf("after a restart: %v", err)
	}
	other := h.Instance
	other.Account = "fedcba9876543210fedcba9876543210"
	if err := h.PrepareInstance(t.Context(), other); err == nil {
		t.Error("an instance was prepared for two accounts")
	}
}

func TestInstanceWithKeysIsNotDeleted(t *testing.T) {
	h := newHouse(t)
	wantError(t, h.RefuseDelete(t.Context(), h.Instance), nil)
	a, b := h.create(t, kms.NewKey{Expires: h.Clock.Now().Add(day)}), h.create(t, kms.NewKey{Extractable: true})
	h.Clock.Advance(2 * day) // deactivated keys count
	err := h.RefuseDelete(t.Context(), h.Instance)
	wantError(t, err, kms.ErrInUse)
	if text, _ := fault.Explain(err); text != "Instance contains 2 active keys. Remove all keys before de-provisioning" {
		t.Errorf("explained as %q", text)
	}
	for _, ref := range []kms.Ref{a, b} {
		_, err := h.Delete(t.Context(), h.owner, ref)
		wantError(t, err, nil)
	}
	wantError(t, h.RefuseDelete(t.Context(), h.Instance), nil)
}

func TestDestroyedInstanceOpensNothing(t *testing.T) {
	h := newHouse(t)
	ref := h.create(t, kms.NewKey{Aliases: []string{"mine"}})
	wrapped := h.wrap(t, ref, "data key")
	neighbour := &house{Rig: h.Rig, Instance: h.NewInstance(t, account), owner: h.owner}
	untouched := neighbour.create(t, kms.NewKey{Aliases: []string{"mine"}})
	theirs := neighbour.wrap(t, untouched, "their key")

	for range 2 { // may be repeated
		wantError(t, h.DestroyInstance(t.Context(), h.Instance), nil)
	}
	for name, err := range operations(h, h.owner, h.ref("mine"), wrapped) {
		if fault.KindOf(err) != fault.NotFound {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.Create(t.Context(), h.owner, h.ref(""), kms.NewKey{Name: "late"}); err == nil {
		t.Error("a key was created without an instance key")
	}
	if got := neighbour.unwrap(t, untouched, theirs); got != "their key" {
		t.Errorf("the neighbour's key unwraps to %q", got)
	}
}

// TestMovedRowsDoNotOpen plays an intruder who can write the database.
func TestMovedRowsDoNotOpen(t *testing.T) {
	for name, statement := range map[string]string{
		"state":           `UPDATE keys SET state = 1 WHERE name = 'victim'`,
		"expiry":          `UPDATE keys SET expires_at = NULL WHERE name = 'victim'`,
		"extractable":     `UPDATE keys SET extractable = TRUE WHERE name = 'victim'`,
		"ring":            `UPDATE keys SET ring = 'mine' WHERE name = 'victim'`,
		"older version":   `DELETE FROM key_versions WHERE number = 1 AND key = (SELECT id FROM keys WHERE name = 'victim')`,
		"newest version":  `DELETE FROM key_versions WHERE number = 2 AND key = (SELECT id FROM keys WHERE name = 'victim')`,
		"sealed material": `UPDATE key_versions SET sealed = (SELECT sealed FROM key_versions v JOIN keys k ON v.key = k.id WHERE k.name = 'mine') WHERE key = (SELECT id FROM keys WHERE name = 'victim')`,
		"alias":           `UPDATE key_aliases SET key = (SELECT id FROM keys WHERE name = 'mine') WHERE alias = 'victim'`,
		"instance":        `UPDATE keys SET account = 'fedcba9876543210fedcba9876543210' WHERE name = 'victim'`,
		"instance key":    `UPDATE instance_keys SET sealed = x'00'`,
	} {
		t.Run(name, func(t *testing.T) {
			h := newHouse(t)
			ref := h.create(t, kms.NewKey{Name: "victim", Aliases: []string{"victim"}, Expires: h.Clock.Now().Add(day)})
			h.create(t, kms.NewKey{Name: "mine"})
			wrapped := h.wrap(t, ref, "data key")
			wantError(t, h.Rotate(t.Context(), h.owner, ref, kms.NewVersion{}), nil)
			if name == "state" {
				_, err := h.Delete(t.Context(), h.owner, ref)
				wantError(t, err, nil)
			}
			h.Exec(t, statement)
			restarted := kms.New(h.Config())
			who := iamtest.Caller(account, "owner")
			who.Owner = true
			if u, err := restarted.Unwrap(t.Context(), who, h.ref("victim"), wrapped, nil); err == nil {
				t.Errorf("unwrapped %d bytes", u.Plaintext.Len())
			}
		})
	}
}
