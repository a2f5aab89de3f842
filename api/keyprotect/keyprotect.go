// Package keyprotect is the face of the key service: the Key Protect API, version 2, as IBM's
// clients speak it.
//
// It offers all of the API but for KMIP and the few calls that docs/key-protect.md lists, which are
// answered like any unknown path; actions also in the older form POST /keys/{id}?action=…. What
// IBM's service does not have is under /strongroom/v1.
//
// Rules that clients rely on: JSON answers carry a vendor type as Content-Type, "resources" is
// always an array, request bodies are read without regard to case or to their Content-Type, and a
// caller who may not do something hears 401 and nothing else. The checks come in a fixed order:
// token, instance header, authorization, syntax, existence, state.
package keyprotect

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// Identities tells who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
}

// Config is what the face works with. All fields are needed but Port and Observe.
type Config struct {
	Keys       *kms.Service
	Identities Identities
	Log        iam.RefusalRecorder
	Region     string // part of every CRN
	Port       int    // that clients reach the face at, for those who may come from some addresses only; zero means 443
	Now        func() time.Time
	Logger     *slog.Logger
	Observe    Observer // nil for nobody
}

// Observer hears of each request of a known caller to an instance when it was answered: what was asked,
// the HTTP status of the answer, and how long it took. The instance need not exist. It must not block.
type Observer func(ctx context.Context, in kms.InstanceID, action iam.Action, status int, took time.Duration)

// hook is the observer as the router calls it.
func (o Observer) hook() func(c *call, who *iam.Caller, status int, took time.Duration) {
	if o == nil {
		return nil
	}
	return func(c *call, who *iam.Caller, status int, took time.Duration) {
		if who == nil || c.Action == "" {
			return
		}
		if ref, err := refOf(c); err == nil {
			o(c.R.Context(), ref.Instance, iam.Action(c.Action), status, took)
		}
	}
}

type server struct {
	keys   *kms.Service
	region string
	port   int
	now    func() time.Time
}

type (
	call   = httpface.Call
	answer = httpface.Answer
	// handler serves one route.
	handler = func(context.Context, iam.Caller, *call) (answer, error)
)

// New returns the face.
func New(cfg Config) *httpface.Face[iam.Caller] {
	s := &server{keys: cfg.Keys, region: cfg.Region, port: cmp.Or(cfg.Port, 443), now: cfg.Now}
	return &httpface.Face[iam.Caller]{
		Name:         "key-protect",
		Prefixes:     []string{"/api/v2"},
		Routes:       s.routes(),
		Now:          cfg.Now,
		Log:          cfg.Logger,
		Authenticate: httpface.ByToken(cfg.Identities.Authenticate, iam.ErrUnauthenticated),
		Fail:         fail,
		Record: func(ctx context.Context, c *call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, cfg.Log, "Key Protect", who, c.Trail, c.Action, status, err)
		},
		Observe:   cfg.Observe.hook(),
		RequestID: []string{"Correlation-Id"},
	}
}

