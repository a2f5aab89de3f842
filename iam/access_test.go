package iam_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/iam"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC) // a Wednesday

func TestDecisions(t *testing.T) {
	kms := eq("serviceName", "kms")
	for _, c := range []struct {
		name   string
		grants []iam.Policy
		who    iam.Caller
		action iam.Action
		on     iam.Object
		want   bool
	}{
		{"nobody by default", nil, caller(alice), "kms.secrets.list", key(kmsA, "default", "k1"), false},
		{"service", []iam.Policy{access(string(alice), "Reader", kms)}, caller(alice), "kms.secrets.wrap", key(kmsA, "default", "k1"), true},
		{"somebody else's", []iam.Policy{access(string(bob), "Reader", kms)}, caller(alice), "kms.secrets.wrap", key(kmsA, "default", "k1"), false},
		{"action outside the role", []iam.Policy{access(string(alice), "Reader", kms)}, caller(alice), "kms.secrets.read", key(kmsA, "default", "k1"), false},
		{"manager does not purge", []iam.Policy{access(string(alice), "Manager", kms)}, caller(alice), "kms.secrets.purge", key(kmsA, "default", "k1"), false},
		{"purger purges", []iam.Policy{access(string(alice), "KeyPurge", kms)}, caller(alice), "kms.secrets.purge", key(kmsA, "default", "k1"), true},
		{"unknown action", []iam.Policy{access(string(alice), "Manager", kms)}, caller(alice), "kms.secrets.melt", key(kmsA, "default", "k1"), false},
		{"administrator sees no data", []iam.Policy{access(string(alice), "Administrator", kms)}, caller(alice), "kms.secrets.list", key(kmsA, "default", "k1"), false},
		{"manager manages no instance", []iam.Policy{access(string(alice), "Manager", kms)}, caller(alice), "resource-controller.instance.delete", iam.Object{Account: account, Service: "kms", Instance: kmsA}, false},
		{"editor deletes instances", []iam.Policy{access(string(alice), "Editor", kms)}, caller(alice), "resource-controller.instance.delete", iam.Object{Account: account, Service: "kms", Instance: kmsA}, true},

		{"instance", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA))}, caller(alice), "kms.secrets.wrap", key(kmsA, "default", "k1"), true},
		{"other instance", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA))}, caller(alice), "kms.secrets.wrap", key(kmsB, "default", "k1"), false},
		{"ring", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("keyRing", "r1"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r1", "k1"), true},
		{"other ring", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("keyRing", "r1"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r2", "k1"), false},
		{"key", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("resourceType", "key"), eq("resource", "k1"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r1", "k1"), true},
		{"sibling of the key", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("resourceType", "key"), eq("resource", "k1"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r1", "k2"), false},
		{"same key ID in another instance", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("resource", "k1"))}, caller(alice), "kms.secrets.wrap", key(kmsB, "r1", "k1"), false},
		{"key grant on the instance", []iam.Policy{access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("resource", "k1"))}, caller(alice), "kms.secrets.list", iam.Object{Account: account, Service: "kms", Instance: kmsA}, false},
		{"absent attribute", []iam.Policy{access(string(alice), "Reader", kms, eq("region", "us-south"))}, caller(alice), "kms.secrets.list", iam.Object{Account: account, Service: "kms", Instance: kmsA}, false},
		{"pattern", []iam.Policy{access(string(alice), "Reader", kms, like("keyRing", "dev-*"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "dev-1", "k1"), true},
		{"pattern that does not match", []iam.Policy{access(string(alice), "Reader", kms, like("keyRing", "dev-*"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "prod-1", "k1"), false},
		{"asterisk is literal in stringEquals", []iam.Policy{access(string(alice), "Reader", kms, eq("keyRing", "dev*"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "dev-1", "k1"), false},
		{"pattern of services", []iam.Policy{access(string(alice), "Reader", like("serviceName", "k?s"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "dev-1", "k1"), true},
		{"attribute exists", []iam.Policy{access(string(alice), "Reader", kms, exists("keyRing", "true"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1"), true},
		{"attribute does not exist", []iam.Policy{access(string(alice), "Reader", kms, exists("keyRing", "true"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "", "k1"), false},
		{"attribute must not exist, and does", []iam.Policy{access(string(alice), "Reader", kms, exists("keyRing", "false"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1"), false},
		{"attribute must not exist", []iam.Policy{access(string(alice), "Reader", kms, exists("keyRing", "false"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "", "k1"), true},
		{"resource group", []iam.Policy{access(string(alice), "Reader", eq("resourceGroupId", "group-1"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1"), true},
		{"all services", []iam.Policy{access(string(alice), "Reader", eq("serviceType", "service"))}, caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1"), true},
		{"all services are not the platform", []iam.Policy{access(string(alice), "Administrator", eq("serviceType", "service"))}, caller(alice), "iam-identity.user.create", iam.Object{Account: account, Service: "iam-identity"}, false},
		{"platform services", []iam.Policy{access(string(alice), "Administrator", eq("serviceType", "platform_service"))}, caller(alice), "iam-identity.user.create", iam.Object{Account: account, Service: "iam-identity"}, true},
		{"service group", []iam.Policy{access(string(alice), "Viewer", eq("service_group_id", "IAM"))}, caller(alice), "iam-groups.group.list", iam.Object{Account: account, Service: "iam-groups"}, true},
		{"service ID", []iam.Policy{access(string(robot), "Writer", kms)}, caller(robot), "kms.secrets.create", key(kmsA, "r", ""), true},
		{"group", []iam.Policy{access(string(crew), "Writer", kms)}, caller(bob), "kms.secrets.create", key(kmsA, "r", ""), true},
		{"not in the group", []iam.Policy{access(string(crew), "Writer", kms)}, caller(alice), "kms.secrets.create", key(kmsA, "r", ""), false},
		{"object storage", []iam.Policy{access(string(alice), "Object Reader", eq("serviceName", "cloud-object-storage"), eq("resourceType", "bucket"), eq("resource", "b"))}, caller(alice), "cloud-object-storage.object.get", iam.Object{Account: account, Service: "cloud-object-storage", Instance: cosA, Type: "bucket", Resource: "b"}, true},
		{"operator reads the audit trail", []iam.Policy{access(string(alice), "Operator", eq("serviceName", "strongroom"))}, caller(alice), "strongroom.audit.read", iam.Object{Account: account, Service: "strongroom"}, true},

		{"owner", nil, ownerOf(account), "kms.secrets.delete", key(kmsA, "r", "k1"), true},
		{"owner purges who was granted it", []iam.Policy{access(string(alice), "KeyPurge", kms)}, ownerOf(account), "kms.secrets.purge", key(kmsA, "r", "k1"), true},
		{"owner does not purge", nil, ownerOf(account), "kms.secrets.purge", key(kmsA, "r", "k1"), false},
		{"owner of another account", nil, ownerOf(other), "kms.secrets.delete", key(kmsA, "r", "k1"), false},
		{"another account", []iam.Policy{access(string(alice), "Manager", kms)}, iam.Caller{Identity: alice, Kind: iam.KindUser, Account: other}, "kms.secrets.wrap", key(kmsA, "r", "k1"), false},
		{"no account", []iam.Policy{access(string(alice), "Manager", kms)}, caller(alice), "kms.secrets.wrap", iam.Object{Service: "kms", Instance: kmsA}, false},
		{"zero caller", nil, iam.Caller{}, "kms.secrets.wrap", key(kmsA, "r", "k1"), false},
		{"zero everything", nil, iam.Caller{}, "", iam.Object{}, false},
		{"owner of no account", nil, iam.Caller{Identity: alice, Kind: iam.KindUser, Owner: true}, "kms.secrets.wrap", iam.Object{}, false},
		{"a service ID owns nothing", nil, iam.Caller{Identity: robot, Kind: iam.KindService, Account: account, Owner: true}, "kms.secrets.wrap", key(kmsA, "r", "k1"), false},
		{"tags match nothing", []iam.Policy{func() iam.Policy {
			p := access(string(alice), "Reader", kms)
			p.Tags = []iam.Attribute{eq("env", "prod")}
			return p
		}()}, caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := &memory{policies: c.grants, groups: map[iam.IdentityID][]iam.GroupID{bob: {crew}}}
			err := decider(t, m, noon).Allow(t.Context(), c.who, c.action, c.on)
			if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("allowed is %v, want %t", err, c.want)
			}
		})
	}
}

func ownerOf(a iam.AccountID) iam.Caller {
	return iam.Caller{Identity: alice, Kind: iam.KindUser, Account: a, Owner: true}
}

// authorization lets instances that the subject describes act on Key Protect.
func authorization(roleName string, subject []iam.Attribute, target ...iam.Attribute) iam.Policy {
	return iam.Policy{
		Account: account, Type: iam.PolicyAuthorization, State: iam.PolicyActive, Roles: []string{role(roleName)}, Subject: subject,
		Resource: append([]iam.Attribute{eq("accountId", string(account)), eq("serviceName", "kms")}, target...),
	}
}

func TestAuthorizations(t *testing.T) {
	from := func(more ...iam.Attribute) []iam.Attribute {
		return append([]iam.Attribute{eq("accountId", string(account)), eq("serviceName", "cloud-object-storage")}, more...)
	}
	storage := func(guid string) iam.Caller { return instanceCaller(account, "cloud-object-storage", guid) }
	for _, c := range []struct {
		name   string
		grant  iam.Policy
		who    iam.Caller
		action iam.Action
		on     iam.Object
		want   bool
	}{
		{"any instance to any", authorization("Reader", from()), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"one to one", authorization("Reader", from(eq("serviceInstance", cosA)), eq("serviceInstance", kmsA)), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"from another", authorization("Reader", from(eq("serviceInstance", cosA)), eq("serviceInstance", kmsA)), storage(cosB), "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
		{"to another", authorization("Reader", from(eq("serviceInstance", cosA)), eq("serviceInstance", kmsA)), storage(cosA), "kms.secrets.unwrap", key(kmsB, "r", "k1"), false},
		{"to one key", authorization("Reader", from(), eq("resourceType", "key"), eq("resource", "k1")), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"to its sibling", authorization("Reader", from(), eq("resourceType", "key"), eq("resource", "k1")), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k2"), false},
		{"outside the role", authorization("Reader", from()), storage(cosA), "kms.secrets.delete", key(kmsA, "r", "k1"), false},
		{"finds the instance", authorization("Reader", from()), storage(cosA), "resource-controller.instance.retrieve", iam.Object{Account: account, Service: "kms", Instance: kmsA}, true},
		{"does not rename the instance", authorization("Manager", from()), storage(cosA), "resource-controller.instance.update", iam.Object{Account: account, Service: "kms", Instance: kmsA}, false},
		{"another service", authorization("Reader", from()), instanceCaller(account, "databases", cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
		{"resource group", authorization("Reader", from(eq("resourceGroupId", "group-1"))), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"any resource group", authorization("Reader", from(exists("resourceGroupId", "true"))), storage(cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"no resource group", authorization("Reader", from(exists("resourceGroupId", "true"))), storage(cosB), "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
		{"another account", authorization("Reader", from()), instanceCaller(other, "cloud-object-storage", cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
		{"another account that is named", authorization("Reader", []iam.Attribute{eq("accountId", string(other)), eq("serviceName", "cloud-object-storage")}), instanceCaller(other, "cloud-object-storage", cosA), "kms.secrets.unwrap", key(kmsA, "r", "k1"), true},
		{"people are no instances", authorization("Reader", from()), caller(alice), "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
		{"an instance needs a name", authorization("Reader", from()), iam.Caller{Identity: "crn-x", Kind: iam.KindInstance, Account: account}, "kms.secrets.unwrap", key(kmsA, "r", "k1"), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := decider(t, &memory{policies: []iam.Policy{c.grant}}, noon).Allow(t.Context(), c.who, c.action, c.on)
			if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("allowed is %v, want %t", err, c.want)
			}
		})
	}
}

func TestAccessPolicyForInstanceGrantsNothing(t *testing.T) {
	who := instanceCaller(account, "cloud-object-storage", cosA)
	p := access(string(alice), "Reader", eq("serviceName", "kms"))
	p.Subject = []iam.Attribute{eq("iam_id", string(who.Identity))}
	if err := iam.CheckPolicy(&p); !errors.Is(err, iam.ErrPolicy) {
		t.Errorf("an access policy for an instance gives %v, want %v", err, iam.ErrPolicy)
	}
}

func TestCustomRole(t *testing.T) {
	r := iam.CustomRole{Account: account, Service: "kms", Name: "Wrapper", Actions: []iam.Action{"kms.secrets.wrap"}}
	p := access(string(alice), "Reader", eq("serviceName", "kms"))
	p.Roles = []string{r.CRN()}
	a := decider(t, &memory{policies: []iam.Policy{p}, roles: []iam.CustomRole{r}}, noon)
	if err := a.Allow(t.Context(), caller(alice), "kms.secrets.wrap", key(kmsA, "r", "k1")); err != nil {
		t.Errorf("an action of the role gives %v", err)
	}
	if err := a.Allow(t.Context(), caller(alice), "kms.secrets.unwrap", key(kmsA, "r", "k1")); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("another action gives %v, want forbidden", err)
	}
}

func TestVisible(t *testing.T) {
	kms, inA := eq("serviceName", "kms"), eq("serviceInstance", kmsA)
	list := iam.Object{Account: account, Service: "kms", Instance: kmsA, Type: "key"}
	all := []iam.Policy{
		access(string(alice), "Reader", kms, inA, eq("keyRing", "r1")),
		access(string(alice), "Reader", kms, inA, eq("resourceType", "key"), eq("resource", "k9")),
		access(string(alice), "Reader", kms, eq("serviceInstance", kmsB), eq("keyRing", "elsewhere")),
		access(string(alice), "KeyPurge", kms, inA, eq("keyRing", "purged")),
		access(string(crew), "Reader", kms, inA, eq("keyRing", "r0")),
		access(string(robot), "Reader", kms, inA, like("keyRing", "dev-*")),
		access(string(robot), "Reader", kms, inA, eq("keyRing", "r1"), eq("resource", "k1")),
	}
	m := &memory{policies: all, groups: map[iam.IdentityID][]iam.GroupID{alice: {crew}}}
	a := decider(t, m, noon)

	s, err := a.Visible(t.Context(), caller(alice), "kms.secrets.list", list)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(iam.Scope{Rings: []string{"r0", "r1"}, Keys: []string{"k9"}}, s, cmp.AllowUnexported(iam.Scope{})); diff != "" {
		t.Errorf("scope of rings and keys (-want +got):\n%s", diff)
	}
	if !s.Exact() {
		t.Error("a scope of names is not exact")
	}

	s, err = a.Visible(t.Context(), caller(robot), "kms.secrets.list", list)
	if err != nil {
		t.Fatal(err)
	}
	if s.Exact() {
		t.Error("a scope of patterns is exact")
	}
	for _, c := range []struct {
		ring, key string
		want      bool
	}{{"dev-1", "k5", true}, {"prod", "k5", false}, {"r1", "k1", true}, {"r1", "k2", false}, {"r2", "k1", false}, {"", "", false}} {
		if got := s.Allows(c.ring, c.key); got != c.want {
			t.Errorf("ring %q, key %q is in scope: %t, want %t", c.ring, c.key, got, c.want)
		}
	}

	for _, who := range []iam.Caller{caller(bob), {Identity: alice, Kind: iam.KindUser, Account: other}, {}} {
		if _, err := a.Visible(t.Context(), who, "kms.secrets.list", list); !errors.Is(err, iam.ErrForbidden) {
			t.Errorf("%q sees with %v, want forbidden", who.Identity, err)
		}
	}
	if s, err := a.Visible(t.Context(), ownerOf(account), "kms.secrets.list", list); err != nil || !s.All {
		t.Errorf("the owner sees %+v, %v, want all", s, err)
	}
}

func TestVisibleToAuthorizedInstance(t *testing.T) {
	grant := authorization("Reader", []iam.Attribute{eq("accountId", string(account)), eq("serviceName", "cloud-object-storage")},
		eq("serviceInstance", kmsA), eq("resource", "k1"))
	a := decider(t, &memory{policies: []iam.Policy{grant}}, noon)
	on := iam.Object{Account: account, Service: "kms", Instance: kmsA, Type: "key"}
	s, err := a.Visible(t.Context(), instanceCaller(account, "cloud-object-storage", cosA), "kms.secrets.list", on)
	if err != nil || !cmp.Equal(s.Keys, []string{"k1"}) {
		t.Errorf("scope is %+v, %v, want key k1", s, err)
	}
}

func TestMayGive(t *testing.T) {
	kms, inA := eq("serviceName", "kms"), eq("serviceInstance", kmsA)
	m := &memory{policies: []iam.Policy{
		access(string(alice), "Operator", kms, inA),
		access(string(alice), "Reader", kms, inA),
		access(string(bob), "Administrator", kms, inA),
	}}
	a := decider(t, m, noon)
	on := iam.Object{Account: account, Service: "kms", Instance: kmsA}
	for _, c := range []struct {
		who  iam.Caller
		role string
		on   iam.Object
		want bool
	}{
		{caller(alice), role("Reader"), on, true},
		{caller(alice), role("Manager"), on, false},
		{caller(bob), role("Manager"), on, true},
		{caller(bob), role("Manager"), iam.Object{Account: account, Service: "kms", Instance: kmsB}, false},
		{caller(alice), "crn:v1:bluemix:public:iam::::serviceRole:Nothing", on, false},
		{caller(alice), role("Object Reader"), on, false},
	} {
		err := a.MayGive(t.Context(), c.who, c.role, c.on)
		if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrForbidden) {
			t.Errorf("%s gives %s on %s: %v, want %t", c.who.Identity, c.role, c.on.Instance, err, c.want)
		}
	}
}

func TestDecisionsComeFromMemory(t *testing.T) {
	m := &memory{
		policies: []iam.Policy{access(string(crew), "Reader", eq("serviceName", "kms"))},
		groups:   map[iam.IdentityID][]iam.GroupID{bob: {crew}},
	}
	a := decider(t, m, noon)
	for range 3 {
		if err := a.Allow(t.Context(), caller(bob), "kms.secrets.wrap", key(kmsA, "r", "k1")); err != nil {
			t.Fatal(err)
		}
	}
	if m.reads != 3 { // bob's policies, bob's groups, the group's policies
		t.Errorf("the store was read %d times, want 3", m.reads)
	}
}

func TestTableOfRoles(t *testing.T) {
	if got, want := len(iam.RoleLetters), iam.RoleCount(); got != want {
		t.Errorf("%d letters for %d roles", got, want)
	}
	const platform = "VOEA"
	for _, letters := range iam.GrantLetters() {
		manages := 0
		for _, l := range letters {
			if !containsRune(iam.RoleLetters, l) {
				t.Errorf("row %q has the unknown letter %q", letters, l)
			}
			if containsRune(platform, l) {
				manages++
			}
		}
		if manages != 0 && manages != len(letters) {
			t.Errorf("row %q mixes platform and service roles", letters)
		}
	}
	for old, now := range iam.OldNames() {
		if iam.KnownAction(old) || !iam.KnownAction(now) {
			t.Errorf("old name %q leads to %q, which is no action, or is one itself", old, now)
		}
	}
	for _, name := range []string{
		"Reader", "Writer", "Manager", "ReaderPlus", "KeyPurge", "KmipAdapterManager", "Object Reader", "Content Reader",
		"Object Writer", "Instance Actor", "Viewer", "Operator", "Editor", "Administrator",
	} {
		if r, ok := iam.RoleByCRN(role(name)); !ok || r.DisplayName != name {
			t.Errorf("role %q is %+v", name, r)
		}
	}
	if id := role("Object Reader"); id != "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ObjectReader" {
		t.Errorf("Object Reader is %s", id)
	}
}

func containsRune(s string, r rune) bool {
	for _, c := range s {
		if c == r {
			return true
		}
	}
	return false
}
