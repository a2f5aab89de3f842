package iam_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"strongroom/iam"
)

// when is a comparison of a rule.
func when(key string, op iam.Operator, values ...string) iam.Condition {
	list := op == iam.StringEqualsAnyOf || op == iam.StringMatchAnyOf || op == iam.DayOfWeekAnyOf
	return iam.Condition{Key: key, Operator: op, Value: iam.Value{Texts: values, List: list}}
}

func branch(op iam.Operator, conditions ...iam.Condition) iam.Condition {
	return iam.Condition{Operator: op, Conditions: conditions}
}

func ruled(rule iam.Condition) iam.Policy {
	p := access(string(alice), "Reader", eq("serviceName", "cloud-object-storage"))
	p.Rule, p.Pattern = &rule, "time-based-conditions:once"
	return p
}

func text(s string) *string { return &s }

func TestRules(t *testing.T) {
	for _, c := range []struct {
		name string
		rule iam.Condition
		data *iam.Data
		want bool
	}{
		// It is noon in UTC on Wednesday, 25 November 2026.
		{"before", when(iam.RuleTime, iam.TimeLessThan, "12:00:01+00:00"), nil, true},
		{"not before", when(iam.RuleTime, iam.TimeLessThan, "12:00:00Z"), nil, false},
		{"at", when(iam.RuleTime, iam.TimeLessThanOrEquals, "12:00:00Z"), nil, true},
		{"after", when(iam.RuleTime, iam.TimeGreaterThan, "11:59:59Z"), nil, true},
		{"not after", when(iam.RuleTime, iam.TimeGreaterThan, "12:00:00Z"), nil, false},
		{"from", when(iam.RuleTime, iam.TimeGreaterThanOrEquals, "12:00:00"), nil, true},
		{"seven in New York", when(iam.RuleTime, iam.TimeLessThan, "07:00:01-05:00"), nil, true},
		{"not before seven in New York", when(iam.RuleTime, iam.TimeLessThan, "07:00:00-05:00"), nil, false},
		{"date before", when(iam.RuleDate, iam.DateLessThan, "2026-11-26"), nil, true},
		{"date not before", when(iam.RuleDate, iam.DateLessThan, "2026-11-25"), nil, false},
		{"date at", when(iam.RuleDate, iam.DateGreaterThanOrEquals, "2026-11-25"), nil, true},
		{"already tomorrow in Kiritimati", when(iam.RuleDate, iam.DateGreaterThanOrEquals, "2026-11-26+14:00"), nil, true},
		{"next year", when(iam.RuleDate, iam.DateGreaterThan, "2027-01-01"), nil, false},
		{"instant before", when(iam.RuleDateTime, iam.DateTimeLessThan, "2026-11-25T07:00:01-05:00"), nil, true},
		{"instant not before", when(iam.RuleDateTime, iam.DateTimeLessThan, "2026-11-25T07:00:00-05:00"), nil, false},
		{"instant after", when(iam.RuleDateTime, iam.DateTimeGreaterThan, "2026-11-25T11:59:59"), nil, true},
		{"far future", when(iam.RuleDateTime, iam.DateTimeGreaterThan, "9999-12-31T23:59:59Z"), nil, false},
		{"Wednesday", when(iam.RuleDay, iam.DayOfWeekEquals, "3+00:00"), nil, true},
		{"Thursday in Kiritimati", when(iam.RuleDay, iam.DayOfWeekEquals, "4+14:00"), nil, true},
		{"not Wednesday in Kiritimati", when(iam.RuleDay, iam.DayOfWeekEquals, "3+14:00"), nil, false},
		{"weekend", when(iam.RuleDay, iam.DayOfWeekAnyOf, "6", "7"), nil, false},
		{"week", when(iam.RuleDay, iam.DayOfWeekAnyOf, "1", "2", "3", "4", "5"), nil, true},
		{"office hours", branch(iam.And, when(iam.RuleDay, iam.DayOfWeekAnyOf, "3", "4"), when(iam.RuleTime, iam.TimeGreaterThan, "09:00:00Z"), when(iam.RuleTime, iam.TimeLessThan, "17:00:00Z")), nil, true},
		{"one of and fails", branch(iam.And, when(iam.RuleDay, iam.DayOfWeekAnyOf, "3", "4"), when(iam.RuleTime, iam.TimeLessThan, "09:00:00Z")), nil, false},
		{"one of or holds", branch(iam.Or, when(iam.RuleTime, iam.TimeLessThan, "09:00:00Z"), when(iam.RuleTime, iam.TimeGreaterThan, "11:00:00Z")), nil, true},
		{"none of or holds", branch(iam.Or, when(iam.RuleTime, iam.TimeLessThan, "09:00:00Z"), when(iam.RuleTime, iam.TimeGreaterThan, "13:00:00Z")), nil, false},

		{"path", when(iam.RulePath, iam.StringMatch, "home/David/*"), &iam.Data{Path: text("home/David/x")}, true},
		{"other path", when(iam.RulePath, iam.StringMatch, "home/David/*"), &iam.Data{Path: text("home/Anna/x")}, false},
		{"no data", when(iam.RulePath, iam.StringMatch, "*"), nil, false},
		{"no path", when(iam.RulePath, iam.StringMatch, "*"), &iam.Data{Prefix: text("home/")}, false},
		{"any of paths", when(iam.RulePath, iam.StringMatchAnyOf, "a/*", "b/*"), &iam.Data{Path: text("b/1")}, true},
		{"any of names", when(iam.RulePath, iam.StringEqualsAnyOf, "a", "b"), &iam.Data{Path: text("b")}, true},
		{"none of names", when(iam.RulePath, iam.StringEqualsAnyOf, "a", "b"), &iam.Data{Path: text("c")}, false},
		{"listing", branch(iam.And, when(iam.RulePrefix, iam.StringEquals, "home/"), when(iam.RuleDelimiter, iam.StringEquals, "/")), &iam.Data{Prefix: text("home/"), Delimiter: text("/")}, true},
		{"listing without delimiter", branch(iam.And, when(iam.RulePrefix, iam.StringEquals, "home/"), when(iam.RuleDelimiter, iam.StringEquals, "/")), &iam.Data{Prefix: text("home/")}, false},
		{"all absent", branch(iam.And, when(iam.RulePath, iam.StringExists, "false"), when(iam.RulePrefix, iam.StringExists, "false")), nil, true},
		{"not all absent", branch(iam.And, when(iam.RulePath, iam.StringExists, "false"), when(iam.RulePrefix, iam.StringExists, "false")), &iam.Data{Prefix: text("")}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := decider(t, &memory{policies: []iam.Policy{ruled(c.rule)}}, noon.In(time.FixedZone("", 3600)))
			on := iam.Object{Account: account, Service: "cloud-object-storage", Instance: cosA, Type: "bucket", Resource: "b", Data: c.data}
			err := a.Allow(t.Context(), caller(alice), "cloud-object-storage.object.get", on)
			if c.want && err != nil || !c.want && !errors.Is(err, iam.ErrForbidden) {
				t.Errorf("allowed is %v, want %t", err, c.want)
			}
		})
	}
}

