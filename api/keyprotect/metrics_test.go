package keyprotect_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/api/keyprotect"
	"strongroom/audit"
	"strongroom/iam"
	"strongroom/iam/iamtest"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// slowly authenticates in the time that a test gives it.
type slowly struct {
	identities
	clock *iamtest.Clock
	takes time.Duration
}

func (s slowly) Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error) {
	s.clock.Advance(s.takes)
	return s.identities.Authenticate(ctx, token, trail)
}

func TestAnsweredRequestsAreObserved(t *testing.T) {
	type observed struct {
		Instance kms.InstanceID
		Action   iam.Action
		Status   int
		Took     time.Duration
	}
	var got []observed
	h := newHouse(t)
	router := &httpface.Router{}
	httpface.Mount(router, keyprotect.New(keyprotect.Config{
		Keys: h.Service, Identities: slowly{clock: h.Clock, takes: 250 * time.Millisecond}, Log: h.audit, Region: "us-south",
		Now: h.Clock.Now, Logger: slog.New(slog.DiscardHandler),
		Observe: func(_ context.Context, in kms.InstanceID, action iam.Action, status int, took time.Duration) {
			got = append(got, observed{in, action, status, took})
		},
	}))
	const took = 250 * time.Millisecond
	for _, tc := range []struct {
		name, method, path, token, instance string
		want                                []observed
	}{
		{"a list", "GET", "/api/v2/keys", "owner", string(h.ID), []observed{{h.ID, kms.ActionList, 200, took}}},
		{"another spelling", "GET", "/api/v2/keys", "owner", strings.ToUpper(string(h.ID)), []observed{{h.ID, kms.ActionList, 200, took}}},
		{"a failure", "GET", "/api/v2/keys/" + absent, "owner", string(h.ID), []observed{{h.ID, kms.ActionRead, 404, took}}},
		{"a refusal", "GET", "/api/v2/keys", "stranger", string(h.ID), []observed{{h.ID, kms.ActionList, 401, took}}},
		{"the older form", "POST", "/api/v2/keys/" + absent + "?action=rotate", "owner", string(h.ID), []observed{{h.ID, kms.ActionRotate, 404, took}}},
		{"an unknown caller", "GET", "/api/v2/keys", "whoever", string(h.ID), nil},
		{"no instance", "GET", "/api/v2/keys", "owner", "none", nil},
		{"an unknown path", "GET", "/api/v2/nothing", "owner", string(h.ID), nil},
	} {
		got = nil
		r := httptest.NewRequestWithContext(t.Context(), tc.method, tc.path, http.NoBody)
		r.Header.Set("Authorization", "Bearer "+tc.token)
		r.Header.Set(instance, tc.instance)
		router.ServeHTTP(httptest.NewRecorder(), r)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}
