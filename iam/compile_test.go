package iam_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"strongroom/iam"
)

// naiveAllow decides by going through every policy, as IBM's documents say it.
func naiveAllow(policies []iam.Policy, groups []iam.GroupID, who iam.Caller, action iam.Action, on iam.Object) bool {
	present := map[string]string{
		"accountId": string(on.Account), "serviceName": on.Service, "serviceInstance": on.Instance, "region": on.Region,
		"resourceGroupId": on.ResourceGroup, "resourceType": on.Type, "resource": on.Resource, "keyRing": on.KeyRing,
	}
	if on.Service != "" {
		present["serviceType"] = "service"
	}
	source := map[string]string{
		"accountId": who.Instance.Account(), "serviceName": who.Instance.Service, "serviceInstance": who.Instance.Instance,
		"region": who.Instance.Location, "resourceGroupId": map[string]string{cosA: "group-1"}[who.Instance.Instance],
	}
	for _, p := range policies {
		if who.Kind == iam.KindInstance {
			if p.Type != iam.PolicyAuthorization || !naiveMatch(p.Subject, source) {
				continue
			}
		} else {
			id := p.SubjectID()
			if p.Type != iam.PolicyAccess || id != string(who.Identity) && !slices.Contains(groups, iam.GroupID(id)) {
				continue
			}
		}
		if !naiveMatch(p.Resource, present) {
			continue
		}
		for _, id := range p.Roles {
			if r, ok := iam.RoleByCRN(id); ok && slices.Contains(r.Actions(""), action) {
				return true
			}
		}
	}
	return false
}

func naiveMatch(list []iam.Attribute, present map[string]string) bool {
	for _, a := range list {
		v := present[a.Key]
		switch a.Operator {
		case iam.StringEquals:
			if v == "" || v != a.Value.Texts[0] {
				return false
			}
		case iam.StringMatch:
			if v == "" || !naiveGlob(a.Value.Texts[0], v) {
				return false
			}
		case iam.StringExists:
			if (v != "") != (a.Value.Texts[0] == "true") {
				return false
			}
		}
	}
	return true
}

// drawAttributes draws conditions on some of the keys.
func drawAttributes(t *rapid.T, values map[string][]string) []iam.Attribute {
	var list []iam.Attribute
	keys := make([]string, 0, len(values))
	for k := range values {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		switch rapid.IntRange(0, 7).Draw(t, k) {
		case 0, 1:
			list = append(list, eq(k, rapid.SampledFrom(values[k]).Draw(t, "value")))
		case 2:
			v := rapid.SampledFrom(values[k]).Draw(t, "value")
			list = append(list, like(k, rapid.SampledFrom([]string{"*", v[:1] + "*", "?" + v[1:], v}).Draw(t, "pattern")))
		case 3:
			list = append(list, exists(k, rapid.SampledFrom([]string{"true", "false"}).Draw(t, "exists")))
		}
	}
	return list
}

var objectValues = map[string][]string{
	"serviceName": {"kms", "cloud-object-storage"}, "serviceInstance": {kmsA, kmsB}, "region": {"us-south"},
	"resourceGroupId": {"group-1", "group-2"}, "resourceType": {"key"}, "resource": {"k1", "k2"}, "keyRing": {"r1", "r2"},
}

func drawPolicy(t *rapid.T) iam.Policy {
	p := access(rapid.SampledFrom([]string{string(alice), string(bob), string(crew)}).Draw(t, "subject"),
		rapid.SampledFrom([]string{"Reader", "Manager", "Viewer", "Administrator"}).Draw(t, "role"), drawAttributes(t, objectValues)...)
	if rapid.IntRange(0, 3).Draw(t, "authorization") == 0 {
		p.Type, p.Subject = iam.PolicyAuthorization, append([]iam.Attribute{eq("accountId", string(account))}, drawAttributes(t, map[string][]string{
			"serviceName": {"cloud-object-storage", "databases"}, "serviceInstance": {cosA, cosB}, "resourceGroupId": {"group-1"},
		})...)
		p.Roles = []string{role("Reader")}
	}
	return p
}

func drawObject(t *rapid.T) iam.Object {
	pick := func(key string) string {
		return rapid.SampledFrom(append([]string{""}, objectValues[key]...)).Draw(t, key)
	}
	return iam.Object{
		Account: account, Service: rapid.SampledFrom(objectValues["serviceName"]).Draw(t, "service"), Instance: pick("serviceInstance"),
		Region: pick("region"), ResourceGroup: pick("resourceGroupId"), Type: pick("resourceType"), Resource: pick("resource"), KeyRing: pick("keyRing"),
	}
}

func drawCaller(t *rapid.T) iam.Caller {
	return rapid.SampledFrom([]iam.Caller{
		caller(alice), caller(bob), instanceCaller(account, "cloud-object-storage", cosA), instanceCaller(account, "databases", cosB),
	}).Draw(t, "who")
}

