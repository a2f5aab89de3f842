package iam

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
)

// Failures of access groups that a caller may be told about.
var (
	ErrGroup          = fault.New(fault.Invalid, "invalid access group")
	ErrGroupNotFound  = fault.New(fault.NotFound, "access group not found")
	ErrGroupExists    = fault.New(fault.Conflict, "an access group with this name already exists")
	ErrGroupStale     = fault.New(fault.Stale, "the access group was changed in the meantime; read it again and retry with its ETag")
	ErrGroupInUse     = fault.New(fault.Conflict, "the access group has members; remove them, or delete it with force=true")
	ErrMemberNotFound = fault.New(fault.NotFound, "not a member of the access group")
	ErrMemberLimit    = fault.New(fault.Unprocessable, "an identity can be in at most 50 access groups")
)

// Bounds of access groups.
const (
	MaxGroupsOfIdentity = 50 // each decision looks at all of them
	MaxMembersPerCall   = 50
	MaxGroupPage        = 100 // groups or members of one page
	maxGroupName        = 100
	maxGroupText        = 250
)

const groupPrefix = "AccessGroupId-"

// Group is an access group: identities that are granted something together.
type Group struct {
	ID          GroupID
	Account     AccountID
	Name        string // unique in the account, without regard to case
	Description string
	Revision    int64 // 1 when created

	CreatedAt, ModifiedAt time.Time
	CreatedBy, ModifiedBy IdentityID
}

// ETag names the revision of the group.
func (g *Group) ETag() string { return EntityTag(string(g.ID), g.Revision) }

// CRN names the group.
func (g *Group) CRN() crn.CRN {
	return crn.Of(crn.Groups, "", string(g.Account), "", "group", string(g.ID))
}

// Member is an identity as a member of a group.
type Member struct {
	Account  AccountID
	Group    GroupID
	Identity IdentityID
	AddedAt  time.Time
	AddedBy  IdentityID

	Name, Email string // as the identity is called now; only in lists of members
}

// GroupStore keeps access groups and their members.
type GroupStore interface {
	CreateGroup(ctx context.Context, g Group, ev *audit.Event) error
	Group(ctx context.Context, account AccountID, id GroupID) (Group, error)
	// Groups returns a part of an account's groups, and how many there are in all.
	Groups(ctx context.Context, account AccountID, r GroupRange) ([]Group, int, error)
	UpdateGroup(ctx context.Context, g Group, ev *audit.Event) error
	// DeleteGroup removes a group with its policies and members. Unless force is
	// set it returns ErrGroupInUse if there are members.
	DeleteGroup(ctx context.Context, g Group, force bool, ev *audit.Event) error

	// AddMember is no error if the identity is a member already; it returns the
	// member as it then is. It returns ErrMemberLimit if the identity would be in
	// more than MaxGroupsOfIdentity groups.
	AddMember(ctx context.Context, m Member, ev *audit.Event) (Member, error)
	RemoveMember(ctx context.Context, account AccountID, group GroupID, id IdentityID, ev *audit.Event) error
	Member(ctx context.Context, account AccountID, group GroupID, id IdentityID) (Member, error)
	// Members returns a part of a group's members, and how many there are in all.
	Members(ctx context.Context, account AccountID, group GroupID, r MemberRange) ([]Member, int, error)
	// GroupsOf returns the groups of an identity.
	GroupsOf(ctx context.Context, account AccountID, id IdentityID) ([]GroupID, error)
}

// GroupRange is a page of a list of groups.
type GroupRange struct {
	Limit, Offset int
	Member        IdentityID // only groups of this identity; empty for all
	Search        string     // only groups with this in name or description
	Sort          GroupSort
	Descending    bool
}

// GroupSort names what groups are sorted by; equal ones by ID.
type GroupSort string

const (
	GroupByName     GroupSort = "name" // also of the zero value
	GroupByCreated  GroupSort = "created_at"
	GroupByModified GroupSort = "last_modified_at"
	GroupByID       GroupSort = "id"
)

// MemberRange is a page of a list of members, by IAM ID.
type MemberRange struct {
	Limit, Offset int
	Kind          Kind // only members of this kind; empty for all
}

const (
	actionGroupList    Action = "iam-groups.group.list"
	actionGroupGet     Action = "iam-groups.group.get"
	actionGroupCreate  Action = "iam-groups.group.create"
	actionGroupUpdate  Action = "iam-groups.group.update"
	actionGroupDelete  Action = "iam-groups.group.delete"
	actionMemberList   Action = "iam-groups.member.list"
	actionMemberAdd    Action = "iam-groups.member.add"
	actionMemberRemove Action = "iam-groups.member.remove"
	actionSettingsGet  Action = "iam-groups.settings.get"
)

