package iam

import (
	"context"
	"errors"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
)

// Failures of roles that a caller may be told about.
var (
	ErrRole         = fault.New(fault.Invalid, "invalid role")
	ErrRoleNotFound = fault.New(fault.NotFound, "role not found")
	ErrRoleExists   = fault.New(fault.Conflict, "a role with this name or display name already exists")
	ErrRoleStale    = fault.New(fault.Stale, "the role was changed in the meantime; read it again and retry with its ETag")
	ErrRoleLimit    = fault.New(fault.Unprocessable, "the account has as many roles of its own as it may have")
	ErrRoleInUse    = fault.New(fault.Conflict, "the role is used by a policy")
)

// RoleID names a custom role: a UUID.
type RoleID string

// CustomRole is a role that an account made for one service.
type CustomRole struct {
	ID          RoleID
	Account     AccountID
	Service     string
	Name        string // part of its CRN; a capital letter, then letters and digits
	DisplayName string
	Description string
	Actions     []Action
	Revision    int64 // 1 when created

	CreatedAt, ModifiedAt time.Time
	CreatedBy, ModifiedBy IdentityID
}

// CRN names the role in policies.
func (r *CustomRole) CRN() string { return customRolePrefix(r.Account) + r.Name }

// ETag names the revision of the role.
func (r *CustomRole) ETag() string { return EntityTag(string(r.ID), r.Revision) }

// RoleStore keeps custom roles. Names and display names are unique in an account.
type RoleStore interface {
	CreateRole(ctx context.Context, r CustomRole, ev *audit.Event) error
	Role(ctx context.Context, account AccountID, id RoleID) (CustomRole, error)
	// Roles returns an account's roles by name, those of a service or, if it is
	// empty, of all. They are few: MaxCustomRoles.
	Roles(ctx context.Context, account AccountID, service string) ([]CustomRole, error)
	UpdateRole(ctx context.Context, r CustomRole, ev *audit.Event) error
	// DeleteRole returns ErrRoleInUse if an active policy names the role.
	DeleteRole(ctx context.Context, r CustomRole, ev *audit.Event) error
}

// MaxCustomRoles is how many roles an account can make.
const MaxCustomRoles = 1000

// Bounds of a role.
const (
	maxRoleDisplay = 50
	maxRoleText    = 250
	maxRoleActions = 256
)

const (
	actionRoleList   Action = "iam-am.role.list"
	actionRoleGet    Action = "iam-am.role.get"
	actionRoleCreate Action = "iam-am.role.create"
	actionRoleUpdate Action = "iam-am.role.update"
	actionRoleDelete Action = "iam-am.role.delete"
)

