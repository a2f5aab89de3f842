package matrix_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"strongroom/internal/httpface"
	"strongroom/test/rig"
)

// world is an account with one thing of each kind, made when it is first needed.
type world struct {
	t     *testing.T
	r     *rig.Rig
	owner string            // token
	made  map[string]string // by kind
}

func newWorld(t *testing.T, r *rig.Rig) *world {
	t.Helper()
	return &world{t: t, r: r, owner: r.Token(t, r.Operator.APIKey), made: map[string]string{}}
}

// in returns the same world for another test, with a token that is still good.
func (w *world) in(t *testing.T) *world {
	t.Helper()
	w.owner = w.r.Token(t, w.r.Operator.APIKey)
	return &world{t: t, r: w.r, owner: w.owner, made: w.made}
}

// get returns the ID of the thing of a kind.
func (w *world) get(kind string) string {
	w.t.Helper()
	if id, ok := w.made[kind]; ok {
		return id
	}
	kindOf, ok := things()[kind]
	if !ok {
		w.t.Fatalf("nobody knows how to make a thing of kind %q", kind)
	}
	id := kindOf.make(w)
	w.made[kind] = id
	return id
}

// absent returns an ID of the same form, of a thing that does not exist.
func (w *world) absent(kind string) string {
	w.t.Helper()
	return things()[kind].absent()
}

// makeAll makes a thing of every kind.
func (w *world) makeAll() {
	w.t.Helper()
	for _, kind := range slices.Sorted(maps.Keys(things())) {
		w.get(kind)
	}
}

// confidential lists what an attacker may not learn from the answer to a sample:
// the names of all things, and their IDs.
func (w *world) confidential(a attacker, s sample) []string {
	secrets := []string{confidentialName}
	if s.tenant && a.foreign {
		return secrets // its own record has the IDs that it asked for before
	}
	for _, kind := range slices.Sorted(maps.Keys(w.made)) {
		if !things()[kind].public && kind != a.owns {
			secrets = append(secrets, w.made[kind])
		}
	}
	return secrets
}

// confidentialName is part of the name of every thing.
const confidentialName = "confidential"

// must sends a request as the owner and decodes the answer.
func (w *world) must(method, path string, body, into any) {
	w.t.Helper()
	q := rig.Request{Method: method, Path: path, Token: w.owner, Header: http.Header{"Bluemix-Instance": {w.get("instance")}}}
	if body != nil {
		q.Body = rig.JSON(body)
	}
	w.r.Must(w.t, q, into)
}

// named is a body with a name, and other members.
func named(more map[string]any) map[string]any {
	body := map[string]any{"name": confidentialName + " " + uuid.NewString()}
	maps.Copy(body, more)
	return body
}

// stillThere checks that no attack has changed anything.
func (w *world) stillThere(t *testing.T) {
	t.Helper()
	w = w.in(t)
	for kind, path := range map[string]string{
		"key": "/api/v2/keys/{}/metadata", "apiKey": "/v1/apikeys/{}", "serviceID": "/v1/serviceids/{}",
		"policy": "/v1/policies/{}", "accessGroup": "/v2/groups/{}", "resourceKey": "/v2/resource_keys/{}",
		"resourceGroup": "/v2/resource_groups/{}", "emptyInstance": "/v2/resource_instances/{}",
	} {
		var found map[string]any
		w.must(http.MethodGet, strings.Replace(path, "{}", url.PathEscape(w.get(kind)), 1), nil, &found)
		text := fmt.Sprint(found)
		for _, sign := range []string{"state:removed", "state:deleted", "state:5", "state:pending_reclamation", "locked:true", "disabled:true", "attacked"} {
			if strings.Contains(text, sign) {
				t.Errorf("the %s was changed by an attack: %s", kind, text)
			}
		}
	}
}

// sample says how to call a route.
type sample struct {
	// path names the kinds of the things in the route's path, by parameter. A
	// value that begins with "=" is taken as it is.
	path   map[string]string
	query  string
	header map[string]string
	body   string // a "$kind" in these stands for the ID of a thing
	// harmless says that everybody may be answered: with what is the same for
	// all, or with what is the caller's own. What is confidential must not be in
	// the answer all the same.
	harmless bool
	// lists is the kind of thing that who owns one may be shown.
	lists string
	// tenant says that who administers another account is answered about that one.
	tenant bool
	// service says that only services are answered. Who may act on the thing, and is none, hears that.
	service bool
	// action is what the sample does where the route alone does not say it.
	action string
}

// answers says whether the attacker may be answered, with nothing of the victim's.
func (s sample) answers(a attacker) bool {
	return s.harmless || s.tenant && a.foreign || s.lists != "" && s.lists == a.owns
}

// names lists the kinds of the things whose existence the answer might betray.
func (s sample) names() []string {
	text := s.query + s.body
	for _, value := range s.header {
		text += value
	}
	kinds := slices.Collect(maps.Values(s.path))
	for _, ref := range reference.FindAllString(text, -1) {
		kinds = append(kinds, ref[1:])
	}
	slices.Sort(kinds)
	return slices.DeleteFunc(slices.Compact(kinds), func(kind string) bool {
		return strings.HasPrefix(kind, "=") || things()[kind].public ||
			kind == "instance" && s.lists != "" // who may be shown things in it knows that it exists
	})
}

// reference matches the name of a thing in a sample.
var reference = regexp.MustCompile(`\$[a-zA-Z0-9]+`)

// send sends a sample; instead replaces things of the world by others.
func (w *world) send(route httpface.RouteInfo, s sample, token string, instead map[string]string) rig.Answer {
	w.t.Helper()
	q := w.request(route, s, instead)
	q.Token = token
	id := uuid.NewString()
	q.Header.Set("Correlation-Id", id)
	q.Header.Set("Transaction-Id", id)
	a := w.r.Send(w.t, q)
	a.ID = id
	return a
}

func (w *world) request(route httpface.RouteInfo, s sample, instead map[string]string) rig.Request {
	w.t.Helper()
	pick := func(kind string) string {
		if id, ok := instead[kind]; ok {
			return id
		}
		return w.get(kind)
	}
	fill := func(text string) string {
		return reference.ReplaceAllStringFunc(text, func(ref string) string { return pick(ref[1:]) })
	}
	path := regexp.MustCompile(`\{[^}]+\}`).ReplaceAllStringFunc(route.Path, func(p string) string {
		kind, ok := s.path[strings.Trim(p, "{}")]
		if !ok {
			w.t.Fatalf("the sample of %s %s does not say what %s is", route.Method, route.Path, p)
		}
		if literal, ok := strings.CutPrefix(kind, "="); ok {
			return literal
		}
		return url.PathEscape(pick(kind))
	})
	if s.query != "" {
		path += "?" + fill(s.query)
	}
	header := http.Header{}
	for name, value := range s.header {
		header.Set(name, fill(value))
	}
	return rig.Request{Method: route.Method, Path: path, Header: header, Body: fill(s.body)}
}

// requestText is everything that a caller says with a sample.
func (w *world) requestText(route httpface.RouteInfo, s sample) string {
	q := w.request(route, s, nil)
	path, err := url.PathUnescape(q.Path)
	if err != nil {
		w.t.Fatal(err)
	}
	return fmt.Sprint(q.Path, path, q.Header, q.Body)
}
