package model_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"strongroom/kms"
)

var (
	tokenNotFound = outcome{http.StatusNotFound, "IMPORT_TOKEN_NOT_FOUND_ERR"}
	tokenExpired  = outcome{http.StatusConflict, "IMPORT_TOKEN_EXPIRED_ERR"}
	badNonce      = outcome{http.StatusBadRequest, "INCORRECT_NONCE_ERR"}
	badSealing    = outcome{http.StatusBadRequest, "INCORRECT_NONCE_IV_ERR"}
)

// importToken is the import token of the instance.
type importToken struct {
	created, expires time.Time
	most, remaining  int
	serial           int // counts the tokens of the instance
}

// retrieved is what a caller has learnt of a token, which may have been replaced since.
type retrieved struct {
	public, nonce []byte
	serial        int
}

// newImportToken is what is asked of a token; zero asks for the default.
type newImportToken struct{ seconds, retrievals int }

func (m *model) createToken(c caller, n newImportToken) outcome {
	if n.seconds == 0 {
		n.seconds = 600
	}
	if n.retrievals == 0 {
		n.retrievals = 1
	}
	switch {
	case !m.may(c, kms.ActionCreateImportToken, ""):
		return unauthorized
	case n.seconds < 300, n.seconds > 86400, n.retrievals < 1, n.retrievals > 500:
		return badField
	}
	serial := 0
	if m.token != nil {
		serial = m.token.serial + 1
	}
	m.token = &importToken{
		serial:  serial,
		created: m.now, expires: m.now.Add(time.Duration(n.seconds) * time.Second),
		most: n.retrievals, remaining: n.retrievals,
	}
	return ok
}

func (m *model) retrieveToken(c caller) outcome {
	switch {
	case !m.may(c, kms.ActionReadImportToken, ""):
		return unauthorized
	case m.token == nil:
		return tokenNotFound
	case m.token.remaining == 0, !m.now.Before(m.token.expires):
		return tokenExpired
	}
	m.token.remaining--
	return ok
}

// receive foretells an import of which all else is in order, for which welcome would be answered.
// That the token cannot be retrieved any more does not matter.
func (m *model) receive(b *brought, welcome outcome) outcome {
	switch {
	case !b.secure():
		return welcome
	case m.token == nil || !m.now.Before(m.token.expires):
		return tokenExpired
	case b.fault == noCipher, (b.token.serial-m.token.serial)%transportKeys != 0:
		return badField // it is not encrypted to the key of this token
	case b.fault == otherSealing:
		return badSealing
	case b.fault == otherNonce, b.token.serial != m.token.serial:
		return badNonce
	}
	return welcome
}

// importTokenView is an import token as it is shown.
type importTokenView struct {
	CreationDate         string `json:"creationDate"`
	ExpirationDate       string `json:"expirationDate"`
	MaxAllowedRetrievals int    `json:"maxAllowedRetrievals"`
	RemainingRetrievals  int    `json:"remainingRetrievals"`
	Payload              string `json:"payload"`
	Nonce                string `json:"nonce"`
}

// compareToken compares what is told of the token but for what only the service knows.
func (m *machine) compareToken(t *rapid.T, r reply) (shown importTokenView) {
	t.Helper()
	if err := json.Unmarshal(r.body, &shown); err != nil {
		t.Fatal(err)
	}
	token := m.model.token
	expected := importTokenView{
		CreationDate: moment(token.created), ExpirationDate: moment(token.expires),
		MaxAllowedRetrievals: token.most, RemainingRetrievals: token.remaining,
		Payload: shown.Payload, Nonce: shown.Nonce,
	}
	if diff := cmp.Diff(expected, shown); diff != "" {
		t.Fatalf("import token (-model +service):\n%s", diff)
	}
	return shown
}

func (m *machine) createToken(t *rapid.T) {
	m.makeToken(t, oneOf(t, "manager", "writer"), newImportToken{
		seconds:    rapid.SampledFrom([]int{0, 300, 7200, 86400, 299, 86401}).Draw(t, "seconds"),
		retrievals: rapid.SampledFrom([]int{0, 1, 2, 500, 501}).Draw(t, "retrievals"),
	})
}

func (m *machine) makeToken(t *rapid.T, c caller, n newImportToken) {
	r := request{caller: c, method: http.MethodPost, path: "/import_token", body: encode(map[string]any{
		"expiration": n.seconds, "maxAllowedRetrievals": n.retrievals,
	})}
	foretold := m.model.createToken(r.caller, n)
	got := m.do(t, r, foretold)
	if foretold != ok {
		return
	}
	if shown := m.compareToken(t, got); shown.Payload != "" || shown.Nonce != "" {
		t.Fatal("who makes an import token is shown what counts as a retrieval")
	}
}

// importKey goes the whole way of an import, the steps of which seldom follow each other by chance.
func (m *machine) importKey(t *rapid.T) {
	m.makeToken(t, at("writer"), newImportToken{seconds: 86400, retrievals: 10})
	m.retrieve(t, at("writer"))
	m.createKey(t, true)
}

func (m *machine) retrieveToken(t *rapid.T) { m.retrieve(t, oneOf(t, "manager", "writer")) }

func (m *machine) retrieve(t *rapid.T, c caller) {
	r := request{caller: c, method: http.MethodGet, path: "/import_token"}
	foretold := m.model.retrieveToken(r.caller)
	got := m.do(t, r, foretold)
	if foretold != ok {
		return
	}
	shown, serial := m.compareToken(t, got), m.model.token.serial
	text, _ := base64.StdEncoding.DecodeString(shown.Payload)
	nonce, _ := base64.StdEncoding.DecodeString(shown.Nonce)
	block, _ := pem.Decode(text)
	if block == nil || len(nonce) != 12 {
		t.Fatalf("no key or nonce in %s", got.body)
	}
	for _, before := range m.retrieved {
		if same := bytes.Equal(before.nonce, nonce); same != (before.serial == serial) {
			t.Fatalf("import tokens %d and %d have the same nonce: %v", before.serial, serial, same)
		}
	}
	m.retrieved = append(m.retrieved, retrieved{block.Bytes, nonce, serial})
}