func TestMalformedPoliciesAreRefused(t *testing.T) {
	deep := when(iam.RulePath, iam.StringEquals, "x")
	for range 5 {
		deep = branch(iam.And, deep)
	}
	many := branch(iam.Or)
	for range 70 {
		many.Conditions = append(many.Conditions, when(iam.RulePath, iam.StringEquals, "x"))
	}
	eleven := strings.Split(strings.Repeat("x ", 10)+"x", " ")
	change := func(do func(p *iam.Policy)) iam.Policy {
		p := access(string(alice), "Reader", eq("serviceName", "kms"))
		do(&p)
		return p
	}
	for name, p := range map[string]iam.Policy{
		"empty":                {},
		"empty and":            ruled(branch(iam.And)),
		"deep rule":            ruled(deep),
		"many conditions":      ruled(many),
		"many values":          ruled(when(iam.RulePath, iam.StringEqualsAnyOf, eleven...)),
		"no values":            ruled(when(iam.RulePath, iam.StringEqualsAnyOf)),
		"empty value":          ruled(when(iam.RulePath, iam.StringEquals, "")),
		"long value":           ruled(when(iam.RulePath, iam.StringEquals, strings.Repeat("x", 1001))),
		"invalid text":         ruled(when(iam.RulePath, iam.StringEquals, "\xff")),
		"unknown key":          ruled(when("{{resource.attributes.color}}", iam.StringEquals, "x")),
		"unknown operator":     ruled(when(iam.RulePath, "stringAlmost", "x")),
		"operator of a clock":  ruled(when(iam.RulePath, iam.TimeLessThan, "12:00:00Z")),
		"clock as a string":    ruled(when(iam.RuleTime, iam.StringMatch, "*")),
		"no such time":         ruled(when(iam.RuleTime, iam.TimeLessThan, "25:00:00Z")),
		"no such day":          ruled(when(iam.RuleDay, iam.DayOfWeekEquals, "8")),
		"no such zone":         ruled(when(iam.RuleDay, iam.DayOfWeekEquals, "3+99:00")),
		"existence of what":    ruled(when(iam.RulePath, iam.StringExists, "maybe")),
		"pattern without rule": change(func(p *iam.Policy) { p.Pattern = "time-based-conditions:once" }),
		"rule without pattern": change(func(p *iam.Policy) { r := when(iam.RulePath, iam.StringEquals, "x"); p.Rule = &r }),
		"no role":              change(func(p *iam.Policy) { p.Roles = nil }),
		"no subject":           change(func(p *iam.Policy) { p.Subject = nil }),
		"two subjects":         change(func(p *iam.Policy) { p.Subject = append(p.Subject, eq("access_group_id", string(crew))) }),
		"pattern of subjects":  change(func(p *iam.Policy) { p.Subject = []iam.Attribute{like("iam_id", "IBMid-*")} }),
		"unknown subject":      change(func(p *iam.Policy) { p.Subject = []iam.Attribute{eq("iam_id", "root")} }),
		"no account":           change(func(p *iam.Policy) { p.Resource = p.Resource[1:] }),
		"another account":      change(func(p *iam.Policy) { p.Resource[0] = eq("accountId", string(other)) }),
		"pattern of accounts":  change(func(p *iam.Policy) { p.Resource[0] = like("accountId", "*") }),
		"nothing but account":  change(func(p *iam.Policy) { p.Resource = p.Resource[:1] }),
		"attribute twice":      change(func(p *iam.Policy) { p.Resource = append(p.Resource, eq("serviceName", "kms")) }),
		"unknown attribute":    change(func(p *iam.Policy) { p.Resource = append(p.Resource, eq("color", "red")) }),
		"operator of rules":    change(func(p *iam.Policy) { p.Resource[1].Operator = iam.StringEqualsAnyOf }),
		"list":                 change(func(p *iam.Policy) { p.Resource[1].Value = iam.Value{Texts: []string{"kms"}, List: true} }),
		"no value":             change(func(p *iam.Policy) { p.Resource[1].Value = iam.Value{} }),
		"type":                 change(func(p *iam.Policy) { p.Type = "denial" }),
		"long description":     change(func(p *iam.Policy) { p.Description = strings.Repeat("x", 301) }),
		"authorization of none": change(func(p *iam.Policy) {
			p.Type, p.Subject = iam.PolicyAuthorization, []iam.Attribute{eq("accountId", string(account))}
		}),
		"authorization of all": change(func(p *iam.Policy) {
			p.Type, p.Subject = iam.PolicyAuthorization, []iam.Attribute{eq("serviceName", "databases")}
		}),
	} {
		if err := iam.CheckPolicy(&p); !errors.Is(err, iam.ErrPolicy) {
			t.Errorf("%s: %v, want %v", name, err, iam.ErrPolicy)
		}
	}
}
