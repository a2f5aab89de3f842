// Package strongroom is the face of our own operations, under /strongroom/v1/:
// the audit trail of an account, the verification of the whole log, and the
// metrics of an account's instances, the masters of the crypto modules, backups,
// the storage nodes, and work on buckets that S3 has no words for. It also answers for paths that belong to no face.
//
// Errors have the form {"error": {"code", "message", "correlation_id"}}.
package strongroom

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"strongroom/activity"
	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
	"strongroom/masters"
	"strongroom/objects"
)

// Config is what the face needs of the house.
type Config struct {
	Activity   *activity.Activity
	Keys       *kms.Service
	Masters    *masters.Custodian
	Objects    *objects.Service
	Storage    *objects.Storage
	Identities Identities
	Log        iam.RefusalRecorder
	Now        func() time.Time
	Logger     *slog.Logger
}

// Identities tells from a token who calls; *iam.Identities is one.
type Identities interface {
	Authenticate(ctx context.Context, token string, trail *audit.Trail) (iam.Caller, error)
}

// face holds what the handlers need.
type face struct {
	activity *activity.Activity
	keys     *kms.Service
	masters  *masters.Custodian
	objects  *objects.Service
	storage  *objects.Storage
}

// New returns the face.
func New(c Config) *httpface.Face[iam.Caller] {
	f := &face{activity: c.Activity, keys: c.Keys, masters: c.Masters, objects: c.Objects, storage: c.Storage}
	return &httpface.Face[iam.Caller]{
		Name: "strongroom", Prefixes: []string{"/strongroom", "/"}, Now: c.Now, Log: c.Logger,
		RequestID: []string{"Correlation-Id", "Transaction-Id"},
		Routes: slices.Concat([]httpface.Route[iam.Caller]{
			{Method: "GET", Path: "/strongroom/v1/audit/events", Action: string(activity.ActionSearch), Handle: f.search},
			{Method: "GET", Path: "/strongroom/v1/audit/export", Action: string(activity.ActionExport), Handle: f.export},
			{Method: "POST", Path: "/strongroom/v1/audit/verify", Action: string(activity.ActionVerify), Handle: f.verify},
			{Method: "POST", Path: "/strongroom/v1/backups", Action: string(masters.ActionBackup), Handle: f.backup},
			{Method: "GET", Path: "/strongroom/v1/metrics", Action: string(kms.ActionMetrics), Handle: f.metrics},
			{Method: "GET", Path: "/strongroom/v1/lease", Action: string(kms.ActionWatch), Handle: f.lease},
		}, f.custodyRoutes(), f.nodeRoutes(), f.bucketRoutes()),
		Authenticate: httpface.ByToken(c.Identities.Authenticate, errNoToken), Fail: fail,
		Record: func(ctx context.Context, call *httpface.Call, who *iam.Caller, status int, err error) error {
			return iam.RecordUnreached(ctx, c.Log, "Strongroom", who, call.Trail, call.Action, status, err)
		},
	}
}

var errNoToken = fault.New(fault.Unauthenticated, "a bearer token is needed; get one from /identity/token")

// errQuery says which parameter cannot be used.
var errQuery = fault.New(fault.Invalid, "a query parameter cannot be used")

// eventPage is the answer of a search.
type eventPage struct {
	Events []*audit.Event `json:"events"`
	Next   string         `json:"next,omitempty"`
}

func (f *face) search(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	q, err := query(c)
	if err != nil {
		return httpface.Answer{}, f.activity.Refuse(ctx, who, activity.ActionSearch, err)
	}
	page, err := f.activity.Search(ctx, who, q)
	if err != nil {
		return httpface.Answer{}, err
	}
	if page.Events == nil {
		page.Events = []*audit.Event{}
	}
	return httpface.Answer{Body: eventPage{Events: page.Events, Next: page.Next}}, nil
}

// maxLimit is the most events of a page.
const maxLimit = 1000

