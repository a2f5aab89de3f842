package sqlstore_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
)

const (
	tenant = iam.AccountID("0123456789abcdef0123456789abcdef")
	reader = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
)

var created = time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)

func policy(id string, subject iam.IdentityID, instance string) iam.Policy {
	attribute := func(key, value string) iam.Attribute {
		return iam.Attribute{Key: key, Operator: iam.StringEquals, Value: iam.Text(value)}
	}
	return iam.Policy{
		ID: iam.PolicyID(id), Account: tenant, Type: iam.PolicyAccess, Description: "for tests", State: iam.PolicyActive, Revision: 1,
		Subject: []iam.Attribute{attribute("iam_id", string(subject))},
		Resource: []iam.Attribute{
			attribute("accountId", string(tenant)), attribute("serviceName", "kms"), attribute("serviceInstance", instance),
		},
		Tags: []iam.Attribute{attribute("env", "prod")}, Roles: []string{reader}, Pattern: "time-based-conditions:once",
		Rule: &iam.Condition{Operator: iam.And, Conditions: []iam.Condition{
			{Key: iam.RuleDay, Operator: iam.DayOfWeekAnyOf, Value: iam.Value{Texts: []string{"1", "2"}, List: true, Bare: true}},
			{Key: iam.RuleTime, Operator: iam.TimeLessThan, Value: iam.Text("09:00:00Z")},
		}},
		CreatedAt: created, CreatedBy: "IBMid-OWNER00001", ModifiedAt: created, ModifiedBy: "IBMid-OWNER00001",
	}
}

// heard collects the news of policies and memberships.
func heard(hub *lease.Hub) *[]lease.Change {
	var all []lease.Change
	hub.Watch(func(c lease.Change) {
		if !c.Pending {
			all = append(all, c)
		}
	}, iam.ChangePolicy, iam.ChangeMembership, iam.ChangeRole)
	return &all
}

func TestPolicyComesBackAsItWas(t *testing.T) {
	db, hub := fresh(t)
	news := heard(hub)
	want := policy("p1", "IBMid-ALICE00001", "one")
	if err := db.Access().CreatePolicy(t.Context(), want, true, nil); err != nil {
		t.Fatal(err)
	}
	got, err := db.Access().Policy(t.Context(), tenant, "p1")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("policy (-stored +read):\n%s", diff)
	}
	if diff := cmp.Diff([]lease.Change{{Kind: iam.ChangePolicy, Scope: string(tenant), ID: "IBMid-ALICE00001"}}, *news); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
	if _, err := db.Access().Policy(t.Context(), "another account", "p1"); !errors.Is(err, sqlstore.ErrNotFound) {
		t.Errorf("from another account: %v, want not found", err)
	}
}

func TestEqualPoliciesConflict(t *testing.T) {
	db, _ := fresh(t)
	s := db.Access()
	if err := s.CreatePolicy(t.Context(), policy("p1", "IBMid-ALICE00001", "one"), true, nil); err != nil {
		t.Fatal(err)
	}
	var conflict *iam.PolicyConflict
	err := s.CreatePolicy(t.Context(), policy("p2", "IBMid-ALICE00001", "one"), true, nil)
	if !errors.As(err, &conflict) || conflict.Policy != "p1" {
		t.Errorf("a second one gives %v, want a conflict with p1", err)
	}
	// Two credentials of one service ID are two equal policies.
	for _, id := range []string{"p3", "p4"} {
		if err := s.CreatePolicy(t.Context(), policy(id, "IBMid-ALICE00001", "one"), false, nil); err != nil {
			t.Errorf("one that may be equal: %v", err)
		}
	}
	if err := s.CreatePolicy(t.Context(), policy("p3", "IBMid-ALICE00001", "one"), false, nil); !errors.Is(err, sqlstore.ErrExists) {
		t.Errorf("a taken ID gives %v, want exists", err)
	}

	gone := policy("p1", "IBMid-ALICE00001", "one")
	gone.State, gone.Revision = iam.PolicyDeleted, 2
	if err := s.UpdatePolicy(t.Context(), gone, nil); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdatePolicy(t.Context(), gone, nil); !errors.Is(err, sqlstore.ErrStale) {
		t.Errorf("writing an overtaken revision gives %v, want stale", err)
	}
	if err := s.CreatePolicy(t.Context(), policy("p5", "IBMid-ALICE00001", "one"), true, nil); err != nil {
		t.Errorf("after the first was deleted: %v", err)
	}
	gone.State, gone.Revision = iam.PolicyActive, 3
	if err := s.UpdatePolicy(t.Context(), gone, nil); !errors.As(err, &conflict) || conflict.Policy != "p5" {
		t.Errorf("restoring the first gives %v, want a conflict with p5", err)
	}
}