// CreateGroup makes an access group in an account.
func (a *Access) CreateGroup(ctx context.Context, who Caller, account AccountID, name, description string) (Group, error) {
	now := a.now().UTC()
	g := Group{
		ID: GroupID(groupPrefix + uuid.NewString()), Account: account, Name: name, Description: description, Revision: 1,
		CreatedAt: now, CreatedBy: who.Identity, ModifiedAt: now, ModifiedBy: who.Identity,
	}
	ev := g.event(who, actionGroupCreate)
	err := a.door(a.Allow).Change(ctx, who, actionGroupCreate, aboutGroups(account), ev, func() error {
		if err := g.check(); err != nil {
			return err
		}
		return groupFault(a.store.CreateGroup(ctx, g, ev))
	})
	return g, err
}

// Group returns an access group of the caller's account.
func (a *Access) Group(ctx context.Context, who Caller, id GroupID) (Group, error) {
	g := Group{ID: id, Account: who.Account}
	ev := g.event(who, actionGroupGet)
	err := a.door(a.Allow).Read(ctx, who, actionGroupGet, g.object(), ev, func() error {
		var err error
		g, err = a.group(ctx, who.Account, id)
		return err
	})
	return g, err
}

// group finds a group, also the one that no account has made.
func (a *Access) group(ctx context.Context, account AccountID, id GroupID) (Group, error) {
	if id == PublicAccess {
		return publicGroup(account), nil
	}
	g, err := a.store.Group(ctx, account, id)
	return g, groupFault(err)
}

// Groups lists access groups of an account and says how many there are in all.
// PublicAccess, which nobody made, is not among them.
func (a *Access) Groups(ctx context.Context, who Caller, account AccountID, r GroupRange) (list []Group, total int, err error) {
	ev := who.Event(actionGroupList, groupsTarget(account))
	err = a.door(a.Allow).Read(ctx, who, actionGroupList, aboutGroups(account), ev, func() error {
		if err := checkPage(r.Limit, r.Offset); err != nil {
			return err
		}
		var err error
		list, total, err = a.store.Groups(ctx, account, r)
		return err
	})
	return list, total, err
}

// GroupChange says what to change of a group; nil leaves a field as it is.
type GroupChange struct{ Name, Description *string }

// UpdateGroup changes the group whose ETag is match, or whatever it is for "*".
func (a *Access) UpdateGroup(ctx context.Context, who Caller, id GroupID, match string, c GroupChange) (Group, error) {
	g := Group{ID: id, Account: who.Account}
	ev := g.event(who, actionGroupUpdate)
	err := a.door(a.Allow).Change(ctx, who, actionGroupUpdate, g.object(), ev, func() error {
		if err := checkPublic(id); err != nil {
			return err
		}
		var err error
		if g, err = a.store.Group(ctx, who.Account, id); err != nil {
			return groupFault(err)
		}
		if match != "*" && match != g.ETag() {
			return ErrGroupStale
		}
		if c.Name != nil {
			g.Name = *c.Name
		}
		if c.Description != nil {
			g.Description = *c.Description
		}
		if err := g.check(); err != nil {
			return err
		}
		g.Revision++
		g.ModifiedAt, g.ModifiedBy = a.now().UTC(), who.Identity
		ev.Target.Name = g.Name
		return groupFault(a.store.UpdateGroup(ctx, g, ev))
	})
	return g, err
}

// DeleteGroup removes a group and its policies, and with force also its members.
func (a *Access) DeleteGroup(ctx context.Context, who Caller, id GroupID, force bool) error {
	g := Group{ID: id, Account: who.Account}
	ev := g.event(who, actionGroupDelete)
	return a.door(a.Allow).Change(ctx, who, actionGroupDelete, g.object(), ev, func() error {
		if err := checkPublic(id); err != nil {
			return err
		}
		g, err := a.store.Group(ctx, who.Account, id)
		if err != nil {
			return groupFault(err)
		}
		g.Revision++
		ev.Target.Name = g.Name
		return groupFault(a.store.DeleteGroup(ctx, g, force, ev))
	})
}

// AddMember makes an identity a member of a group. It is no error if it is one.
func (a *Access) AddMember(ctx context.Context, who Caller, group GroupID, id IdentityID) (Member, error) {
	m := Member{Account: who.Account, Group: group, Identity: id, AddedAt: a.now().UTC(), AddedBy: who.Identity}
	g := Group{ID: group, Account: who.Account}
	ev := g.event(who, actionMemberAdd)
	detail(ev, "member", string(id))
	err := a.door(a.Allow).Change(ctx, who, actionMemberAdd, g.object(), ev, func() error {
		if kind := KindOf(id); kind != KindUser && kind != KindService || len(id) > maxName {
			return ErrGroup.On("iam_id", quoted(string(id))+" is not the IAM ID of a user or a service ID")
		}
		if err := checkPublic(group); err != nil {
			return err
		}
		var err error
		m, err = a.store.AddMember(ctx, m, ev)
		return groupFault(err)
	})
	return m, err
}

