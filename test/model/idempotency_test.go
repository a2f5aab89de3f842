package model_test

import (
	"net/http"
	"strings"
	"time"

	"pgregory.net/rapid"

	"strongroom/iam"
)

var reused = outcome{http.StatusUnprocessableEntity, "IDEMPOTENCY_KEY_REUSED_ERR"}

// requestKey is by what a request is known that its caller may send again.
type requestKey struct {
	by  iam.IdentityID
	key string
}

// firstRequest is the first of several equal requests, and what it made.
type firstRequest struct {
	said string
	key  string
	at   time.Time
}

// request returns what the caller did first with the key of a request, within a day.
func (m *model) request(r request) (firstRequest, bool) {
	first, known := m.requests[requestKey{identityOf(r.name), r.repeat}]
	return first, known && r.repeat != "" && m.now.Sub(first.at) < day
}

// said is all that a request says; a key is the same key by whatever name.
func (m *model) said(r request) string {
	path := r.path
	if _, rest, ofKey := strings.Cut(path, "/keys/"); ofKey {
		if ref, verb, _ := strings.Cut(rest, "/"); m.find(ref) != nil {
			path = m.find(ref).id + "/" + verb
		}
	}
	return strings.Join([]string{path, r.ring, r.body}, "\n")
}

// remember keeps a request that has made a version of a key.
func (m *model) remember(r request, key, _ string) {
	if r.repeat != "" {
		m.requests[requestKey{identityOf(r.name), r.repeat}] = firstRequest{said: m.said(r), key: key, at: m.now}
	}
}

// somerepeat draws an idempotency key, or none.
func somerepeat(t *rapid.T) string {
	return rapid.SampledFrom([]string{"", "", "", "first", "second", "third"}).Draw(t, "repeat")
}

// repeatable keeps a request that was sent, if it has an idempotency key, to be sent again.
func (m *machine) repeatable(key string, again func(*rapid.T, caller)) {
	const recent = 4
	if key == "" {
		return
	}
	m.sent = append(m.sent, again)
	m.sent = m.sent[max(0, len(m.sent)-recent):]
}

// repeat sends a request again, byte for byte.
func (m *machine) repeat(t *rapid.T) {
	if len(m.sent) == 0 {
		return
	}
	rapid.SampledFrom(m.sent).Draw(t, "request")(t, oneOf(t, "manager", "manager", "writer"))
}
