package httpface

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/fault"
)

// Failures of the adapter itself, before any face has understood the request.
var (
	ErrNoRoute  = fault.New(fault.NotFound, "there is no such path")
	ErrNoMethod = fault.New(fault.Invalid, "the path does not know this method")
	ErrBody     = fault.New(fault.Invalid, "the body cannot be read")
	ErrTooLarge = fault.New(fault.TooLarge, "the body is larger than this operation allows")
)

// DefaultBody is the limit of a request body, in bytes after inflation, of
// routes that do not set their own.
const DefaultBody = 1 << 20

// Route is one row of a face's table. C is what the face knows of a caller.
// Exactly one of Handle and Open is set: a row that forgets to say that it is
// open demands a caller.
type Route[C any] struct {
	Method  string
	Path    string // with {name} for a parameter
	Action  string // the permission it needs, and the name it is recorded under
	Status  int    // of an answer that sets none, and recorded for a success; zero means 200
	MaxBody int64  // bytes after inflation; zero means DefaultBody
	Handle  func(ctx context.Context, who C, c *Call) (Answer, error)
	Open    func(ctx context.Context, c *Call) (Answer, error) // answered without a caller
}

// Face is one protocol: its routes and its manners.
type Face[C any] struct {
	Name     string
	Prefixes []string // whose unknown paths it answers
	Routes   []Route[C]
	Now      func() time.Time
	Log      *slog.Logger

	// Authenticate says who calls, or why that cannot be said.
	Authenticate func(ctx context.Context, c *Call) (C, error)
	// Fail renders an error in the protocol's shape; it decides nothing else.
	Fail func(c *Call, err error) Answer
	// Record keeps the event of a request that no door has recorded: refused
	// before it reached one, or open. who is nil when the caller is unknown.
	Record func(ctx context.Context, c *Call, who *C, status int, err error) error
	// Observe hears of each request when its answer was written, which has taken
	// so long since the request was begun; nil for nobody. It must not block, for
	// the last bytes may still be under way. who is nil when the caller is unknown.
	Observe func(c *Call, who *C, status int, took time.Duration)
	// RequestID names the headers that may bring the caller's request ID, and
	// carry it, or ours, in the answer.
	RequestID []string

	// Find finds the route of a request, for a protocol that does not tell its
	// operations apart by the path alone; nil for the paths of Routes. It is asked
	// about all that is below Prefixes and is no path of another face. What it
	// learns it may leave in Call.Found. A failure is answered like any other.
	Find func(c *Call) (*Route[C], error)
	// Headers go out with every answer.
	Headers http.Header
	// OwnHeaders says that answers carry the headers that handlers set and no
	// others: nothing is said about caching, nor about guessing types.
	OwnHeaders bool
}

// ByToken authenticates by the bearer token of a request; a request without one
// fails with missing.
func ByToken[C any](authenticate func(ctx context.Context, token string, trail *audit.Trail) (C, error), missing error,
) func(context.Context, *Call) (C, error) {
	return func(ctx context.Context, c *Call) (C, error) {
		token, ok := c.Bearer()
		if !ok {
			var nobody C
			return nobody, missing
		}
		return authenticate(ctx, token, c.Trail)
	}
}

// RouteInfo is what the outside may know of a route: for descriptions of the
// interface, and for tests that must not forget one.
type RouteInfo struct {
	Face, Method, Path, Action string
	Open                       bool
}

// Mount adds the routes of f to the router and describes them.
func Mount[C any](rt *Router, f *Face[C]) []RouteInfo {
	infos := make([]RouteInfo, 0, len(f.Routes))
	for i := range f.Routes {
		r := &f.Routes[i]
		if (r.Handle == nil) == (r.Open == nil) {
			panic("httpface: a route needs exactly one handler: " + r.Method + " " + r.Path)
		}
		if f.Find == nil {
			rt.add(r.Method, r.Path, &bound[C]{face: f, route: r, names: paramNames(r.Path)})
		}
		infos = append(infos, RouteInfo{f.Name, r.Method, r.Path, r.Action, r.Open != nil})
	}
	for _, p := range f.Prefixes {
		rt.own(p, f)
	}
	return infos
}

// bound is a route of a face, in the router's tree.
type bound[C any] struct {
	face  *Face[C]
	route *Route[C]
	names []string
}

func (b *bound[C]) serve(w http.ResponseWriter, r *http.Request, params []string) {
	c := b.face.call(w, r)
	c.names, c.params = b.names, params
	b.face.run(c, b.route)
}