func (s *server) routes() []httpface.Route[iam.Caller] {
	route := func(method, path string, status int, action iam.Action, h handler) httpface.Route[iam.Caller] {
		return httpface.Route[iam.Caller]{
			Method: method, Path: "/api/v2" + path, Action: string(action), Status: status, Handle: h,
		}
	}
	return slices.Concat([]httpface.Route[iam.Caller]{
		route("HEAD", "/keys", 200, kms.ActionHead, handle(s, kms.ActionHead, parseHead, s.headKeys)),
		route("GET", "/keys", 200, kms.ActionList, handle(s, kms.ActionList, parseList, s.listKeys)),
		route("POST", "/keys", 201, kms.ActionCreate, handle(s, kms.ActionCreate, parseCreate, s.createKey)),
		route("GET", "/keys/{id}", 200, kms.ActionRead, handle(s, kms.ActionRead, parseNothing, s.getKey)),
		route("GET", "/keys/{id}/metadata", 200, kms.ActionMetadata, handle(s, kms.ActionMetadata, parseNothing, s.getMetadata)),
		route("DELETE", "/keys/{id}", 204, kms.ActionDelete, handle(s, kms.ActionDelete, parseDelete, s.deleteKey)),
		route("GET", "/keys/{id}/versions", 200, kms.ActionVersions, handle(s, kms.ActionVersions, parseVersions, s.listVersions)),
		route("POST", "/keys/{id}/actions/wrap", 200, kms.ActionWrap, s.wrapKey()),
		route("POST", "/keys/{id}/actions/unwrap", 200, kms.ActionUnwrap, s.unwrapKey()),
		route("POST", "/keys/{id}/actions/rewrap", 200, kms.ActionRewrap, s.rewrapKey()),
		route("POST", "/keys/{id}/actions/rotate", 204, kms.ActionRotate, s.rotateKey()),
		route("POST", "/keys/{id}/actions/disable", 204, kms.ActionDisable, s.disableKey()),
		route("POST", "/keys/{id}/actions/enable", 204, kms.ActionEnable, s.enableKey()),
		route("POST", "/keys/{id}/actions/setKeyForDeletion", 204, kms.ActionAuthorize, s.setKeyForDeletion()),
		route("POST", "/keys/{id}/actions/unsetKeyForDeletion", 204, kms.ActionUnauthorize, s.unsetKeyForDeletion()),
		route("POST", "/keys/{id}/actions/sync", 204, kms.ActionSync, s.syncKey()),
		route("POST", "/keys/{id}/restore", 201, kms.ActionRestore, s.restoreKey()),
		route("DELETE", "/keys/{id}/purge", 204, kms.ActionPurge, handle(s, kms.ActionPurge, parsePurge, s.purgeKey)),
		route("PUT", "/keys/{id}/policies", 200, kms.ActionPolicyWrite, handle(s, kms.ActionPolicyWrite, parsePolicies, s.putPolicies)),
		route("GET", "/keys/{id}/policies", 200, kms.ActionPolicyRead, handle(s, kms.ActionPolicyRead, parsePolicyQuery, s.getPolicies)),
		route("PUT", "/instance/policies", 204, kms.ActionInstancePolicyWrite, handle(s, kms.ActionInstancePolicyWrite, parseInstancePolicies, s.putInstancePolicies)),
		route("GET", "/instance/policies", 200, kms.ActionInstancePolicyRead, handle(s, kms.ActionInstancePolicyRead, parseInstancePolicyQuery, s.getInstancePolicies)),
		route("GET", "/instance/allowed_ip_port", 200, kms.ActionAllowedPort, handle(s, kms.ActionAllowedPort, parseNoQuery, s.getAllowedPort)),
		route("POST", "/keys_with_policy_overrides", 201, kms.ActionCreateWithPolicies, handle(s, kms.ActionCreateWithPolicies, parseCreateWithPolicies, s.createKey)),
		route("PATCH", "/keys/{id}", 200, kms.ActionPatch, handle(s, kms.ActionPatch, parsePatch, s.patchKey)),
		route("POST", "/keys/{id}/aliases/{alias}", 201, kms.ActionAliasCreate, handle(s, kms.ActionAliasCreate, parseAlias, s.createAlias)),
		route("DELETE", "/keys/{id}/aliases/{alias}", 204, kms.ActionAliasDelete, handle(s, kms.ActionAliasDelete, parseAlias, s.deleteAlias)),
		route("GET", "/key_rings", 200, kms.ActionRingList, handle(s, kms.ActionRingList, parseRings, s.listRings)),
		route("POST", "/key_rings/{ring}", 201, kms.ActionRingCreate, handle(s, kms.ActionRingCreate, parseNewRing, s.createRing)),
		route("DELETE", "/key_rings/{ring}", 204, kms.ActionRingDelete, handle(s, kms.ActionRingDelete, parseRingDeletion, s.deleteRing)),
		route("GET", "/keys/registrations", 200, kms.ActionRegistrationList, handle(s, kms.ActionRegistrationList, parseRegistrations, s.listRegistrations)),
		route("GET", "/keys/{id}/registrations", 200, kms.ActionRegistrationList, handle(s, kms.ActionRegistrationList, parseRegistrations, s.listRegistrations)),
		route("POST", "/keys/{id}/registrations/{resource}", 201, kms.ActionRegistrationCreate, handle(s, kms.ActionRegistrationCreate, parseNewRegistration, s.createRegistration)),
		route("PATCH", "/keys/{id}/registrations/{resource}", 200, kms.ActionRegistrationWrite, handle(s, kms.ActionRegistrationWrite, parseRegistration, s.updateRegistration)),
		route("PUT", "/keys/{id}/registrations/{resource}", 200, kms.ActionRegistrationReplace, handle(s, kms.ActionRegistrationReplace, parseWholeRegistration, s.replaceRegistration)),
		route("DELETE", "/keys/{id}/registrations/{resource}", 204, kms.ActionRegistrationDelete, handle(s, kms.ActionRegistrationDelete, parseUnregister, s.deleteRegistration)),
		route("POST", "/keys/{id}", 200, kms.ActionUnknown, s.legacyAction()),
	}, s.importTokenRoutes(), s.dataKeyRoutes(), s.batchRoutes(), s.censusRoutes())
}

// handle returns the handler of an operation: parse reads the request, act does what it asks for.
// A request that cannot be read is refused by the service, so that who may not ask does not learn
// what is wrong with it.
func handle[In any](s *server, action iam.Action, parse func(*call) (In, error),
	act func(context.Context, iam.Caller, kms.Ref, In) (answer, error),
) handler {
	return func(ctx context.Context, who iam.Caller, c *call) (answer, error) {
		ref, err := refOf(c)
		if err != nil {
			return answer{}, err
		}
		in, err := parse(c)
		if err != nil {
			return answer{}, s.keys.Refuse(ctx, who, action, ref, err)
		}
		return act(ctx, who, ref, in)
	}
}

// nothing is read of requests that say all in their path.
type nothing struct{}

func parseNothing(*call) (nothing, error) { return nothing{}, nil }

var errInstance = fault.New(fault.Invalid,
	"Request requires valid Bluemix-Instance Header containing a valid UUID")

// refOf reads what a request is for from its path and headers.
func refOf(c *call) (kms.Ref, error) {
	instance := c.R.Header.Get("Bluemix-Instance")
	if len(instance) != 36 || uuid.Validate(instance) != nil {
		return kms.Ref{}, errInstance
	}
	return kms.Ref{
		Instance: kms.InstanceID(strings.ToLower(instance)),
		Key:      c.Path("id"),
		Ring:     kms.RingID(c.R.Header.Get("X-Kms-Key-Ring")),
	}, nil
}

// wantsRepresentation reports whether the request prefers to be shown the result (RFC 7240).
func wantsRepresentation(c *call) bool {
	for _, header := range c.R.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(header, ",") {
			if strings.EqualFold(strings.TrimSpace(preference), "return=representation") {
				return true
			}
		}
	}
	return false
}
