package sqlstore_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/internal/lease"
	"strongroom/sqlstore"
)

// silent is a log that takes everything.
type silent struct{}

func (silent) Append(context.Context, ...*audit.Event) error { return nil }

func (silent) Healthy() error { return nil }

func newAccess(db *sqlstore.DB, hub *lease.Hub) *iam.Access {
	return iam.NewAccess(iam.AccessConfig{Store: db.Access(), Hub: hub, Recorder: silent{}, Now: time.Now})
}

func TestGrantAndRevokeCanBeRepeated(t *testing.T) {
	db, hub := fresh(t)
	a := newAccess(db, hub)
	const robot = iam.IdentityID("iam-ServiceId-11111111-1111-4111-8111-111111111111")
	on := iam.Object{Service: "kms", Instance: "one"}
	allowed := func() bool {
		who := iam.Caller{Identity: robot, Kind: iam.KindService, Account: tenant}
		return a.Allow(t.Context(), who, "kms.secrets.wrap", iam.Object{Account: tenant, Service: "kms", Instance: "one"}) == nil
	}
	for range 2 {
		if err := a.Grant(t.Context(), "p1", tenant, robot, reader, on); err != nil {
			t.Fatal(err)
		}
	}
	if err := a.Grant(t.Context(), "p2", tenant, robot, reader, on); err != nil {
		t.Fatalf("an equal grant of another act: %v", err)
	}
	if err := a.Grant(t.Context(), "p1", tenant, robot, reader, iam.Object{Service: "kms", Instance: "two"}); !errors.Is(err, iam.ErrPolicyExists) {
		t.Errorf("another grant under the same ID gives %v, want %v", err, iam.ErrPolicyExists)
	}
	if err := a.Grant(t.Context(), "p3", tenant, robot, "crn:v1:bluemix:public:iam::::serviceRole:God", on); !errors.Is(err, iam.ErrPolicy) {
		t.Errorf("a role that does not exist gives %v, want %v", err, iam.ErrPolicy)
	}
	if !allowed() {
		t.Error("the grant has no effect")
	}
	for range 2 {
		if err := a.Revoke(t.Context(), tenant, "p1"); err != nil {
			t.Fatal(err)
		}
	}
	if !allowed() {
		t.Error("revoking one grant took the other")
	}
	if err := a.Revoke(t.Context(), tenant, "p2"); err != nil {
		t.Fatal(err)
	}
	if allowed() {
		t.Error("still allowed after both are revoked")
	}
}

func TestRemovedIdentityIsRefusedAtOnce(t *testing.T) {
	db, hub := fresh(t)
	a := newAccess(db, hub)
	const robot = iam.IdentityID("iam-ServiceId-11111111-1111-4111-8111-111111111111")
	if err := a.Grant(t.Context(), "p1", tenant, robot, reader, iam.Object{Service: "kms", Instance: "one"}); err != nil {
		t.Fatal(err)
	}
	who := iam.Caller{Identity: robot, Kind: iam.KindService, Account: tenant}
	on := iam.Object{Account: tenant, Service: "kms", Instance: "one"}
	if err := a.Allow(t.Context(), who, "kms.secrets.wrap", on); err != nil {
		t.Fatal(err)
	}
	before := db.Statements()
	if err := a.Allow(t.Context(), who, "kms.secrets.wrap", on); err != nil || db.Statements() != before {
		t.Errorf("the second decision: %v, after %d statements, want none", err, db.Statements()-before)
	}
	if err := db.DropSubject(t.Context(), string(tenant), string(robot), nil); err != nil {
		t.Fatal(err)
	}
	if err := a.Allow(t.Context(), who, "kms.secrets.wrap", on); !errors.Is(err, iam.ErrForbidden) {
		t.Errorf("after its removal: %v, want forbidden", err)
	}
}

func TestUnreadableStoreRefusesWithoutSayingNo(t *testing.T) {
	db, hub := fresh(t)
	a := newAccess(db, hub)
	if err := db.Forge(t.Context(), `DROP TABLE access_group_members`); err != nil {
		t.Fatal(err)
	}
	who := iam.Caller{Identity: "IBMid-ALICE00001", Kind: iam.KindUser, Account: tenant}
	err := a.Allow(t.Context(), who, "kms.secrets.wrap", iam.Object{Account: tenant, Service: "kms", Instance: "one"})
	if err == nil || errors.Is(err, iam.ErrForbidden) {
		t.Errorf("got %v, want an error that is no refusal", err)
	}
}

func TestPolicyIsCommittedWithItsEvent(t *testing.T) {
	db, hub := fresh(t)
	a := newAccess(db, hub)
	owner := iam.Caller{Identity: "IBMid-OWNER00001", Kind: iam.KindUser, Account: tenant, Owner: true, Trail: &audit.Trail{Time: created}}
	p := policy("", "IBMid-ALICE00001", "one")
	p.Tags = nil
	made, err := a.CreatePolicy(t.Context(), owner, p)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.DeletePolicy(t.Context(), owner, made.ID); err != nil {
		t.Fatal(err)
	}
	events, err := db.Outbox(t.Context(), 10)
	if err != nil {
		t.Fatal(err)
	}
	var actions []string
	for _, ev := range events {
		actions = append(actions, ev.Action+" "+string(ev.Outcome)+" "+ev.Target.ID)
	}
	target := " success crn:v1:bluemix:public:iam-access-management::a/" + string(tenant) + "::policy:" + string(made.ID)
	if diff := cmp.Diff([]string{"iam-am.policy.create" + target, "iam-am.policy.delete" + target}, actions); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if !owner.Trail.Recorded() {
		t.Error("the request is not marked as recorded")
	}
}