func TestPoliciesArePaged(t *testing.T) {
	db, _ := fresh(t)
	s := db.Access()
	var want []iam.PolicyID
	for i := range 7 {
		p := policy(fmt.Sprintf("p%d", i), "IBMid-ALICE00001", fmt.Sprint(i))
		p.CreatedAt = created.Add(time.Duration(i/3) * time.Hour) // some of the same age
		if err := s.CreatePolicy(t.Context(), p, true, nil); err != nil {
			t.Fatal(err)
		}
		want = append(want, p.ID)
	}
	for _, descending := range []bool{false, true} {
		f := iam.PolicyFilter{State: iam.PolicyActive, Sort: iam.PolicyByCreated, Descending: descending}
		var got []iam.PolicyID
		r := iam.PolicyRange{PolicyFilter: f, Limit: 2}
		for {
			list, err := s.Policies(t.Context(), tenant, r)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range list {
				got = append(got, p.ID)
			}
			if len(list) < r.Limit {
				break
			}
			last := list[len(list)-1]
			r.Resume, r.At, r.ID = true, last.CreatedAt.UnixMicro(), last.ID
		}
		if descending {
			slices.Reverse(want)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("descending %t (-want +got):\n%s", descending, diff)
		}
	}
	for name, c := range map[string]struct {
		filter iam.PolicyFilter
		want   int
	}{
		"subject":       {iam.PolicyFilter{Subject: "IBMid-ALICE00001"}, 7},
		"other subject": {iam.PolicyFilter{Subject: "IBMid-BOB0000002"}, 0},
		"service":       {iam.PolicyFilter{Service: "kms", ServiceType: "service", Type: iam.PolicyAccess}, 7},
		"other type":    {iam.PolicyFilter{Type: iam.PolicyAuthorization}, 0},
		"tag":           {iam.PolicyFilter{TagName: "env", TagValue: "prod"}, 7},
		"other tag":     {iam.PolicyFilter{TagValue: "test"}, 0},
	} {
		c.filter.State, c.filter.Sort = iam.PolicyActive, iam.PolicyByID
		list, err := s.Policies(t.Context(), tenant, iam.PolicyRange{PolicyFilter: c.filter, Limit: 100})
		if err != nil || len(list) != c.want {
			t.Errorf("by %s: %d policies, %v, want %d", name, len(list), err, c.want)
		}
	}
}

func TestRemovedIdentityLosesEverything(t *testing.T) {
	db, hub := fresh(t)
	s := db.Access()
	const alice = iam.IdentityID("IBMid-ALICE00001")
	group := iam.Group{ID: "AccessGroupId-1", Account: tenant, Name: "Crew", Revision: 1, CreatedAt: created, ModifiedAt: created}
	if err := errors.Join(
		s.CreatePolicy(t.Context(), policy("p1", alice, "one"), true, nil),
		s.CreateGroup(t.Context(), group, nil),
	); err != nil {
		t.Fatal(err)
	}
	if _, err := s.AddMember(t.Context(), iam.Member{Account: tenant, Group: group.ID, Identity: alice, AddedAt: created}, nil); err != nil {
		t.Fatal(err)
	}
	news := heard(hub)
	failure := errors.New("the rest of the removal fails")
	if err := db.DropSubject(t.Context(), string(tenant), string(alice), failure); !errors.Is(err, failure) {
		t.Fatal(err)
	}
	if groups, err := s.GroupsOf(t.Context(), tenant, alice); err != nil || len(groups) != 1 || len(*news) != 0 {
		t.Errorf("after a removal that failed: groups %v, %v, news %v", groups, err, *news)
	}
	if err := db.DropSubject(t.Context(), string(tenant), string(alice), nil); err != nil {
		t.Fatal(err)
	}
	policies, err := s.PoliciesOf(t.Context(), tenant, string(alice))
	if err != nil || len(policies) != 0 {
		t.Errorf("policies are left: %v, %v", policies, err)
	}
	if groups, err := s.GroupsOf(t.Context(), tenant, alice); err != nil || len(groups) != 0 {
		t.Errorf("groups are left: %v, %v", groups, err)
	}
	want := []lease.Change{
		{Kind: iam.ChangePolicy, Scope: string(tenant), ID: string(alice)},
		{Kind: iam.ChangeMembership, Scope: string(tenant), ID: string(alice)},
	}
	if diff := cmp.Diff(want, *news); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
}