// query reads the parameters of a search.
func query(c *httpface.Call) (activity.Query, error) {
	var q activity.Query
	if err := only(c, "from", "to", "instance", "key", "action", "initiator", "outcome", "correlation",
		"unowned", "limit", "cursor"); err != nil {
		return q, err
	}
	text := func(name string) string { v, _ := c.Query(name); return v }
	from, err := moment(c, "from")
	if err != nil {
		return q, err
	}
	to, err := moment(c, "to")
	if err != nil {
		return q, err
	}
	limit := 0
	if v, ok := c.Query("limit"); ok {
		limit, err = strconv.Atoi(v)
		if err != nil || limit < 1 || limit > maxLimit {
			return q, errQuery.On("limit", "must be a number from 1 to "+strconv.Itoa(maxLimit))
		}
	}
	outcome := audit.Outcome(text("outcome"))
	switch outcome {
	case "", audit.Success, audit.Failure, audit.Pending:
	default:
		return q, errQuery.On("outcome", "must be success, failure or pending")
	}
	switch text("unowned") {
	case "", "false":
	case "true":
		q.Unowned = true
	default:
		return q, errQuery.On("unowned", "must be true or false")
	}
	q.Query = audit.Query{
		From: from, To: to, Instance: text("instance"), Key: text("key"), Action: text("action"),
		Initiator: text("initiator"), Outcome: outcome, Correlation: text("correlation"),
		Limit: limit, Cursor: text("cursor"),
	}
	return q, nil
}

// only refuses parameters that are not among names or that are repeated: a
// search by a misspelt one would find everything, and look like an answer.
func only(c *httpface.Call, names ...string) error {
	given, err := url.ParseQuery(c.R.URL.RawQuery)
	if err != nil {
		return errQuery.On("", "the query is not well formed")
	}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		switch {
		case len(names) == 0:
			return errQuery.On(name, "is not known here, as no parameter is")
		case !slices.Contains(names, name):
			return errQuery.On(name, "is none of "+strings.Join(names, ", "))
		case len(given[name]) > 1:
			return errQuery.On(name, "must be given once")
		}
	}
	return nil
}

func moment(c *httpface.Call, name string) (time.Time, error) {
	v, ok := c.Query(name)
	if !ok || v == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return t, errQuery.On(name, "must be a time as in 2026-07-01T10:00:00Z")
	}
	return t, nil
}

func (f *face) export(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	from, to, err := period(c)
	if err != nil {
		return httpface.Answer{}, f.activity.Refuse(ctx, who, activity.ActionExport, err)
	}
	stream, err := f.activity.Export(ctx, who, from, to)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Type: "application/jsonl", Stream: stream}, nil
}

// period reads the parameters of an export.
func period(c *httpface.Call) (from, to time.Time, err error) {
	if err = only(c, "from", "to"); err != nil {
		return from, to, err
	}
	if from, err = moment(c, "from"); err != nil {
		return from, to, err
	}
	to, err = moment(c, "to")
	return from, to, err
}

func (f *face) verify(ctx context.Context, who iam.Caller, _ *httpface.Call) (httpface.Answer, error) {
	report, err := f.activity.Verify(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: NewVerification(report)}, nil
}

// errorBody is what every failure looks like.
type errorBody struct {
	Error errorDetail `json:"error"`
}

type errorDetail struct {
	Code          string `json:"code"`
	Message       string `json:"message"`
	CorrelationID string `json:"correlation_id"`
}

// codes names the kinds of failure for programs.
var codes = map[fault.Kind]string{
	fault.Internal: "internal", fault.Invalid: "invalid", fault.Unauthenticated: "unauthenticated",
	fault.Forbidden: "forbidden", fault.NotFound: "not_found", fault.Conflict: "conflict", fault.Stale: "stale",
	fault.Gone: "gone", fault.Unprocessable: "unprocessable", fault.TooLarge: "too_large",
	fault.TooMany: "too_many_requests", fault.Unavailable: "unavailable",
}

func fail(c *httpface.Call, err error) httpface.Answer {
	kind := fault.KindOf(err)
	status := kind.Status()
	message, ok := fault.Explain(err)
	if !ok {
		message = "internal error; the server's log has the details under this correlation ID"
	}
	switch {
	case errors.Is(err, httpface.ErrNoMethod):
		status = http.StatusMethodNotAllowed
	case errors.Is(err, audit.ErrCursor):
		kind, status, message = fault.Invalid, http.StatusBadRequest, "the cursor is not one of ours"
	}
	return httpface.Answer{
		Status: status,
		Body:   errorBody{errorDetail{Code: codes[kind], Message: message, CorrelationID: c.Trail.CorrelationID}},
	}
}
