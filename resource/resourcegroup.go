package resource

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// GroupID names a resource group: 32 lower-case hexadecimal digits.
type GroupID string

// CRN is the name of the group, which is one of the account's.
func (id GroupID) CRN(account iam.AccountID) crn.CRN {
	return crn.Of(crn.ResourceController, "", string(account), "", typeGroup, string(id))
}

// typeGroup is the resource type of groups in CRNs and policies.
const typeGroup = "resource-group"

// DefaultGroupName is the name of the group that every account has.
const DefaultGroupName = "Default"

// Group is a resource group, by which an account sorts its instances and grants
// access to them.
type Group struct {
	ID       GroupID
	Account  iam.AccountID
	Name     string // unique in the account
	Default  bool
	Created  time.Time
	Updated  time.Time
	Revision int64
}

func newGroup(account iam.AccountID, name string, now time.Time) Group {
	id := make([]byte, 16)
	_, _ = rand.Read(id) // never fails: crypto/rand ends the process instead
	return Group{ID: GroupID(hex.EncodeToString(id)), Account: account, Name: name, Created: now, Updated: now, Revision: 1}
}

func (g Group) object() iam.Object {
	return iam.Object{Account: g.Account, Service: crn.ResourceController, Type: typeGroup, Resource: string(g.ID)}
}

func (g Group) target() audit.Target {
	return audit.Target{ID: g.ID.CRN(g.Account).String(), Name: g.Name, TypeURI: "resource-controller/group", ResourceGroupID: g.ID.CRN(g.Account).String()}
}

// EnsureDefaultGroup returns the default group of an account and makes it if
// there is none. It passes no door: it is part of making an account.
func (s *Service) EnsureDefaultGroup(ctx context.Context, account iam.AccountID) (Group, error) {
	g := newGroup(account, DefaultGroupName, s.now().UTC())
	g.Default = true
	return s.store.EnsureDefaultGroup(ctx, g)
}

// GroupFilter chooses groups. Zero fields choose all.
type GroupFilter struct {
	Name    string
	Default *bool
}

// Groups lists the groups of the caller's account that it may retrieve, oldest
// first.
func (s *Service) Groups(ctx context.Context, who iam.Caller, f GroupFilter) (list []Group, err error) {
	ev := who.Event(ActionGroupList, audit.Target{TypeURI: "resource-controller/group"})
	err = s.lists.Read(ctx, who, ActionGroupList, iam.Object{Account: who.Account}, ev, func() error {
		list, err = all(ctx,
			func(ctx context.Context, p Page) ([]Group, error) { return s.store.Groups(ctx, who.Account, f, p) },
			func(g Group) string { return string(g.ID) },
			func(g Group) (bool, error) { return s.may(ctx, who, ActionGroupRetrieve, g.object()) })
		return err
	})
	if err != nil {
		return nil, err
	}
	return list, nil
}

// locateGroup finds a group of the caller's account; a foreign one is as good
// as none, and then the group it returns has nothing but the ID that was asked for.
func (s *Service) locateGroup(ctx context.Context, who iam.Caller, id GroupID) (Group, error) {
	g, err := s.store.Group(ctx, id)
	if isAbsent(err) || err == nil && g.Account != who.Account {
		err = ErrNoGroup
	}
	if err != nil {
		return Group{ID: id, Account: who.Account}, err
	}
	return g, nil
}

// Group returns one group.
func (s *Service) Group(ctx context.Context, who iam.Caller, id GroupID) (Group, error) {
	g, missing := s.locateGroup(ctx, who, id)
	err := s.door.Read(ctx, who, ActionGroupRetrieve, g.object(), who.Event(ActionGroupRetrieve, g.target()), func() error { return missing })
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// RefuseGroup is Refuse for a request about one group.
func (s *Service) RefuseGroup(ctx context.Context, who iam.Caller, action iam.Action, id GroupID, cause error) error {
	g, _ := s.locateGroup(ctx, who, id)
	return s.door.Refuse(ctx, who, action, g.object(), who.Event(action, g.target()), cause)
}

// GroupName returns the name of a group. It passes no door: it is for a service
// that has decided about an instance in the group.
func (s *Service) GroupName(ctx context.Context, id GroupID) (string, error) {
	g, err := s.store.Group(ctx, id)
	if err != nil {
		return "", err
	}
	return g.Name, nil
}

// CreateGroup makes a group in the caller's account.
func (s *Service) CreateGroup(ctx context.Context, who iam.Caller, name string) (Group, error) {
	g := newGroup(who.Account, name, s.now().UTC())
	object := g.object()
	object.Resource = "" // a grant on single groups does not reach one that does not exist yet
	ev := who.Event(ActionGroupCreate, g.target())
	err := s.door.Change(ctx, who, ActionGroupCreate, object, ev, func() error {
		if err := checkName(name); err != nil {
			return err
		}
		return taken(s.store.CreateGroup(ctx, g, ev))
	})
	if err != nil {
		return Group{}, err
	}
	return g, nil
}

// RenameGroup gives a group another name; an empty one leaves it as it is.
func (s *Service) RenameGroup(ctx context.Context, who iam.Caller, id GroupID, name string) (Group, error) {
	g, err := s.changeGroup(ctx, who, ActionGroupUpdate, id, func(g *Group, ev *audit.Event) error {
		if name != "" {
			if err := checkName(name); err != nil {
				return err
			}
			g.Name = name
		}
		g.Updated = s.now().UTC()
		return taken(s.store.UpdateGroup(ctx, *g, ev))
	})
	g.Revision++
	return g, err
}

// DeleteGroup removes a group that is empty and not the default.
func (s *Service) DeleteGroup(ctx context.Context, who iam.Caller, id GroupID) error {
	_, err := s.changeGroup(ctx, who, ActionGroupDelete, id, func(g *Group, ev *audit.Event) error {
		if g.Default {
			return ErrDefaultGroup
		}
		return s.store.DeleteGroup(ctx, *g, ev)
	})
	return err
}

func (s *Service) changeGroup(ctx context.Context, who iam.Caller, action iam.Action, id GroupID, do func(*Group, *audit.Event) error) (Group, error) {
	g, missing := s.locateGroup(ctx, who, id)
	ev := who.Event(action, g.target())
	err := s.door.Change(ctx, who, action, g.object(), ev, func() error {
		if missing != nil {
			return missing
		}
		return do(&g, ev)
	})
	return g, err
}

// taken names the conflict that a unique name makes.
func taken(err error) error {
	if fault.KindOf(err) == fault.Conflict {
		return ErrNameTaken
	}
	return err
}
