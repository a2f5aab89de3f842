package model_test

import (
	"net/http"
	"slices"
	"strconv"
	"time"

	"pgregory.net/rapid"

	"strongroom/kms"
)

func (m *model) disable(c caller, ref string) outcome {
	k, refused := m.use(c, ref, kms.ActionDisable, 1)
	if refused != nil {
		return *refused
	}
	k.state, k.suspended = 2, m.now
	k.notified, k.updated = m.now, m.now
	return done
}

func (m *model) enable(c caller, ref string) outcome {
	k, refused := m.use(c, ref, kms.ActionEnable, 2)
	switch {
	case refused != nil:
		return *refused
	case m.now.Sub(k.suspended) < enableWait:
		return tooEarly
	}
	k.state = 1
	k.notified, k.updated = m.now, m.now
	return done
}

func (m *model) delete(c caller, ref string, force bool) outcome {
	k, refused := m.alive(c, ref, kms.ActionDelete)
	switch {
	case refused != nil:
		return *refused
	case k.twoNeeded() && !k.authorized(c, m.now):
		return outcome{http.StatusConflict, "AUTHORIZATIONS_NOT_MET"}
	case k.retained():
		return outcome{http.StatusConflict, "PREV_KEY_DEL_ERR"}
	case len(k.registrations) > 0 && !force:
		return outcome{http.StatusConflict, "PROTECTED_RESOURCE_ERR"}
	}
	clear(k.registrations)
	k.state, k.deleted, k.deletedBy = 5, m.now, string(identityOf(c.name))
	k.notified, k.updated = m.now, m.now
	k.setBy, k.setUntil = "", time.Time{} // it has served its end
	return done
}

func (m *model) restore(c caller, ref string) outcome {
	k, refused := m.on(c, ref, kms.ActionRestore)
	switch {
	case refused != nil:
		return *refused
	case k.state != 5:
		return badState
	case m.now.Sub(k.deleted) < restoreWait:
		return tooEarly
	case k.expired(m.now):
		return outcome{http.StatusBadRequest, "KEY_EXPIRED_ERR"}
	case m.now.Sub(k.deleted) >= 30*day:
		return outcome{http.StatusBadRequest, "KEY_RESTORE_EXPIRED"}
	}
	k.aliases = slices.DeleteFunc(slices.Clone(k.aliases), func(a string) bool { return m.taken(a, k) })
	k.state, k.deleted, k.deletedBy = 1, time.Time{}, ""
	k.notified, k.updated = m.now, m.now
	return created
}

func (m *model) purge(c caller, ref string) outcome {
	k, refused := m.on(c, ref, kms.ActionPurge)
	switch {
	case refused != nil:
		return *refused
	case k.state != 5:
		return badState
	case m.now.Sub(k.deleted) < purgeWait:
		return tooEarly
	}
	m.forget(k)
	return done
}

func (m *model) sync(c caller, ref string) outcome {
	k, refused := m.on(c, ref, kms.ActionSync)
	switch {
	case refused != nil:
		return *refused
	case !k.notified.IsZero() && m.now.Sub(k.notified) < syncWait:
		return tooEarly
	}
	k.notified = m.now
	return done
}

func (m *machine) disable(t *rapid.T) {
	r := m.act(t, someone(t), "disable", nil)
	m.do(t, r, m.model.disable(r.caller, named(r)))
}

func (m *machine) enable(t *rapid.T) {
	r := m.act(t, someone(t), "enable", nil)
	m.do(t, r, m.model.enable(r.caller, named(r)))
}

func (m *machine) delete(t *rapid.T) {
	force := rapid.Bool().Draw(t, "force")
	r := request{caller: someone(t), method: http.MethodDelete, path: "/keys/" + m.somekey(t) + "?force=" + strconv.FormatBool(force)}
	m.do(t, r, m.model.delete(r.caller, named(r), force))
}

func (m *machine) restore(t *rapid.T) {
	r := request{caller: someone(t), method: http.MethodPost, path: "/keys/" + m.somekey(t) + "/restore"}
	m.do(t, r, m.model.restore(r.caller, named(r)))
}

func (m *machine) purge(t *rapid.T) {
	r := request{caller: oneOf(t, "purger"), method: http.MethodDelete, path: "/keys/" + m.somekey(t) + "/purge"}
	m.do(t, r, m.model.purge(r.caller, named(r)))
}

func (m *machine) sync(t *rapid.T) {
	r := m.act(t, someone(t), "sync", nil)
	m.do(t, r, m.model.sync(r.caller, named(r)))
}
