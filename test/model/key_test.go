package model_test

import (
	"net/http"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// keyView is what is compared of a key.
type keyView struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	Description    string    `json:"description"`
	State          int       `json:"state"`
	Extractable    bool      `json:"extractable"`
	Imported       bool      `json:"imported"`
	Ring           string    `json:"keyRingID"`
	Aliases        []string  `json:"aliases"`
	CreationDate   string    `json:"creationDate"`
	CreatedBy      string    `json:"createdBy"`
	LastUpdateDate string    `json:"lastUpdateDate"`
	LastRotateDate string    `json:"lastRotateDate"`
	ExpirationDate string    `json:"expirationDate"`
	Deleted        bool      `json:"deleted"`
	DeletedBy      string    `json:"deletedBy"`
	DeletionDate   string    `json:"deletionDate"`
	RestoreAllowed bool      `json:"restoreAllowed"`
	PurgeAllowed   bool      `json:"purgeAllowed"`
	DualAuthDelete dualView  `json:"dualAuthDelete"`
	Rotation       *interval `json:"rotation"`
	KeyVersion     struct {
		ID string `json:"id"`
	} `json:"keyVersion"`
}

// view reads a key.
func (m *machine) view(t *rapid.T, k *modelKey) keyView {
	t.Helper()
	r := request{caller: at("reader"), method: http.MethodGet, path: "/keys/" + k.id + "/metadata"}
	keys := m.do(t, r, ok).keys()
	if len(keys) != 1 {
		t.Fatalf("key %s: %d resources", k.id, len(keys))
	}
	slices.Sort(keys[0].Aliases)
	return keys[0]
}

// created is how a key of the model looks to who has created it.
func (m *machine) created(k *modelKey) keyView {
	v := keyView{
		ID: k.id, Name: k.name, Description: k.description, State: k.stateAt(m.model.now), Extractable: k.extractable,
		Imported: k.imported, Ring: k.ring, ExpirationDate: moment(k.expires), Deleted: k.state == 5,
	}
	if len(k.aliases) > 0 {
		v.Aliases = slices.Sorted(slices.Values(k.aliases))
	}
	return v
}

// expected is how a key of the model looks.
func (m *machine) expected(k *modelKey) keyView {
	now, v := m.model.now, m.created(k)
	v.CreationDate, v.CreatedBy = moment(k.created), k.createdBy
	v.LastUpdateDate, v.LastRotateDate = moment(k.updated), moment(k.rotated)
	v.DeletionDate, v.DeletedBy = moment(k.deleted), k.deletedBy
	v.KeyVersion.ID = k.versions[0]
	v.DualAuthDelete.Enabled = k.twoNeeded()
	if k.setBy != "" && now.Before(k.setUntil) {
		v.DualAuthDelete.Set, v.DualAuthDelete.Until = true, moment(k.setUntil)
	}
	if k.rotation != nil {
		p := k.rotation.interval
		v.Rotation = &p
	}
	if k.state == 5 {
		v.RestoreAllowed = now.Sub(k.deleted) < 30*day && !k.expired(now)
		v.PurgeAllowed = now.Sub(k.deleted) >= purgeWait
	}
	return v
}

// checkKeys compares every key.
func (m *machine) checkKeys(t *rapid.T) {
	for _, k := range m.model.keys {
		if diff := cmp.Diff(m.expected(k), m.view(t, k)); diff != "" {
			t.Fatalf("key %s (-model +service):\n%s", k.id, diff)
		}
	}
}

// moment is a time as it is shown, in whole seconds.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
