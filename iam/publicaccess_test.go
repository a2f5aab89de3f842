package iam_test

import (
	"context"
	"errors"
	"testing"

	"strongroom/audit"
	"strongroom/iam"
)

func stored(action string) (iam.Action, iam.Object) {
	return iam.Action("cloud-object-storage." + action), iam.Object{
		Account: account, Service: "cloud-object-storage", Instance: cosA, Type: "bucket", Resource: "b",
	}
}

// open grants everybody a role on the bucket b.
func open(roleName string) iam.Policy {
	return access(string(iam.PublicAccess), roleName,
		eq("serviceName", "cloud-object-storage"), eq("serviceInstance", cosA), eq("resourceType", "bucket"), eq("resource", "b"))
}

func TestPublicAccess(t *testing.T) {
	stranger := iam.Caller{Identity: bob, Kind: iam.KindUser, Account: other}
	nobody := iam.Anonymous(&audit.Trail{})
	elsewhere := open("Object Reader")
	elsewhere.Account, elsewhere.Resource[0] = other, eq("accountId", string(other))
	for _, c := range []struct {
		name   string
		grants []iam.Policy
		who    iam.Caller
		action string
		want   bool
	}{
		{"nobody by default", nil, nobody, "object.get", false},
		{"anonymous", []iam.Policy{open("Object Reader")}, nobody, "object.get", true},
		{"anonymous outside the role", []iam.Policy{open("Object Reader")}, nobody, "bucket.get", false},
		{"anonymous with the wider role", []iam.Policy{open("Content Reader")}, nobody, "bucket.get", true},
		{"anonymous writes", []iam.Policy{open("Content Reader")}, nobody, "object.put", false},
		{"of another account", []iam.Policy{open("Object Reader")}, stranger, "object.get", true},
		{"of another account, without", nil, stranger, "object.get", false},
		{"owner of another account", []iam.Policy{open("Object Reader")}, ownerOf(other), "object.put", false},
		{"member of the account", []iam.Policy{open("Object Reader")}, caller(alice), "object.get", true},
		{"instance", []iam.Policy{open("Object Reader")}, instanceCaller(other, "kms", kmsA), "object.get", true},
		{"granted in another account", []iam.Policy{elsewhere}, nobody, "object.get", false},
		{"granted to somebody else", []iam.Policy{access(string(alice), "Manager", eq("serviceName", "cloud-object-storage"))}, nobody, "object.get", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			action, on := stored(c.action)
			err := decider(t, &memory{policies: c.grants}, noon).Allow(t.Context(), c.who, action, on)
			if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("allowed is %v, want %t", err, c.want)
			}
		})
	}
}

// TestPublicAccessReachesNoKeys: what is granted to everybody on objects is not one on keys.
func TestPublicAccessReachesNoKeys(t *testing.T) {
	grants := []iam.Policy{open("Content Reader"), access(string(iam.PublicAccess), "Content Reader", eq("serviceName", "cloud-object-storage"))}
	a := decider(t, &memory{policies: grants}, noon)
	for _, who := range []iam.Caller{iam.Anonymous(nil), {Identity: bob, Kind: iam.KindUser, Account: other}} {
		if err := a.Allow(t.Context(), who, "kms.secrets.unwrap", key(kmsA, "r", "k1")); !errors.Is(err, iam.ErrForbidden) {
			t.Errorf("%s: unwrapping is allowed: %v", who.Name, err)
		}
		if _, err := a.Visible(t.Context(), who, "kms.secrets.list", key(kmsA, "r", "k1")); !errors.Is(err, iam.ErrForbidden) {
			t.Errorf("%s: listing is allowed: %v", who.Name, err)
		}
	}
}

func TestPublicAccessCanBeGivenToReadObjectsAlone(t *testing.T) {
	storage := eq("serviceName", "cloud-object-storage")
	for _, c := range []struct {
		name string
		p    iam.Policy
		want bool
	}{
		{"objects", open("Object Reader"), true},
		{"all buckets", access(string(iam.PublicAccess), "Content Reader", storage), true},
		{"writing", open("Object Writer"), false},
		{"reading configuration", open("Reader"), false},
		{"keys", access(string(iam.PublicAccess), "Reader", eq("serviceName", "kms")), false},
		{"every service", access(string(iam.PublicAccess), "Reader", eq("serviceType", "service")), false},
		{"a pattern of services", access(string(iam.PublicAccess), "Object Reader", like("serviceName", "cloud*")), false},
		{"managing", access(string(iam.PublicAccess), "Administrator", storage), false},
	} {
		err := iam.CheckPolicy(&c.p)
		if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrPolicy) {
			t.Errorf("%s: %v, want %t", c.name, err, c.want)
		}
	}
}

func TestThePublicGroupIsThereAndCannotBeChanged(t *testing.T) {
	a := decider(t, &memory{}, noon)
	who := ownerOf(account)
	if g, err := a.Group(t.Context(), who, iam.PublicAccess); err != nil || g.Account != account || g.Name != "Public Access" {
		t.Errorf("the group is %+v, %v", g, err)
	}
	name := "Private"
	_, update := a.UpdateGroup(t.Context(), who, iam.PublicAccess, "*", iam.GroupChange{Name: &name})
	_, add := a.AddMember(t.Context(), who, iam.PublicAccess, alice)
	for what, err := range map[string]error{
		"update": update, "add": add,
		"remove": a.RemoveMember(t.Context(), who, iam.PublicAccess, alice),
		"delete": a.DeleteGroup(t.Context(), who, iam.PublicAccess, true),
	} {
		if !errors.Is(err, iam.ErrGroup) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// refusalLog keeps what it is given, and tells refusals that may be counted from what must be written.
type refusalLog struct{ written, counted []*audit.Event }

func (l *refusalLog) Append(_ context.Context, evs ...*audit.Event) error {
	l.written = append(l.written, evs...)
	return nil
}

func (l *refusalLog) Refused(_ context.Context, _ string, ev *audit.Event) error {
	l.counted = append(l.counted, ev)
	return nil
}

func (l *refusalLog) Healthy() error { return nil }

// TestAnonymousRequestsAreRecordedWhereTheObjectIs: reads are written as they are, refusals may be
// counted, and both belong to the account that owns the object.
func TestAnonymousRequestsAreRecordedWhereTheObjectIs(t *testing.T) {
	log := &refusalLog{}
	door := iam.Door{Decide: decider(t, &memory{policies: []iam.Policy{open("Object Reader")}}, noon), Log: log, Service: "Cloud Object Storage"}
	who := iam.Anonymous(&audit.Trail{Address: "192.0.2.1"})
	ask := func(name string) error {
		action, on := stored(name)
		return door.Read(t.Context(), who, action, on, who.Event(action, audit.Target{Name: "b"}), func() error { return nil })
	}
	if err := ask("object.get"); err != nil {
		t.Fatal(err)
	}
	if err := ask("object.put"); !errors.Is(err, iam.ErrForbidden) {
		t.Fatal(err)
	}
	if len(log.written) != 1 || len(log.counted) != 1 {
		t.Fatalf("%d events were written and %d counted", len(log.written), len(log.counted))
	}
	for _, ev := range append(log.written, log.counted...) {
		if ev.Account != string(account) || ev.Initiator.ID != "anonymous" || ev.Initiator.CredentialType != "" || ev.Initiator.Host.Address != "192.0.2.1" {
			t.Errorf("recorded as %+v", ev)
		}
	}
}
