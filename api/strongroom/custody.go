package strongroom

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
	"strongroom/masters"
)

// Custody is the state of the masters, as JSON.
type Custody struct {
	Modules       []CryptoModule `json:"modules"`
	Generations   []Generation   `json:"generations"`
	Moved         uint64         `json:"moved"`                  // keys moved since the server began
	MoveFailure   string         `json:"move_failure,omitempty"` // why keys could not be moved the last time
	RotationDueAt string         `json:"rotation_due_at,omitempty"`
}

// CryptoModule describes a crypto module.
type CryptoModule struct {
	Name       string   `json:"name"`
	Kind       string   `json:"kind"`
	Protection string   `json:"protection"`
	Unknown    []uint32 `json:"unknown_generations"` // that the database does not know
	Failure    string   `json:"failure,omitempty"`
}

// Generation describes a generation of masters.
type Generation struct {
	Number     uint32    `json:"generation"`
	Module     string    `json:"module"`
	State      string    `json:"state"`
	Held       bool      `json:"held"` // its module holds the masters
	Recovery   *Recovery `json:"recovery,omitempty"`
	CreatedAt  string    `json:"created_at"`
	RetiredAt  string    `json:"retired_at,omitempty"`
	DisposedAt string    `json:"shares_destroyed_at,omitempty"`
	UnsealedAt string    `json:"seal_destroyed_at,omitempty"`
	Left       Left      `json:"left"`
}

// Recovery describes a recovery key.
type Recovery struct {
	Set       string `json:"set"`
	Threshold int    `json:"threshold"`
	Shares    int    `json:"shares"`
}

// Left is what still needs the masters of a generation.
type Left struct {
	InstanceKeys int `json:"instance_keys"`
	Versions     int `json:"versions"`
	ImportTokens int `json:"import_tokens"`
}

// NewGeneration renders a generation.
func NewGeneration(g masters.Generation) Generation {
	out := Generation{
		Number: g.Number, Module: g.Module, State: string(g.State),
		CreatedAt: stamp(g.Created), RetiredAt: stamp(g.Retired), DisposedAt: stamp(g.Disposed), UnsealedAt: stamp(g.Unsealed),
	}
	if g.Recovery.Set != "" {
		out.Recovery = &Recovery{Set: g.Recovery.Set, Threshold: g.Recovery.Threshold, Shares: g.Recovery.Shares}
	}
	return out
}

// stamp renders a time; none is empty.
func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func newCustody(st masters.Status) Custody {
	out := Custody{
		Modules: []CryptoModule{}, Generations: []Generation{}, Moved: st.Moved, RotationDueAt: stamp(st.Due),
	}
	if st.Pass.Failure != nil {
		out.MoveFailure = explain(st.Pass.Failure)
	}
	for _, m := range st.Modules {
		is := CryptoModule{Name: m.Name, Kind: m.Kind, Protection: string(m.Protection), Unknown: m.Unknown}
		if is.Unknown == nil {
			is.Unknown = []uint32{}
		}
		if m.Failure != nil {
			is.Failure = explain(m.Failure)
		}
		out.Modules = append(out.Modules, is)
	}
	for _, g := range st.Generations {
		is := NewGeneration(g.Generation)
		is.Held, is.Left = g.Held, Left(g.Left)
		out.Generations = append(out.Generations, is)
	}
	return out
}

// explain tells the operator of a failure what a caller may hear; the rest is in the log.
func explain(err error) string {
	if text, ok := fault.Explain(err); ok {
		return text
	}
	return "internal error; the server's log has the details"
}

func (f *face) custody(ctx context.Context, who iam.Caller, _ *httpface.Call) (httpface.Answer, error) {
	st, err := f.masters.Status(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: newCustody(st)}, nil
}

func (f *face) rotateMasters(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := decode(c, &struct{}{}); err != nil {
		return httpface.Answer{}, f.masters.Refuse(ctx, who, masters.ActionRotate, err)
	}
	g, err := f.masters.Rotate(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: NewGeneration(g)}, nil
}

// migration is the body of a migration.
type migration struct {
	Module          string `json:"module"`
	WithoutRecovery bool   `json:"without_recovery"`
}

func (f *face) migrateMasters(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var m migration
	err := decode(c, &m)
	if err == nil && m.Module == "" {
		err = errBody.On("module", "is missing")
	}
	if err != nil {
		return httpface.Answer{}, f.masters.Refuse(ctx, who, masters.ActionMigrate, err)
	}
	g, err := f.masters.Migrate(ctx, who, masters.Migration(m))
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: NewGeneration(g)}, nil
}

// retirement is the body of a retirement: of masters, of a recovery key, or of what has sealed the
// masters of a module in software.
type retirement struct {
	Generation  uint32 `json:"generation"`
	RecoverySet string `json:"recovery_set"`
	SealOf      string `json:"seal_of"`
}

// targets counts what the body names.
func (r retirement) targets() (n int) {
	for _, named := range []bool{r.Generation != 0, r.RecoverySet != "", r.SealOf != ""} {
		if named {
			n++
		}
	}
	return n
}

func (f *face) retireMasters(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var r retirement
	err := decode(c, &r)
	if err == nil && r.targets() != 1 {
		err = masters.ErrTarget
	}
	if err != nil {
		return httpface.Answer{}, f.masters.Refuse(ctx, who, masters.ActionRetire, err)
	}
	switch {
	case r.RecoverySet != "":
		return httpface.Answer{}, f.masters.Dispose(ctx, who, r.RecoverySet)
	case r.SealOf != "":
		return httpface.Answer{}, f.masters.Unseal(ctx, who, r.SealOf)
	}
	return httpface.Answer{}, f.masters.Retire(ctx, who, r.Generation)
}