func TestForgedAccessIsAnError(t *testing.T) {
	for name, forge := range map[string]string{
		"wider document": `UPDATE policies SET document = replace(document, 'Reader', 'Manager')`,
		"other account":  `UPDATE policies SET account = 'mallory'`,
		"other subject":  `UPDATE policies SET subject = 'IBMid-MALLORY001'`,
		"undeleted":      `UPDATE policies SET state = 'active' WHERE id = 'deleted'`,
		"member":         `UPDATE access_group_members SET iam_id = 'IBMid-MALLORY001'`,
		"role":           `UPDATE custom_roles SET actions = 'kms.secrets.purge'`,
	} {
		t.Run(name, func(t *testing.T) {
			db, _ := fresh(t)
			s := db.Access()
			const alice = iam.IdentityID("IBMid-ALICE00001")
			deleted := policy("deleted", alice, "two")
			deleted.State = iam.PolicyDeleted
			group := iam.Group{ID: "AccessGroupId-1", Account: tenant, Name: "Crew", Revision: 1, CreatedAt: created, ModifiedAt: created}
			custom := iam.CustomRole{ID: "r1", Account: tenant, Service: "kms", Name: "Mine", DisplayName: "Mine", Actions: []iam.Action{"kms.secrets.wrap"}, Revision: 1}
			err := errors.Join(
				s.CreatePolicy(t.Context(), policy("p1", alice, "one"), true, nil),
				s.CreatePolicy(t.Context(), deleted, true, nil),
				s.CreateGroup(t.Context(), group, nil), s.CreateRole(t.Context(), custom, nil),
			)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := s.AddMember(t.Context(), iam.Member{Account: tenant, Group: group.ID, Identity: alice, AddedAt: created}, nil); err != nil {
				t.Fatal(err)
			}
			read := func() error {
				var all []error
				for _, account := range []iam.AccountID{tenant, "mallory"} {
					for _, id := range []iam.IdentityID{alice, "IBMid-MALLORY001"} {
						_, err := s.PoliciesOf(t.Context(), account, string(id))
						all = append(all, err)
						_, err = s.GroupsOf(t.Context(), account, id)
						all = append(all, err)
					}
				}
				_, err := s.Roles(t.Context(), tenant, "")
				return errors.Join(append(all, err)...)
			}
			if err := read(); err != nil {
				t.Fatal(err)
			}
			if err := db.Forge(t.Context(), forge); err != nil {
				t.Fatal(err)
			}
			if err := read(); err == nil {
				t.Error("the forged row was read")
			}
		})
	}
}

func TestGroupGoesWithItsMembersAndPolicies(t *testing.T) {
	db, hub := fresh(t)
	s := db.Access()
	group := iam.Group{ID: "AccessGroupId-1", Account: tenant, Name: "Crew", Revision: 1, CreatedAt: created, ModifiedAt: created}
	grant := policy("p1", "IBMid-ALICE00001", "one")
	grant.Subject = []iam.Attribute{{Key: "access_group_id", Operator: iam.StringEquals, Value: iam.Text(string(group.ID))}}
	if err := errors.Join(s.CreateGroup(t.Context(), group, nil), s.CreatePolicy(t.Context(), grant, true, nil)); err != nil {
		t.Fatal(err)
	}
	twin := group
	twin.ID, twin.Name = "AccessGroupId-2", "CREW"
	if err := s.CreateGroup(t.Context(), twin, nil); !errors.Is(err, sqlstore.ErrExists) {
		t.Errorf("a group of the same name gives %v, want exists", err)
	}
	if _, err := s.AddMember(t.Context(), iam.Member{Account: tenant, Group: group.ID, Identity: "IBMid-ALICE00001", AddedAt: created}, nil); err != nil {
		t.Fatal(err)
	}
	group.Revision = 2
	if err := s.DeleteGroup(t.Context(), group, false, nil); !errors.Is(err, iam.ErrGroupInUse) {
		t.Errorf("deleting a group with members gives %v, want in use", err)
	}
	news := heard(hub)
	if err := s.DeleteGroup(t.Context(), group, true, nil); err != nil {
		t.Fatal(err)
	}
	want := []lease.Change{
		{Kind: iam.ChangeMembership, Scope: string(tenant), ID: "IBMid-ALICE00001"},
		{Kind: iam.ChangePolicy, Scope: string(tenant), ID: string(group.ID)},
	}
	if diff := cmp.Diff(want, *news); diff != "" {
		t.Errorf("news (-want +got):\n%s", diff)
	}
	list, err := s.PoliciesOf(t.Context(), tenant, string(group.ID))
	groups, gerr := s.GroupsOf(t.Context(), tenant, "IBMid-ALICE00001")
	if errors.Join(err, gerr) != nil || len(list)+len(groups) != 0 {
		t.Errorf("left: policies %v, groups %v, %v, %v", list, groups, err, gerr)
	}
}

func TestIdentityIsInAFewGroupsOnly(t *testing.T) {
	db, _ := fresh(t)
	s := db.Access()
	var err error
	for i := range iam.MaxGroupsOfIdentity + 1 {
		id := iam.GroupID(fmt.Sprintf("AccessGroupId-%d", i))
		if err := s.CreateGroup(t.Context(), iam.Group{ID: id, Account: tenant, Name: string(id), Revision: 1}, nil); err != nil {
			t.Fatal(err)
		}
		_, err = s.AddMember(t.Context(), iam.Member{Account: tenant, Group: id, Identity: "IBMid-ALICE00001", AddedAt: created}, nil)
		if i < iam.MaxGroupsOfIdentity && err != nil {
			t.Fatal(err)
		}
	}
	if !errors.Is(err, iam.ErrMemberLimit) {
		t.Errorf("one group too many gives %v, want %v", err, iam.ErrMemberLimit)
	}
	if groups, err := s.GroupsOf(t.Context(), tenant, "IBMid-ALICE00001"); err != nil || len(groups) != iam.MaxGroupsOfIdentity {
		t.Errorf("%d groups, %v", len(groups), err)
	}
}
