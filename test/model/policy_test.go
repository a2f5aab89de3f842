package model_test

import (
	"net/http"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

// stamp says who made a policy and who changed it last.
type stamp struct {
	created, updated     time.Time
	createdBy, updatedBy string
}

// stamped is the stamp of a policy that is made, or changed if it was there.
func (m *model) stamped(was *stamp, by string) stamp {
	next := stamp{created: m.now, createdBy: by, updated: m.now, updatedBy: by}
	if was != nil {
		next.created, next.createdBy = was.created, was.createdBy
	}
	return next
}

// dualPolicy says whether two people are needed to delete a key.
type dualPolicy struct {
	stamp
	enabled bool
}

func (p *dualPolicy) made() *stamp {
	if p == nil {
		return nil
	}
	return &p.stamp
}

// dualView is what a key shows of it.
type dualView struct {
	Enabled bool   `json:"enabled"`
	Set     bool   `json:"keySetForDeletion"`
	Until   string `json:"authExpiration"`
}

func (k *modelKey) twoNeeded() bool { return k.dual != nil && k.dual.enabled }

// authorized says whether somebody else has authorized the deletion.
func (k *modelKey) authorized(c caller, now time.Time) bool {
	return k.setBy != "" && k.setBy != c.name && now.Before(k.setUntil)
}

func (m *model) setDual(c caller, ref string, on bool) outcome {
	k, refused := m.alive(c, ref, kms.ActionPolicyWrite)
	switch {
	case refused != nil:
		return *refused
	case k.twoNeeded() && !on:
		return badState
	}
	k.dual = &dualPolicy{stamp: m.stamped(k.dual.made(), string(identityOf(c.name))), enabled: on}
	k.updated = m.now
	return ok
}

func (m *model) authorize(c caller, ref string, give bool) outcome {
	action := kms.ActionUnauthorize
	if give {
		action = kms.ActionAuthorize
	}
	k, refused := m.alive(c, ref, action)
	switch {
	case refused != nil:
		return *refused
	case !k.twoNeeded():
		return outcome{http.StatusConflict, "NOT_DUAL_AUTH_ERR"}
	}
	k.setBy, k.setUntil, k.updated = "", time.Time{}, m.now
	if give {
		k.setBy, k.setUntil = c.name, m.now.Add(7*day)
	}
	return done
}

// policyView is a policy of a key as it is shown.
type policyView struct {
	CreationDate   string    `json:"creationDate"`
	CreatedBy      string    `json:"createdBy"`
	UpdatedBy      string    `json:"updatedBy"`
	LastUpdateDate string    `json:"lastUpdateDate"`
	Rotation       *interval `json:"rotation"`
	DualAuthDelete *dualView `json:"dualAuthDelete"`
}

func (s stamp) view() policyView {
	return policyView{
		CreationDate: moment(s.created), CreatedBy: s.createdBy, UpdatedBy: s.updatedBy, LastUpdateDate: moment(s.updated),
	}
}

// policies are the policies of a key, or the one of a type.
func (k *modelKey) policies(only string) []policyView {
	list := []policyView{}
	if k.rotation != nil && only != "dualAuthDelete" {
		v := k.rotation.view()
		v.Rotation = &k.rotation.interval
		list = append(list, v)
	}
	if k.dual != nil && only != "rotation" {
		v := k.dual.view()
		v.DualAuthDelete = &dualView{Enabled: k.dual.enabled}
		list = append(list, v)
	}
	return list
}

func (m *machine) getPolicies(t *rapid.T) {
	r := request{caller: someone(t), method: http.MethodGet, path: "/keys/" + m.somekey(t) + "/policies"}
	only := rapid.SampledFrom([]string{"", "rotation", "dualAuthDelete"}).Draw(t, "only")
	if only != "" {
		r.path += "?policy=" + only
	}
	k, refused := m.model.on(r.caller, named(r), kms.ActionPolicyRead)
	if refused != nil {
		m.do(t, r, *refused)
		return
	}
	if diff := cmp.Diff(k.policies(only), resources[policyView](m.do(t, r, ok))); diff != "" {
		t.Fatalf("policies of key %s (-model +service):\n%s", k.id, diff)
	}
}

func (m *machine) setPolicy(t *rapid.T, kind string, policy any) request {
	return request{
		caller: someone(t), method: http.MethodPut, path: "/keys/" + m.somekey(t) + "/policies?policy=" + kind,
		body: collection(policyType, map[string]any{"type": policyType, kind: policy}),
	}
}

func (m *machine) setDual(t *rapid.T) {
	on := rapid.Bool().Draw(t, "on")
	r := m.setPolicy(t, "dualAuthDelete", map[string]any{"enabled": on})
	m.do(t, r, m.model.setDual(r.caller, named(r), on))
}

func (m *machine) authorize(t *rapid.T) {
	r := m.act(t, someone(t), "setKeyForDeletion", nil)
	m.do(t, r, m.model.authorize(r.caller, named(r), true))
}

func (m *machine) unauthorize(t *rapid.T) {
	r := m.act(t, someone(t), "unsetKeyForDeletion", nil)
	m.do(t, r, m.model.authorize(r.caller, named(r), false))
}