// errBody says which field of a body cannot be used.
var errBody = fault.New(fault.Invalid, "the body of the request cannot be used")

// decode reads a JSON object, in which unknown fields are an error; an empty body is an empty one.
func decode(c *httpface.Call, into any) error {
	body, err := c.Body()
	if err != nil {
		return err
	}
	if len(body) == 0 {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil || d.More() {
		return errBody.On("", "it must be one JSON object with the fields of the documentation")
	}
	return nil
}

// PurgedPage is a page of what was purged, as JSON.
type PurgedPage struct {
	Purged  []Purged `json:"purged"`
	Next    string   `json:"next,omitempty"`
	Total   int      `json:"total"`
	Deleted int      `json:"deleted"` // keys that are deleted and not purged yet
	// PurgedBy is when the last of them is purged by itself, at the latest.
	PurgedBy string `json:"deleted_purged_by,omitempty"`
}

// Purged is a key, or a whole instance, whose live record is gone.
type Purged struct {
	Instance string `json:"instance"`
	Key      string `json:"key,omitempty"`
	Account  string `json:"account"`
	State    string `json:"state"` // purged, or shredded: no copy opens any more
	PurgedAt string `json:"purged_at"`
	// Generations, RecoverySets and the seals of modules in software still open copies of it.
	Generations  []uint32 `json:"generations"`
	RecoverySets []string `json:"recovery_sets"`
	Seals        []string `json:"seals"`
	ShreddedAt   string   `json:"shredded_at,omitempty"`
	ExpectedAt   string   `json:"shredding_expected_at,omitempty"`
}

func newPurgedPage(page masters.PurgedPage) PurgedPage {
	out := PurgedPage{Purged: []Purged{}, Total: page.Total, Deleted: page.Deleted, Next: encodeCursor(page.Next)}
	if !page.LastGone.IsZero() {
		out.PurgedBy = stamp(page.LastGone.Add(kms.PurgeAfter))
	}
	for _, p := range page.Items {
		is := Purged{
			Instance: p.Instance, Key: p.Key, Account: string(p.Account), State: "purged", PurgedAt: stamp(p.Purged.Purged),
			Generations: p.Generations, RecoverySets: p.RecoverySets, Seals: p.Seals, ShreddedAt: stamp(p.Shredded),
		}
		if is.Generations == nil {
			is.Generations = []uint32{}
		}
		if is.RecoverySets == nil {
			is.RecoverySets = []string{}
		}
		if is.Seals == nil {
			is.Seals = []string{}
		}
		if len(p.Generations)+len(p.RecoverySets)+len(p.Seals) == 0 {
			is.State = "shredded"
		} else {
			is.ExpectedAt = stamp(page.Expected)
		}
		out.Purged = append(out.Purged, is)
	}
	return out
}

const (
	defaultPurged = 100
	maxPurged     = 1000
)

func (f *face) purged(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	after, limit, err := purgedQuery(c)
	if err != nil {
		return httpface.Answer{}, f.masters.Refuse(ctx, who, masters.ActionRead, err)
	}
	page, err := f.masters.Purged(ctx, who, after, limit)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: newPurgedPage(page)}, nil
}

func purgedQuery(c *httpface.Call) (after masters.Purged, limit int, err error) {
	if err := only(c, "limit", "cursor"); err != nil {
		return after, 0, err
	}
	limit = defaultPurged
	if v, ok := c.Query("limit"); ok {
		if limit, err = strconv.Atoi(v); err != nil || limit < 1 || limit > maxPurged {
			return after, 0, errQuery.On("limit", "must be a number from 1 to "+strconv.Itoa(maxPurged))
		}
	}
	if v, ok := c.Query("cursor"); ok {
		if after, ok = decodeCursor(v); !ok {
			return after, 0, errQuery.On("cursor", "is not one of ours")
		}
	}
	return after, limit, nil
}

// encodeCursor names the place of an item in the list; the zero value has no name.
func encodeCursor(p masters.Purged) string {
	if p.Purged.IsZero() {
		return ""
	}
	return base64.RawURLEncoding.EncodeToString(
		[]byte(strconv.FormatInt(p.Purged.UnixMicro(), 10) + " " + p.Instance + " " + p.Key))
}

func decodeCursor(text string) (p masters.Purged, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return p, false
	}
	at, rest, found := strings.Cut(string(raw), " ")
	us, err := strconv.ParseInt(at, 10, 64)
	if err != nil || !found {
		return p, false
	}
	if p.Instance, p.Key, found = strings.Cut(rest, " "); !found {
		return p, false
	}
	p.Purged = time.UnixMicro(us)
	return p, true
}

// custodyRoutes are the operator's operations on the masters.
func (f *face) custodyRoutes() []httpface.Route[iam.Caller] {
	return []httpface.Route[iam.Caller]{
		{Method: "GET", Path: "/strongroom/v1/custody", Action: string(masters.ActionRead), Handle: f.custody},
		{Method: "POST", Path: "/strongroom/v1/custody/rotations", Action: string(masters.ActionRotate), Status: http.StatusCreated, Handle: f.rotateMasters},
		{Method: "POST", Path: "/strongroom/v1/custody/migrations", Action: string(masters.ActionMigrate), Status: http.StatusCreated, Handle: f.migrateMasters},
		{Method: "POST", Path: "/strongroom/v1/custody/retirements", Action: string(masters.ActionRetire), Status: http.StatusNoContent, Handle: f.retireMasters},
		{Method: "GET", Path: "/strongroom/v1/custody/purged", Action: string(masters.ActionRead), Handle: f.purged},
	}
}