func TestCompiledAgreesWithNaive(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		m := &memory{groups: map[iam.IdentityID][]iam.GroupID{bob: {crew}}}
		for _, p := range rapid.SliceOfN(rapid.Custom(drawPolicy), 1, 12).Draw(rt, "policies") {
			if iam.CheckPolicy(&p) == nil {
				m.policies = append(m.policies, p)
			}
		}
		a := decider(t, m, noon)
		for range 5 {
			who, on := drawCaller(rt), drawObject(rt)
			action := rapid.SampledFrom([]iam.Action{"kms.secrets.list", "kms.secrets.delete", "resource-controller.instance.delete"}).Draw(rt, "action")
			err := a.Allow(t.Context(), who, action, on)
			if err != nil && !errors.Is(err, iam.ErrForbidden) {
				rt.Fatal(err)
			}
			if want := naiveAllow(m.policies, m.groups[who.Identity], who, action, on); (err == nil) != want {
				rt.Fatalf("%s %s %+v: allowed is %t, want %t", who.Identity, action, on, err == nil, want)
			}
			scope, err := a.Visible(t.Context(), who, action, on)
			if err != nil && !errors.Is(err, iam.ErrForbidden) {
				rt.Fatal(err)
			}
			if got, want := scope.Allows(on.KeyRing, on.Resource), a.Allow(t.Context(), who, action, on) == nil; got != want {
				rt.Fatalf("%s %s %+v: in scope is %t, allowed %t", who.Identity, action, on, got, want)
			}
		}
	})
}

// crowd is an account with 10,000 policies: 100 subjects with some each, and
// one subject with a key of its own for every one of the others.
func crowd() *memory {
	m := &memory{groups: map[iam.IdentityID][]iam.GroupID{bob: {crew}}}
	kms := eq("serviceName", "kms")
	for i := range 5_000 {
		id := fmt.Sprintf("iam-ServiceId-%08d-1111-4111-8111-111111111111", i%100)
		m.policies = append(m.policies, access(id, "Reader", kms, eq("serviceInstance", kmsA), eq("keyRing", fmt.Sprintf("ring-%d", i))))
	}
	for i := range 2_500 {
		m.policies = append(m.policies,
			access(string(alice), "Reader", kms, eq("serviceInstance", kmsA), eq("resourceType", "key"), eq("resource", fmt.Sprintf("key-%d", i))),
			access(string(crew), "Reader", kms, eq("serviceInstance", fmt.Sprintf("instance-%d", i))))
	}
	return m
}

func BenchmarkDecision(b *testing.B) {
	single := &memory{}
	for i := range 10_000 {
		single.policies = append(single.policies, access(string(alice), "Writer", eq("serviceName", "kms"), eq("serviceInstance", kmsA),
			eq("resourceType", "key"), eq("resource", fmt.Sprintf("key-%d", i))))
	}
	services := &memory{}
	for i := range 10_000 {
		services.policies = append(services.policies, authorization("Reader", []iam.Attribute{
			eq("accountId", string(account)), eq("serviceName", "cloud-object-storage"), eq("serviceInstance", fmt.Sprintf("instance-%d", i)),
		}, eq("serviceInstance", kmsA)))
	}
	for _, c := range []struct {
		name  string
		m     *memory
		who   iam.Caller
		on    iam.Object
		allow bool
	}{
		{"allow", crowd(), caller(alice), key(kmsA, "ring-1", "key-2499"), true},
		{"deny", crowd(), caller(alice), key(kmsA, "ring-1", "key-none"), false},
		{"group", crowd(), caller(bob), key("instance-2499", "ring-1", "key-1"), true},
		{"group-deny", crowd(), caller(bob), key(kmsB, "ring-1", "key-1"), false},
		{"one-subject", single, caller(alice), key(kmsA, "ring-1", "key-9999"), true},
		{"one-subject-deny", single, caller(alice), key(kmsA, "ring-1", "key-none"), false},
		{"service", services, instanceCaller(account, "cloud-object-storage", "instance-9999"), key(kmsA, "ring-1", "key-1"), true},
		{"service-deny", services, instanceCaller(account, "cloud-object-storage", "instance-none"), key(kmsA, "ring-1", "key-1"), false},
	} {
		b.Run(c.name, func(b *testing.B) {
			a := decider(b, c.m, noon)
			ctx := b.Context()
			if err := a.Allow(ctx, c.who, "kms.secrets.wrap", c.on); (err == nil) != c.allow {
				b.Fatalf("allowed is %v, want %t", err, c.allow)
			}
			b.ReportAllocs()
			for b.Loop() {
				_ = a.Allow(ctx, c.who, "kms.secrets.wrap", c.on)
			}
		})
	}
}
