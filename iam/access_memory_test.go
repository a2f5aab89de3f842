package iam_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/lease"
)

const (
	account = iam.AccountID("0123456789abcdef0123456789abcdef")
	other   = iam.AccountID("fedcba9876543210fedcba9876543210")
	alice   = iam.IdentityID("IBMid-ALICE00001")
	bob     = iam.IdentityID("IBMid-BOB0000002")
	robot   = iam.IdentityID("iam-ServiceId-11111111-1111-4111-8111-111111111111")
	crew    = iam.GroupID("AccessGroupId-22222222-2222-4222-8222-222222222222")
	kmsA    = "aaaaaaaa-0000-4000-8000-000000000001"
	kmsB    = "aaaaaaaa-0000-4000-8000-000000000002"
	cosA    = "cccccccc-0000-4000-8000-000000000001"
	cosB    = "cccccccc-0000-4000-8000-000000000002"
)

// Roles by their display names.
func role(name string) string {
	switch name {
	case "Viewer", "Operator", "Editor", "Administrator":
		return crn.Role("iam", "role", name).String()
	case "ReaderPlus", "KeyPurge", "KmipAdapterManager":
		return crn.Role("kms", "serviceRole", name).String()
	case "Content Reader", "Object Reader", "Object Writer", "Instance Actor":
		return crn.Role("cloud-object-storage", "serviceRole", strings.ReplaceAll(name, " ", "")).String()
	default:
		return crn.Role("iam", "serviceRole", name).String()
	}
}

// caller is an identity acting in the account.
func caller(id iam.IdentityID) iam.Caller {
	return iam.Caller{Identity: id, Kind: iam.KindOf(id), Account: account}
}

// instanceCaller is a service instance acting on its own behalf.
func instanceCaller(of iam.AccountID, service, guid string) iam.Caller {
	name := crn.Of(service, "global", string(of), guid, "", "")
	return iam.Caller{Identity: iam.IdentityID("crn-" + name.String()), Kind: iam.KindInstance, Account: of, Instance: name}
}

// eq is an attribute that must be equal.
func eq(key, value string) iam.Attribute {
	return iam.Attribute{Key: key, Operator: iam.StringEquals, Value: iam.Text(value)}
}

func like(key, value string) iam.Attribute {
	return iam.Attribute{Key: key, Operator: iam.StringMatch, Value: iam.Text(value)}
}

func exists(key, value string) iam.Attribute {
	return iam.Attribute{Key: key, Operator: iam.StringExists, Value: iam.Value{Texts: []string{value}, Bare: true}}
}

// access is a policy that gives roles to a subject on a resource of the account.
func access(subject string, roleName string, resource ...iam.Attribute) iam.Policy {
	key := iam.AttrIAMID
	if iam.KindOf(iam.IdentityID(subject)) == "" {
		key = iam.AttrAccessGroup
	}
	return iam.Policy{
		Account: account, Type: iam.PolicyAccess, State: iam.PolicyActive, Roles: []string{role(roleName)},
		Subject: []iam.Attribute{eq(key, subject)}, Resource: append([]iam.Attribute{eq("accountId", string(account))}, resource...),
	}
}

// memory is a store that only decisions ask.
type memory struct {
	iam.AccessStore
	policies []iam.Policy
	groups   map[iam.IdentityID][]iam.GroupID
	roles    []iam.CustomRole
	reads    int
}

func (m *memory) PoliciesOf(_ context.Context, account iam.AccountID, subject string) ([]iam.Policy, error) {
	m.reads++
	var list []iam.Policy
	for _, p := range m.policies {
		if p.Account == account && p.SubjectID() == subject && p.State == iam.PolicyActive {
			list = append(list, p)
		}
	}
	return list, nil
}

func (m *memory) GroupsOf(_ context.Context, _ iam.AccountID, id iam.IdentityID) ([]iam.GroupID, error) {
	m.reads++
	return m.groups[id], nil
}

func (m *memory) Roles(context.Context, iam.AccountID, string) ([]iam.CustomRole, error) {
	m.reads++
	return m.roles, nil
}

// journal remembers events.
type journal struct{ events []*audit.Event }

func (j *journal) Append(_ context.Context, evs ...*audit.Event) error {
	j.events = append(j.events, evs...)
	return nil
}

func (j *journal) Healthy() error { return nil }

// decider returns a service that decides by the store at a fixed time.
func decider(t testing.TB, m *memory, now time.Time) *iam.Access {
	t.Helper()
	for i := range m.policies {
		if m.policies[i].ID == "" {
			m.policies[i].ID = iam.PolicyID(fmt.Sprintf("policy-%d", i))
		}
		if err := iam.CheckPolicy(&m.policies[i]); err != nil {
			t.Fatalf("policy %d: %v", i, err)
		}
	}
	return iam.NewAccess(iam.AccessConfig{
		Store: m, Hub: lease.Always(), Recorder: &journal{}, Now: func() time.Time { return now },
		ResourceGroup: func(_ context.Context, instance crn.CRN) (string, error) {
			return map[string]string{cosA: "group-1", cosB: ""}[instance.Instance], nil
		},
	})
}

// key is a key of an instance of Key Protect.
func key(instance, ring, id string) iam.Object {
	return iam.Object{
		Account: account, Service: "kms", Instance: instance, Region: "us-south", ResourceGroup: "group-1",
		KeyRing: ring, Type: "key", Resource: id,
	}
}