// elsewhere answers a request that is no path of a table: the face finds its
// route, or refuses it.
func (f *Face[C]) elsewhere(w http.ResponseWriter, r *http.Request, status int, allow []string) {
	c := f.call(w, r)
	if f.Find != nil {
		route, err := f.Find(c)
		if err != nil {
			f.refuse(c, err)
			return
		}
		f.run(c, route)
		return
	}
	err := ErrNoRoute.On("", r.Method+" "+clip(r.URL.EscapedPath(), 200))
	if status == http.StatusMethodNotAllowed {
		err = ErrNoMethod.On("", r.Method+"; it knows "+strings.Join(allow, ", "))
		c.w.Header().Set("Allow", strings.Join(allow, ", "))
	}
	f.refuse(c, err)
}

// refuse answers a request that matched no route. A caller who can be told from
// its token is in the record of it.
func (f *Face[C]) refuse(c *Call, err error) {
	var who *C
	if f.Authenticate != nil {
		if caller, err := f.Authenticate(c.R.Context(), c); err == nil {
			who = &caller
		}
	}
	f.release(c, who, f.Fail(c, err), err)
}

// run authenticates, lets the handler work, and releases the answer.
func (f *Face[C]) run(c *Call, route *Route[C]) {
	c.Action, c.Route = route.Action, route.Path
	c.maxBody = cmp.Or(route.MaxBody, DefaultBody)
	c.Trail.Success = cmp.Or(route.Status, http.StatusOK)
	ctx := c.R.Context()
	var who *C
	answer, err := func() (a Answer, err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
			}
		}()
		if route.Open != nil {
			return route.Open(ctx, c)
		}
		caller, err := f.Authenticate(ctx, c)
		if err != nil {
			return Answer{}, err
		}
		who = &caller
		return route.Handle(ctx, caller, c)
	}()
	if err != nil {
		answer = f.Fail(c, err)
	} else if answer.Status == 0 {
		answer.Status = c.Trail.Success
	}
	f.release(c, who, answer, err)
}

// release records what no door has recorded, and only then writes the answer.
// A request that cannot be recorded is refused.
func (f *Face[C]) release(c *Call, who *C, answer Answer, err error) {
	ctx := c.R.Context()
	if err != nil && fault.KindOf(err) == fault.Internal && !errors.Is(err, context.Canceled) {
		f.Log.ErrorContext(ctx, "request failed", "face", f.Name, "action", c.Action,
			"correlation", c.Trail.CorrelationID, "error", err)
	}
	if !c.Trail.Recorded() {
		if rerr := f.Record(ctx, c, who, answer.status(), err); rerr != nil {
			f.Log.ErrorContext(ctx, "request could not be recorded", "face", f.Name,
				"correlation", c.Trail.CorrelationID, "error", rerr)
			answer.close()
			answer = f.Fail(c, rerr)
		}
	}
	for name, values := range f.Headers {
		c.w.Header()[name] = values
	}
	werr := answer.write(c, !f.OwnHeaders)
	if werr != nil && !errors.Is(werr, context.Canceled) {
		f.Log.DebugContext(ctx, "answer was not delivered", "face", f.Name,
			"correlation", c.Trail.CorrelationID, "error", werr)
	}
	if f.Observe != nil {
		f.Observe(c, who, answer.status(), f.Now().Sub(c.Trail.Time))
	}
	if werr != nil && (answer.Stream != nil || answer.Content != nil) {
		// What was sent is not whole. Ending the connection, or the stream of
		// HTTP/2, is the one way to tell that after the headers have left.
		panic(http.ErrAbortHandler)
	}
}

// call begins the trail of a request and puts its ID into the answer.
func (f *Face[C]) call(w http.ResponseWriter, r *http.Request) *Call {
	id := ""
	for _, h := range f.RequestID {
		if v := r.Header.Get(h); len(v) == 36 && uuid.Validate(v) == nil {
			id = v
			break
		}
	}
	if id == "" {
		id = uuid.NewString()
	}
	for _, h := range f.RequestID {
		w.Header().Set(h, id)
	}
	address, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		address = r.RemoteAddr
	}
	return &Call{R: r, w: w, maxBody: DefaultBody, Trail: &audit.Trail{
		CorrelationID: id, Method: r.Method, URI: clip(recordable(r.URL), 512),
		Address: address, Agent: clip(r.UserAgent(), 256), Time: f.Now(),
	}}
}

func clip(s string, limit int) string {
	if len(s) > limit {
		return s[:limit]
	}
	return s
}