// RemoveMember takes an identity out of a group.
func (a *Access) RemoveMember(ctx context.Context, who Caller, group GroupID, id IdentityID) error {
	g := Group{ID: group, Account: who.Account}
	ev := g.event(who, actionMemberRemove)
	detail(ev, "member", string(id))
	return a.door(a.Allow).Change(ctx, who, actionMemberRemove, g.object(), ev, func() error {
		if err := checkPublic(group); err != nil {
			return err
		}
		return memberFault(a.store.RemoveMember(ctx, who.Account, group, id, ev))
	})
}

// Member returns nil if an identity is a member of a group, and
// ErrMemberNotFound if not.
func (a *Access) Member(ctx context.Context, who Caller, group GroupID, id IdentityID) error {
	g := Group{ID: group, Account: who.Account}
	ev := g.event(who, actionMemberList)
	detail(ev, "member", string(id))
	return a.door(a.Allow).Read(ctx, who, actionMemberList, g.object(), ev, func() error {
		_, err := a.store.Member(ctx, who.Account, group, id)
		return memberFault(err)
	})
}

// Members lists the members of a group and says how many there are in all.
func (a *Access) Members(ctx context.Context, who Caller, group GroupID, r MemberRange) (list []Member, total int, err error) {
	g := Group{ID: group, Account: who.Account}
	err = a.door(a.Allow).Read(ctx, who, actionMemberList, g.object(), g.event(who, actionMemberList), func() error {
		if err := checkPage(r.Limit, r.Offset); err != nil {
			return err
		}
		if _, err := a.group(ctx, who.Account, group); err != nil {
			return err
		}
		var err error
		list, total, err = a.store.Members(ctx, who.Account, group, r)
		return err
	})
	return list, total, err
}

// GroupsOf returns the groups that an identity is a member of.
func (a *Access) GroupsOf(ctx context.Context, who Caller, account AccountID, id IdentityID) (groups []GroupID, err error) {
	ev := who.Event(actionGroupList, groupsTarget(account))
	detail(ev, "member", string(id))
	err = a.door(a.Allow).Read(ctx, who, actionGroupList, aboutGroups(account), ev, func() error {
		groups, err = a.store.GroupsOf(ctx, account, id)
		return err
	})
	return groups, err
}

// GroupSettings passes a request for the settings of an account's groups, which
// are fixed here.
func (a *Access) GroupSettings(ctx context.Context, who Caller, account AccountID) error {
	ev := who.Event(actionSettingsGet, groupsTarget(account))
	return a.door(a.Allow).Read(ctx, who, actionSettingsGet, aboutGroups(account), ev, func() error { return nil })
}

// RefuseGroup records and returns why a request about groups was not understood,
// or that the caller may not even ask.
func (a *Access) RefuseGroup(ctx context.Context, who Caller, action Action, cause error) error {
	return a.refuse(ctx, who, action, groupsTarget(who.Account), cause)
}

func aboutGroups(account AccountID) Object { return Object{Account: account, Service: crn.Groups} }

func groupsTarget(account AccountID) audit.Target {
	return audit.Target{
		ID: crn.Of(crn.Groups, "", string(account), "", "group", "").String(), Name: "groups", TypeURI: "iam-groups/group",
	}
}

func (g *Group) object() Object {
	return Object{Account: g.Account, Service: crn.Groups, Type: "group", Resource: string(g.ID)}
}

func (g *Group) event(who Caller, action Action) *audit.Event {
	name := g.Name
	if name == "" {
		name = string(g.ID)
	}
	return who.Event(action, audit.Target{ID: g.CRN().String(), Name: name, TypeURI: "iam-groups/group"})
}

func (g *Group) check() error {
	if checkName("name", g.Name, maxGroupName, true) != nil {
		return ErrGroup.On("name", "it needs 1 to 100 characters")
	}
	if checkText("description", g.Description, maxGroupText, false) != nil {
		return ErrGroup.On("description", "it has more than 250 characters, or some that are not allowed")
	}
	g.Name = strings.TrimSpace(g.Name)
	return nil
}

func checkPage(limit, offset int) error {
	if limit < 1 || limit > MaxGroupPage || offset < 0 {
		return ErrGroup.On("limit", "limit must be 1 to 100, and offset not negative")
	}
	return nil
}

// groupFault turns the store's failures into those of groups.
func groupFault(err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return ErrGroupNotFound
	case fault.Stale:
		return ErrGroupStale
	case fault.Conflict:
		if errors.Is(err, ErrGroupInUse) {
			return err
		}
		return ErrGroupExists
	}
	return err
}

func memberFault(err error) error {
	if fault.KindOf(err) == fault.NotFound {
		return ErrMemberNotFound
	}
	return err
}
