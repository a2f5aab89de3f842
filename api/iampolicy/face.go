package iampolicy

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// Identities tells who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
}

// Config is what the face works with. All fields are needed.
type Config struct {
	Access     *iam.Access
	Identities Identities
	Log        iam.RefusalRecorder
	PublicURL  string // scheme, host and port, no path
	Now        func() time.Time
	Logger     *slog.Logger
}

type server struct {
	access *iam.Access
	public string
}

type (
	call   = httpface.Call
	answer = httpface.Answer
)

// maxBody bounds documents: the largest policy that is accepted is smaller.
const maxBody = 256 << 10

// New returns the face.
func New(cfg Config) *httpface.Face[iam.Caller] {
	s := &server{access: cfg.Access, public: cfg.PublicURL}
	return &httpface.Face[iam.Caller]{
		Name:         "iam-policy",
		Prefixes:     []string{"/v1/policies", "/v2/policies", "/v1/roles", "/v2/roles", "/v2/groups"},
		Routes:       s.routes(),
		Now:          cfg.Now,
		Log:          cfg.Logger,
		Authenticate: httpface.ByToken(cfg.Identities.Authenticate, iam.ErrUnauthenticated),
		Fail:         fail,
		Record: func(ctx context.Context, c *call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, cfg.Log, "IAM", who, c.Trail, c.Action, status, err)
		},
		RequestID: []string{"Transaction-Id", "X-Correlation-Id", "X-Request-Id"},
	}
}

func (s *server) routes() []httpface.Route[iam.Caller] {
	type handler = func(context.Context, iam.Caller, *call) (answer, error)
	route := func(method, path string, status int, action string, h handler) httpface.Route[iam.Caller] {
		return httpface.Route[iam.Caller]{Method: method, Path: path, Action: action, Status: status, Handle: h, MaxBody: maxBody}
	}
	v1, v2 := &version{server: s, name: "v1"}, &version{server: s, name: "v2"}
	return []httpface.Route[iam.Caller]{
		route("POST", "/v1/policies", 201, "iam-am.policy.create", v1.create),
		route("GET", "/v1/policies", 200, "iam-am.policy.list", v1.list),
		route("GET", "/v1/policies/{id}", 200, "iam-am.policy.get", v1.get),
		route("PUT", "/v1/policies/{id}", 200, "iam-am.policy.update", v1.replace),
		route("PATCH", "/v1/policies/{id}", 200, "iam-am.policy.restore", v1.restore),
		route("DELETE", "/v1/policies/{id}", 204, "iam-am.policy.delete", v1.remove),
		route("POST", "/v2/policies", 201, "iam-am.policy.create", v2.create),
		route("GET", "/v2/policies", 200, "iam-am.policy.list", v2.list),
		route("GET", "/v2/policies/{id}", 200, "iam-am.policy.get", v2.get),
		route("PUT", "/v2/policies/{id}", 200, "iam-am.policy.update", v2.replace),
		route("DELETE", "/v2/policies/{id}", 204, "iam-am.policy.delete", v2.remove),

		route("GET", "/v1/roles", 200, "iam-am.role.list", s.oldRoles),
		route("GET", "/v2/roles", 200, "iam-am.role.list", s.roles),
		route("POST", "/v2/roles", 201, "iam-am.role.create", s.createRole),
		route("GET", "/v2/roles/{id}", 200, "iam-am.role.get", s.getRole),
		route("PUT", "/v2/roles/{id}", 200, "iam-am.role.update", s.replaceRole),
		route("DELETE", "/v2/roles/{id}", 204, "iam-am.role.delete", s.deleteRole),

		route("POST", "/v2/groups", 201, "iam-groups.group.create", s.createGroup),
		route("GET", "/v2/groups", 200, "iam-groups.group.list", s.listGroups),
		route("GET", "/v2/groups/settings", 200, "iam-groups.settings.get", s.groupSettings),
		route("GET", "/v2/groups/{id}", 200, "iam-groups.group.get", s.getGroup),
		route("PATCH", "/v2/groups/{id}", 200, "iam-groups.group.update", s.updateGroup),
		route("DELETE", "/v2/groups/{id}", 204, "iam-groups.group.delete", s.deleteGroup),
		route("GET", "/v2/groups/{id}/rules", 200, "iam-groups.group.get", s.listRules),
		route("GET", "/v2/groups/{id}/members", 200, "iam-groups.member.list", s.listMembers),
		route("PUT", "/v2/groups/{id}/members", 207, "iam-groups.member.add", s.addMembers),
		route("POST", "/v2/groups/{id}/members/delete", 207, "iam-groups.member.remove", s.removeMembers),
		route("HEAD", "/v2/groups/{id}/members/{iam_id}", 204, "iam-groups.member.list", s.isMember),
		route("DELETE", "/v2/groups/{id}/members/{iam_id}", 204, "iam-groups.member.remove", s.removeMember),
		route("PUT", "/v2/groups/_allgroups/members/{iam_id}", 207, "iam-groups.member.add", s.addToGroups),
		route("DELETE", "/v2/groups/_allgroups/members/{iam_id}", 207, "iam-groups.member.remove", s.removeFromGroups),
	}
}

// tagged is an answer with an ETag.
func tagged(etag string, body any) answer {
	h := http.Header{}
	h.Set("ETag", etag)
	return answer{Header: h, Body: body}
}

// instant is a time on the wire.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
