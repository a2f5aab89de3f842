package cosconfig

import (
	"context"
	"log/slog"
	"net/http"
	"time"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Identities tells who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
}

// Config is what the face works with. All fields are needed.
type Config struct {
	Objects    *objects.Service
	Identities Identities
	Log        iam.RefusalRecorder
	Now        func() time.Time
	Logger     *slog.Logger
}

type server struct{ objects *objects.Service }

type (
	call   = httpface.Call
	answer = httpface.Answer
)

// Prefixes of the paths of IBM's API for backups of buckets, which is not offered.
var backupPrefixes = [...]string{"/v1/buckets", "/v1/backup_vaults"}

// New returns the face.
func New(cfg Config) *httpface.Face[iam.Caller] {
	s := &server{objects: cfg.Objects}
	return &httpface.Face[iam.Caller]{
		Name:     "cos-config",
		Prefixes: append([]string{"/v1/b"}, backupPrefixes[:]...),
		Routes: []httpface.Route[iam.Caller]{
			{Method: "GET", Path: "/v1/b/{bucket}", Action: string(objects.ActionBucketGetBasic), Handle: s.read},
			{Method: "PATCH", Path: "/v1/b/{bucket}", Action: string(objects.ActionBucketPutQuota), Status: http.StatusNoContent, Handle: s.patch},
		},
		Now:          cfg.Now,
		Log:          cfg.Logger,
		Authenticate: httpface.ByToken(cfg.Identities.Authenticate, iam.ErrUnauthenticated),
		Fail:         fail,
		Record: func(ctx context.Context, c *call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, cfg.Log, "Cloud Object Storage", who, c.Trail, c.Action, status, err)
		},
		RequestID: []string{"Transaction-Id", "X-Correlation-Id", "X-Request-Id"},
	}
}