// roleName is IBM's form of the name of a custom role.
var roleName = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{0,29}$`)

// Prefixes of the actions of services whose names differ from them.
const accessActions = "iam-am."

// customActions is what a custom role allows, compiled.
type customActions struct{ actions actionSet }

// customRoles returns an account's own roles by CRN, from leased memory.
func (a *Access) customRoles(ctx context.Context, account AccountID) (map[string]*customActions, error) {
	return a.roles.Get(ctx, account, func(ctx context.Context) (map[string]*customActions, error) {
		list, err := a.store.Roles(ctx, account, "")
		if err != nil {
			return nil, err
		}
		byCRN := make(map[string]*customActions, len(list))
		for i := range list {
			c := &customActions{}
			for _, action := range list[i].Actions {
				if n, ok := catalog.numbers[action]; ok {
					c.actions.add(n)
				}
			}
			byCRN[list[i].CRN()] = c
		}
		return byCRN, nil
	})
}

// AnyService is the service name that stands for "no specific service" in a
// RoleQuery.
const AnyService = "alliamserviceroles"

// RoleQuery says which roles are wanted.
type RoleQuery struct {
	Account       AccountID // for custom roles; empty for none
	Service       string    // that the roles act on; empty for platform roles only
	Authorization bool      // only those that may be given to a service
}

// RoleList is the answer to a RoleQuery.
type RoleList struct {
	Custom   []CustomRole
	Service  []*Role
	Platform []*Role
}

// Roles lists roles. The built-in ones are public; custom roles are shown to
// callers who may list roles or administer anything in the account.
func (a *Access) Roles(ctx context.Context, who Caller, query RoleQuery) (RoleList, error) {
	account := query.Account
	if account == "" {
		account = who.Account
	}
	list := builtInRoles(query)
	own := true
	door := a.door(func(ctx context.Context, who Caller, action Action, on Object) error {
		if as := standingOf(&who, on.Account); as == asNobody || as == asPublic {
			return ErrForbidden
		}
		err := a.administersAny(ctx, who, action, on.Account)
		if fault.KindOf(err) == fault.Forbidden {
			own = false
			return nil
		}
		return err
	})
	on := Object{Account: account, Service: crn.AccessManagement}
	ev := who.Event(actionRoleList, audit.Target{ID: roleCRN(account, ""), Name: "roles", TypeURI: "iam-am/role"})
	err := door.Read(ctx, who, actionRoleList, on, ev, func() error {
		if !own || query.Account == "" || query.Authorization {
			return nil
		}
		service := query.Service
		if service == AnyService {
			service = ""
		}
		var err error
		list.Custom, err = a.store.Roles(ctx, account, service)
		return err
	})
	if err != nil {
		return RoleList{}, err
	}
	return list, nil
}

func builtInRoles(query RoleQuery) RoleList {
	var list RoleList
	for _, r := range catalog.order {
		switch {
		case r.Platform:
			if !query.Authorization {
				list.Platform = append(list.Platform, r)
			}
		case query.Authorization && !r.Authorizes:
		case query.Service == AnyService && r.Service == "":
			list.Service = append(list.Service, r)
		case query.Service != "" && (r.Service == query.Service || r.Service == "" && len(r.Actions(query.Service)) > 0):
			list.Service = append(list.Service, r)
		}
	}
	return list
}

// RoleByCRN finds a built-in role.
func RoleByCRN(id string) (*Role, bool) {
	r, ok := catalog.roles[id]
	return r, ok
}

// CreateRole makes a custom role. The account is the caller's if r names none.
func (a *Access) CreateRole(ctx context.Context, who Caller, r CustomRole) (CustomRole, error) {
	r.ID, r.Revision = RoleID(uuid.NewString()), 1
	r.CreatedAt, r.CreatedBy = a.now().UTC(), who.Identity
	r.ModifiedAt, r.ModifiedBy = r.CreatedAt, r.CreatedBy
	ev := r.event(who, actionRoleCreate)
	err := a.door(a.Allow).Change(ctx, who, actionRoleCreate, r.object(), ev, func() error {
		if err := r.check(); err != nil {
			return err
		}
		if all, err := a.customRoles(ctx, r.Account); err != nil {
			return err
		} else if len(all) >= MaxCustomRoles {
			return ErrRoleLimit
		}
		return roleFault(a.store.CreateRole(ctx, r, ev))
	})
	return r, err
}

// Role returns a custom role of the caller's account.
func (a *Access) Role(ctx context.Context, who Caller, id RoleID) (CustomRole, error) {
	r, found, err := a.findRole(ctx, who, id)
	if err != nil {
		return CustomRole{}, err
	}
	door := a.door(func(ctx context.Context, who Caller, action Action, on Object) error {
		if err := a.Allow(ctx, who, action, on); fault.KindOf(err) != fault.Forbidden {
			return err
		}
		return a.Allow(ctx, who, action, Object{Account: on.Account, Service: crn.AccessManagement})
	})
	err = door.Read(ctx, who, actionRoleGet, r.object(), r.event(who, actionRoleGet), func() error { return found })
	return r, err
}

// ReplaceRole changes a custom role whose ETag is match, or whatever it is for
// "*". Name, account and service stay as they are.
func (a *Access) ReplaceRole(ctx context.Context, who Caller, id RoleID, match string, to CustomRole) (CustomRole, error) {
	r, found, err := a.findRole(ctx, who, id)
	if err != nil {
		return CustomRole{}, err
	}
	was := r.ETag()
	r.DisplayName, r.Description, r.Actions = to.DisplayName, to.Description, to.Actions
	r.Revision++
	r.ModifiedAt, r.ModifiedBy = a.now().UTC(), who.Identity
	ev := r.event(who, actionRoleUpdate)
	err = a.door(a.Allow).Change(ctx, who, actionRoleUpdate, r.object(), ev, func() error {
		if found != nil {
			return found
		}
		if match != "*" && match != was {
			return ErrRoleStale
		}
		if err := r.check(); err != nil {
			return err
		}
		return roleFault(a.store.UpdateRole(ctx, r, ev))
	})
	return r, err
}

// DeleteRole removes a custom role that no policy uses.
func (a *Access) DeleteRole(ctx context.Context, who Caller, id RoleID) error {
	r, found, err := a.findRole(ctx, who, id)
	if err != nil {
		return err
	}
	r.Revision++
	ev := r.event(who, actionRoleDelete)
	return a.door(a.Allow).Change(ctx, who, actionRoleDelete, r.object(), ev, func() error {
		if found != nil {
			return found
		}
		return roleFault(a.store.DeleteRole(ctx, r, ev))
	})
}

// RefuseRole records and returns why a request about roles was not understood,
// or that the caller may not even ask.
func (a *Access) RefuseRole(ctx context.Context, who Caller, action Action, cause error) error {
	return a.refuse(ctx, who, action, audit.Target{ID: roleCRN(who.Account, ""), Name: "roles", TypeURI: "iam-am/role"}, cause)
}

// findRole looks a role up before the decision, which needs its service. If it
// is not there, found says so, and the role is one of no service.
func (a *Access) findRole(ctx context.Context, who Caller, id RoleID) (r CustomRole, found, err error) {
	r, err = a.store.Role(ctx, who.Account, id)
	if isAbsent(err) {
		return CustomRole{ID: id, Account: who.Account, Service: crn.AccessManagement}, ErrRoleNotFound, nil
	}
	return r, nil, err
}

func (r *CustomRole) object() Object { return Object{Account: r.Account, Service: r.Service} }

func (r *CustomRole) event(who Caller, action Action) *audit.Event {
	ev := who.Event(action, audit.Target{ID: roleCRN(r.Account, string(r.ID)), Name: r.Name, TypeURI: "iam-am/role"})
	if len(r.Actions) > 0 && action != actionRoleGet {
		detail(ev, "actions", joinActions(r.Actions))
	}
	return ev
}

func joinActions(list []Action) string {
	texts := make([]string, len(list))
	for i, a := range list {
		texts[i] = string(a)
	}
	return strings.Join(texts, " ")
}

// detail adds what a request asked for to its event.
func detail(ev *audit.Event, name, value string) {
	if ev.RequestData == nil {
		ev.RequestData = map[string]any{}
	}
	ev.RequestData[name] = value
}

func roleCRN(account AccountID, id string) string {
	return crn.Of(crn.AccessManagement, "", string(account), "", "role", id).String()
}

// check refuses a role that is not well-formed, and gives its actions their
// present names.
func (r *CustomRole) check() error {
	if !roleName.MatchString(r.Name) {
		return ErrRole.On("name", "it must be a capital letter and up to 29 letters and digits")
	}
	if checkName("display_name", r.DisplayName, maxRoleDisplay, true) != nil ||
		checkText("description", r.Description, maxRoleText, false) != nil {
		return ErrRole.On("display_name", "display_name needs 1 to 50 characters, and description has at most 250")
	}
	for _, b := range catalog.order {
		if strings.EqualFold(b.DisplayName, r.DisplayName) {
			return ErrRoleExists
		}
	}
	return r.checkActions()
}

func (r *CustomRole) checkActions() error {
	if len(r.Actions) == 0 || len(r.Actions) > maxRoleActions {
		return ErrRole.On("actions", "from 1 to 256 are needed")
	}
	prefix := r.Service + "."
	if r.Service == crn.AccessManagement {
		prefix = accessActions
	}
	actions := make([]Action, len(r.Actions))
	for i, name := range r.Actions {
		if now, ok := oldNames[name]; ok {
			name = now
		}
		manages := serviceTypeOf(r.Service) == TypeService && strings.HasPrefix(string(name), crn.ResourceController+".")
		if !KnownAction(name) || !strings.HasPrefix(string(name), prefix) && !manages {
			return ErrRole.On("actions", quoted(string(name))+" is not an action of "+quoted(r.Service))
		}
		actions[i] = name
	}
	slices.Sort(actions)
	r.Actions = slices.Compact(actions)
	return nil
}

// roleFault turns the store's failures into those of roles.
func roleFault(err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return ErrRoleNotFound
	case fault.Stale:
		return ErrRoleStale
	case fault.Conflict:
		if errors.Is(err, ErrRoleInUse) {
			return err
		}
		return ErrRoleExists
	}
	return err
}
