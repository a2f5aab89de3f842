package resourcecontroller

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

// Identities tells who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
}

// Config is what the face works with. All fields are needed.
type Config struct {
	Resources  *resource.Service
	Identities Identities
	Log        iam.RefusalRecorder
	PublicURL  string // of the control interfaces: scheme, host and port, no path
	S3URL      string // of the object store, likewise
	Region     string
	Now        func() time.Time
	Logger     *slog.Logger
}

type server struct {
	resources *resource.Service
	public    string
	s3        string
	region    string
}

type (
	call   = httpface.Call
	answer = httpface.Answer
)

// New returns the face.
func New(cfg Config) *httpface.Face[iam.Caller] {
	s := &server{resources: cfg.Resources, public: cfg.PublicURL, s3: cfg.S3URL, region: cfg.Region}
	return &httpface.Face[iam.Caller]{
		Name: "resource-controller",
		Prefixes: []string{
			"/v2/resource_instances", "/v2/resource_keys", "/v1/reclamations", "/v2/resource_groups",
			"/v2/quota_definitions", "/api/v1", "/v3/tags", "/v3/resources", "/v2/endpoints",
		},
		Routes:       s.routes(),
		Now:          cfg.Now,
		Log:          cfg.Logger,
		Authenticate: httpface.ByToken(cfg.Identities.Authenticate, iam.ErrUnauthenticated),
		Fail:         fail,
		Record: func(ctx context.Context, c *call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, cfg.Log, "Resource Controller", who, c.Trail, c.Action, status, err)
		},
		RequestID: []string{"Transaction-Id", "X-Correlation-Id", "X-Request-Id"},
	}
}

// actionCatalog and actionEndpoints name reads of what is the same for everybody.
const (
	actionCatalog   iam.Action = "globalcatalog.entry.read"
	actionQuota     iam.Action = "resource-controller.quota.read"
	actionEndpoints iam.Action = "cloud-object-storage.endpoints.read"
	actionTagDelete iam.Action = "resource-controller.tag.delete"
)

func (s *server) routes() []httpface.Route[iam.Caller] {
	type handler = func(context.Context, iam.Caller, *call) (answer, error)
	route := func(method, path string, status int, action iam.Action, h handler) httpface.Route[iam.Caller] {
		return httpface.Route[iam.Caller]{Method: method, Path: path, Action: string(action), Status: status, Handle: h}
	}
	return []httpface.Route[iam.Caller]{
		route("POST", "/v2/resource_instances", 201, resource.ActionInstanceCreate, s.createInstance),
		route("GET", "/v2/resource_instances", 200, resource.ActionInstanceList, s.listInstances),
		route("GET", "/v2/resource_instances/{id}", 200, resource.ActionInstanceRetrieve, s.getInstance),
		route("PATCH", "/v2/resource_instances/{id}", 200, resource.ActionInstanceUpdate, s.updateInstance),
		route("DELETE", "/v2/resource_instances/{id}", 204, resource.ActionInstanceDelete, s.deleteInstance),
		route("POST", "/v2/resource_instances/{id}/lock", 200, resource.ActionInstanceLock, s.lockInstance),
		route("DELETE", "/v2/resource_instances/{id}/lock", 200, resource.ActionInstanceUnlock, s.unlockInstance),
		route("DELETE", "/v2/resource_instances/{id}/last_operation", 200, resource.ActionInstanceRetrieve, s.getInstance),
		route("GET", "/v2/resource_instances/{id}/resource_keys", 200, resource.ActionKeyRetrieve, s.listInstanceKeys),
		route("GET", "/v2/resource_instances/{id}/resource_aliases", 200, resource.ActionInstanceRetrieve, s.listNothing),
		route("GET", "/v2/resource_instances/{id}/resource_bindings", 200, resource.ActionInstanceRetrieve, s.listNothing),

		route("GET", "/v1/reclamations", 200, resource.ActionReclamationList, s.listReclamations),
		route("POST", "/v1/reclamations/{id}/actions/reclaim", 200, resource.ActionReclamationReclaim, s.reclaim),
		route("POST", "/v1/reclamations/{id}/actions/restore", 200, resource.ActionReclamationRestore, s.restore),

		route("POST", "/v2/resource_keys", 201, resource.ActionKeyCreate, s.createKey),
		route("GET", "/v2/resource_keys", 200, resource.ActionKeyList, s.listKeys),
		route("GET", "/v2/resource_keys/{id}", 200, resource.ActionKeyRetrieve, s.getKey),
		route("PATCH", "/v2/resource_keys/{id}", 200, resource.ActionKeyUpdate, s.renameKey),
		route("DELETE", "/v2/resource_keys/{id}", 204, resource.ActionKeyDelete, s.deleteKey),

		route("POST", "/v2/resource_groups", 201, resource.ActionGroupCreate, s.createGroup),
		route("GET", "/v2/resource_groups", 200, resource.ActionGroupList, s.listGroups),
		route("GET", "/v2/resource_groups/{id}", 200, resource.ActionGroupRetrieve, s.getGroup),
		route("PATCH", "/v2/resource_groups/{id}", 200, resource.ActionGroupUpdate, s.updateGroup),
		route("DELETE", "/v2/resource_groups/{id}", 204, resource.ActionGroupDelete, s.deleteGroup),
		route("GET", "/v2/quota_definitions", 200, actionQuota, listQuotas),
		route("GET", "/v2/quota_definitions/{id}", 200, actionQuota, getQuota),

		route("POST", "/v3/tags/attach", 200, resource.ActionTagAttach, s.attachTags),
		route("POST", "/v3/tags/detach", 200, resource.ActionTagDetach, s.detachTags),
		route("GET", "/v3/tags", 200, resource.ActionTagList, s.listTags),
		route("DELETE", "/v3/tags", 200, actionTagDelete, deleteUnusedTags),
		route("DELETE", "/v3/tags/{name}", 200, resource.ActionTagList, s.deleteTag),
		route("POST", "/v3/resources/search", 200, resource.ActionTagList, s.search),

		route("GET", "/api/v1", 200, actionCatalog, s.searchCatalog),
		route("GET", "/api/v1/", 200, actionCatalog, s.searchCatalog),
		route("GET", "/api/v1/{id}", 200, actionCatalog, s.catalogEntry),
		route("GET", "/api/v1/{id}/{kind}", 200, actionCatalog, s.catalogChildren),

		{Method: "GET", Path: "/v2/endpoints", Action: string(actionEndpoints), Open: s.endpoints},
	}
}

// deleted answers 202 while what was decided is still being done.
func deleted(done bool) answer {
	if done {
		return answer{}
	}
	return answer{Status: http.StatusAccepted, Body: struct{}{}}
}

// instant is a time on the wire; the zero time is null.
func instant(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	text := t.UTC().Format("2006-01-02T15:04:05.000Z")
	return &text
}
