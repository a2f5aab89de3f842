package model_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"strongroom/api/keyprotect"
	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
	"strongroom/kms/kmstest"
)

const (
	account iam.AccountID = "0123456789abcdef0123456789abcdef"
	keyType string        = "application/vnd.ibm.kms.key+json"
	// sharedRing is the ring that one of the callers has access to, and no other.
	sharedRing string = "team-a"
)

// world is the face of a key service with one instance.
type world struct {
	*kmstest.Rig
	instance kms.Instance
	router   *httpface.Router
}

func newWorld(t *testing.T, configure ...func(*kms.Config)) *world {
	t.Helper()
	w := &world{Rig: kmstest.New(t, configure...), router: &httpface.Router{}}
	httpface.Mount(w.router, keyprotect.New(keyprotect.Config{
		Keys: w.Service, Identities: identities{}, Log: w.Log, Region: "us-south", Now: w.Clock.Now,
		Logger: slog.New(slog.DiscardHandler),
	}))
	w.begin(t)
	return w
}

// begin goes on in an instance without keys.
func (w *world) begin(t *testing.T) {
	t.Helper()
	w.instance = w.NewInstance(t, account)
	for name, c := range callers() {
		if c.actions != nil {
			w.Access.Grant(kmstest.Grant{
				Identity: identityOf(name), Account: account, Instance: w.instance.ID, Ring: c.ring, Actions: c.actions,
			})
		}
	}
}

// end removes the instance with all that is in it.
func (w *world) end(t *testing.T) {
	t.Helper()
	if err := w.DestroyInstance(t.Context(), w.instance); err != nil {
		t.Fatal(err)
	}
}

// person is what a caller may do.
type person struct {
	actions []iam.Action
	ring    string // in this ring only; empty means everywhere
}

// callers lists who asks. Two of them may delete, as some deletions need two; one may do nothing.
func callers() map[string]person {
	reader := []iam.Action{
		kms.ActionList, kms.ActionHead, kms.ActionMetadata, kms.ActionVersions,
		kms.ActionWrap, kms.ActionUnwrap, kms.ActionRewrap, kms.ActionRingList,
	}
	writer := append([]iam.Action{
		kms.ActionRead, kms.ActionCreate, kms.ActionRotate, kms.ActionAuthorize, kms.ActionUnauthorize,
		kms.ActionSync, kms.ActionAliasCreate, kms.ActionAliasDelete, kms.ActionRingCreate,
	}, reader...)
	manager := append([]iam.Action{
		kms.ActionDisable, kms.ActionEnable, kms.ActionDelete, kms.ActionRestore, kms.ActionPatch,
		kms.ActionRingDelete, kms.ActionPolicyRead, kms.ActionPolicyWrite,
	}, writer...)
	return map[string]person{
		"reader":   {actions: reader},
		"writer":   {actions: writer},
		"manager":  {actions: manager},
		"deputy":   {actions: manager},
		"purger":   {actions: []iam.Action{kms.ActionPurge}},
		"ringmate": {actions: manager, ring: sharedRing},
		"nobody":   {},
	}
}

func identityOf(name string) iam.IdentityID { return iam.IdentityID("IBMid-" + name) }

// identities knows callers by tokens that are their names.
type identities struct{}

func (identities) Authenticate(_ context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	if _, ok := callers()[token]; !ok {
		return iam.Caller{}, iam.ErrUnauthenticated
	}
	return iam.Caller{Identity: identityOf(token), Kind: iam.KindUser, Account: account, Name: token, Trail: trail}, nil
}

// request is one request to the face.
type request struct {
	who, method, path, ring, body string
}

// reply is what came back.
type reply struct {
	outcome
	body []byte
}

// outcome is what a model can foretell of an answer.
type outcome struct {
	status int
	code   string
}

func (w *world) send(r request) reply {
	q := httptest.NewRequestWithContext(context.Background(), r.method, "/api/v2"+r.path, strings.NewReader(r.body))
	q.Header.Set("Authorization", "Bearer "+r.who)
	q.Header.Set("Bluemix-Instance", string(w.instance.ID))
	if r.ring != "" {
		q.Header.Set("X-Kms-Key-Ring", r.ring)
	}
	rec := httptest.NewRecorder()
	w.router.ServeHTTP(rec, q)
	body, err := io.ReadAll(rec.Result().Body)
	if err != nil {
		panic(err) // a recorder does not fail
	}
	out := reply{outcome: outcome{status: rec.Code}, body: body}
	if rec.Code >= http.StatusBadRequest {
		var refused struct {
			Resources []struct{ Reasons []struct{ Code string } }
		}
		_ = json.Unmarshal(body, &refused)
		if len(refused.Resources) == 1 && len(refused.Resources[0].Reasons) == 1 {
			out.code = refused.Resources[0].Reasons[0].Code
		}
	}
	return out
}

// keyView is what is compared of a key.
type keyView struct {
	ID             string    `json:"id"`
	Name           string    `json:"name"`
	State          int       `json:"state"`
	Extractable    bool      `json:"extractable"`
	Imported       bool      `json:"imported"`
	Ring           string    `json:"keyRingID"`
	Aliases        []string  `json:"aliases"`
	Deleted        bool      `json:"deleted"`
	DeletedBy      string    `json:"deletedBy"`
	DeletionDate   string    `json:"deletionDate"`
	LastRotateDate string    `json:"lastRotateDate"`
	RestoreAllowed bool      `json:"restoreAllowed"`
	PurgeAllowed   bool      `json:"purgeAllowed"`
	DualAuthDelete dualView  `json:"dualAuthDelete"`
	Rotation       *rotation `json:"rotation"`
	KeyVersion     struct {
		ID string `json:"id"`
	} `json:"keyVersion"`
}

type dualView struct {
	Enabled bool   `json:"enabled"`
	Set     bool   `json:"keySetForDeletion"`
	Until   string `json:"authExpiration"`
}

type rotation struct {
	Enabled bool `json:"enabled"`
	Month   int  `json:"interval_month"`
	Day     int  `json:"interval_day"`
}

// keys decodes a collection of keys.
func (r reply) keys() []keyView {
	var c struct {
		Resources []keyView `json:"resources"`
	}
	if err := json.Unmarshal(r.body, &c); err != nil {
		return nil
	}
	return c.Resources
}
