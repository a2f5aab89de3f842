package iampolicy_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"strongroom/audit"
)

// accessV2 is a body that gives a role on an instance of Key Protect.
func accessV2(subject, role, instance string) string {
	return fmt.Sprintf(`{"type":"access","description":"d","subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":%q}]},
		"resource":{"attributes":[{"key":"accountId","operator":"stringEquals","value":%q},{"key":"serviceName","operator":"stringEquals","value":"kms"},
		{"key":"serviceInstance","operator":"stringEquals","value":%q}]},"control":{"grant":{"roles":[{"role_id":%q}]}}}`, subject, account, instance, role)
}

func accessV1(subject, role, instance string) string {
	return fmt.Sprintf(`{"type":"access","subjects":[{"attributes":[{"name":"iam_id","value":%q}]}],"roles":[{"role_id":%q}],
		"resources":[{"attributes":[{"name":"accountId","value":%q},{"name":"serviceName","value":"kms"},{"name":"serviceInstance","value":%q,"operator":"stringEquals"}]}]}`,
		subject, role, account, instance)
}

func TestPolicyThroughBothVersions(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/policies", accessV2(alice, reader, kmsA)), 201, "")
	id, etag := made.id(), made.header.Get("ETag")
	if !strings.HasPrefix(etag, "1-") {
		t.Errorf("ETag is %q", etag)
	}
	if !h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") || h.allowed(alice, "kms.secrets.wrap", kmsB, "k1") {
		t.Error("the policy does not do what it says")
	}

	v1 := h.want(h.do("owner", "GET", "/v1/policies/"+id, ""), 200, "")
	h.equal(v1, map[string]any{
		"id": id, "type": "access", "state": "active", "href": h.url + "/v1/policies/" + id,
		"subjects.0.attributes.0.name": "iam_id", "subjects.0.attributes.0.value": alice,
		"roles.0.role_id": reader, "roles.0.display_name": "Reader",
		"resources.0.attributes.2.name": "serviceInstance", "resources.0.attributes.2.operator": "stringEquals",
		"created_by_id": "IBMid-OWNER00001", "created_at": "2026-07-01T10:00:00.000Z",
	})
	if v1.header.Get("ETag") != etag {
		t.Error("the versions have different ETags")
	}

	changed := h.want(h.do("owner", "PUT", "/v1/policies/"+id, accessV1(alice, manager, kmsB), "If-Match", etag), 200, "")
	stale := h.want(h.do("owner", "PUT", "/v2/policies/"+id, accessV2(alice, manager, kmsA), "If-Match", etag), 409, "policy_conflict_error")
	h.equal(stale, map[string]any{"errors.0.details.conflicts_with.etag": changed.header.Get("ETag"), "status_code": 409})
	h.want(h.do("owner", "PUT", "/v2/policies/"+id, accessV2(alice, manager, kmsA)), 400, "missing_required_query_parameter")
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") || !h.allowed(alice, "kms.secrets.delete", kmsB, "k1") {
		t.Error("the change has no effect")
	}

	h.want(h.do("owner", "DELETE", "/v1/policies/"+id, ""), 204, "")
	h.want(h.do("owner", "DELETE", "/v2/policies/"+id, ""), 404, "policy_not_found")
	if h.allowed(alice, "kms.secrets.delete", kmsB, "k1") {
		t.Error("the deleted policy still allows")
	}
	gone := h.want(h.do("owner", "GET", "/v2/policies/"+id, ""), 200, "")
	h.equal(gone, map[string]any{"state": "deleted"})
	h.want(h.do("owner", "PUT", "/v2/policies/"+id, accessV2(alice, manager, kmsA), "If-Match", "*"), 404, "policy_not_found")

	h.want(h.do("owner", "PATCH", "/v1/policies/"+id, `{"state":"active"}`, "If-Match", gone.header.Get("ETag")), 200, "")
	if !h.allowed(alice, "kms.secrets.delete", kmsB, "k1") {
		t.Error("the restored policy does not allow")
	}
	h.want(h.do("owner", "DELETE", "/v2/policies/"+id, ""), 204, "")
	h.clock.Advance(31 * 24 * time.Hour)
	h.want(h.do("owner", "GET", "/v2/policies/"+id, ""), 404, "policy_not_found")
}

func TestAPolicyIsRestoredOnlyAsItWasSeen(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v1/policies", accessV1(alice, reader, kmsA)), 201, "")
	id, etag := made.id(), made.header.Get("ETag")
	restore := func(match string) reply {
		return h.do("owner", "PATCH", "/v1/policies/"+id, `{"state":"active"}`, "If-Match", match)
	}
	h.want(restore(etag), 400, "invalid_body")
	h.want(h.do("owner", "DELETE", "/v1/policies/"+id, ""), 204, "")
	gone := h.want(h.do("owner", "GET", "/v2/policies/"+id, ""), 200, "")
	stale := h.want(restore(etag), 409, "policy_conflict_error")
	h.equal(stale, map[string]any{"errors.0.details.conflicts_with.etag": gone.header.Get("ETag")})
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("the policy allows, though it was not restored")
	}
	h.want(restore(gone.header.Get("ETag")), 200, "")
	if !h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("the restored policy does not allow")
	}
}

func TestAuthorizationAsTerraformSendsIt(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/policies", fmt.Sprintf(`{"type":"authorization","control":{"grant":{"roles":[{"role_id":%q}]}},
		"subject":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"cloud-object-storage"},{"key":"accountId","operator":"stringEquals","value":%q},{"key":"serviceInstance","operator":"stringEquals","value":%q}]},
		"resource":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"kms"},{"key":"accountId","operator":"stringEquals","value":%q},{"key":"serviceInstance","operator":"stringEquals","value":%q}]}}`,
		reader, account, cosA, account, kmsA)), 201, "")
	h.want(h.do("owner", "GET", "/v1/policies/"+made.id(), ""), 200, "")
	h.want(h.do("owner", "DELETE", "/v1/policies/"+made.id(), ""), 204, "")
	h.equal(h.do("owner", "GET", "/v2/policies/"+made.id(), ""), map[string]any{"state": "deleted", "type": "authorization"})
}

func TestRuleIsAPlaceholderInTheFirstVersion(t *testing.T) {
	h := newHouse(t)
	body := strings.TrimSuffix(accessV2(alice, reader, kmsA), "}") + `,"pattern":"time-based-conditions:weekly:all-day",
		"rule":{"key":"{{environment.attributes.day_of_week}}","operator":"dayOfWeekAnyOf","value":[3,"4+06:00"]}}`
	made := h.want(h.do("owner", "POST", "/v2/policies", body), 201, "")
	if want := `"value":["3","4+06:00"]`; !strings.Contains(made.raw, want) {
		t.Errorf("answer %s lacks %s", made.raw, want)
	}
	h.equal(h.do("owner", "GET", "/v1/policies/"+made.id(), ""), map[string]any{
		"id": made.id(), "type": "access", "href": h.url + "/v2/policies/" + made.id(),
		"subjects.0.attributes.0.value":  "unsupported version",
		"roles.0.role_id":                "crn:v1:bluemix:public:iam::::role:UnsupportedVersion",
		"roles.0.display_name":           "Unsupported Version",
		"resources.0.attributes.0.value": account,
	})
	if !h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("refused on a Wednesday")
	}
	h.clock.Advance(-24 * time.Hour)
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("allowed on a Tuesday")
	}
}

func TestEqualPolicyConflicts(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v1/policies", accessV1(alice, reader, kmsA)), 201, "")
	again := h.want(h.do("owner", "POST", "/v2/policies", accessV2(alice, reader, kmsA)), 409, "policy_conflict_error")
	h.equal(again, map[string]any{"errors.0.details.conflicts_with.policy": made.id()})
	if again.at("trace") != again.header.Get("Transaction-Id") {
		t.Error("trace and Transaction-Id differ")
	}
}

func TestPolicyListIsPagedAndFiltered(t *testing.T) {
	h := newHouse(t)
	for i := range 5 {
		h.clock.Advance(time.Second)
		h.want(h.do("owner", "POST", "/v1/policies", accessV1(alice, reader, fmt.Sprintf("instance-%d", i))), 201, "")
	}
	h.want(h.do("owner", "POST", "/v1/policies", accessV1(bob, reader, kmsA)), 201, "")
	seen := 0
	path := "/v2/policies?account_id=" + account + "&iam_id=" + alice + "&limit=2"
	for pages := 1; ; pages++ {
		page := h.want(h.do("owner", "GET", path, ""), 200, "")
		list, _ := page.at("policies").([]any)
		seen += len(list)
		next, _ := page.at("next.href").(string)
		if next == "" {
			if pages != 3 {
				t.Errorf("%d pages, want 3", pages)
			}
			break
		}
		if !strings.Contains(next, "start="+page.at("next.start").(string)) {
			t.Errorf("next.href %q lacks next.start", next)
		}
		path = strings.TrimPrefix(next, h.url)
	}
	if seen != 5 {
		t.Errorf("%d policies on all pages, want 5", seen)
	}
	for query, code := range map[string]string{
		"":                                       "missing_required_query_parameter",
		"?account_id=" + account + "&sort=color": "invalid_query_parameter",
		"?account_id=" + account + "&type=denial":   "invalid_query_parameter",
		"?account_id=" + account + "&limit=x":       "invalid_query_parameter",
		"?account_id=" + account + "&limit=5000":    "invalid_body",
		"?account_id=" + account + "&start=rubbish": "invalid_body",
		"?account_id=" + account + "&format=xml":    "invalid_query_parameter",
	} {
		h.want(h.do("owner", "GET", "/v1/policies"+query, ""), 400, code)
	}
	h.equal(h.do("owner", "GET", "/v1/policies?account_id="+account+"&type=authorization", ""), map[string]any{"policies": "[]"})
	shown := h.do("owner", "GET", "/v2/policies?format=display&account_id="+account+"&iam_id="+bob, "")
	h.equal(shown, map[string]any{
		"policies.0.control.grant.roles.0.display_name": "Reader",
		"policies.0.control.grant.roles.0.actions.0.id": "kms.governance-config.read",
	})
}

func TestNobodyGrantsBeyondWhatHeAdministers(t *testing.T) {
	h := newHouse(t)
	h.want(h.do("alice", "POST", "/v2/policies", accessV2(bob, reader, kmsA)), 403, "insufficent_permissions")
	h.want(h.do("owner", "POST", "/v2/policies", accessV2(alice, admin, kmsA)), 201, "")

	within := h.want(h.do("alice", "POST", "/v2/policies", accessV2(bob, reader, kmsA)), 201, "")
	narrower := strings.Replace(accessV1(bob, manager, kmsA), `"operator":"stringEquals"}`, `"operator":"stringEquals"},{"name":"keyRing","value":"r1"}`, 1)
	h.want(h.do("alice", "POST", "/v1/policies", narrower), 201, "")
	for name, body := range map[string]string{
		"sibling":          accessV2(alice, manager, kmsB),
		"whole service":    strings.Replace(accessV2(alice, manager, kmsA), `"serviceInstance"`, `"resourceGroupId"`, 1),
		"pattern":          strings.Replace(accessV1(alice, manager, "*"), `"operator":"stringEquals"}`, `"operator":"stringMatch"}`, 1),
		"platform":         strings.Replace(accessV2(alice, admin, kmsA), `"kms"`, `"iam-access-management"`, 1),
		"other account":    strings.ReplaceAll(accessV2(alice, manager, kmsA), account, other),
		"without account":  strings.Replace(accessV2(alice, manager, kmsA), `"accountId"`, `"region"`, 1),
		"value is missing": strings.Replace(accessV2(alice, manager, kmsA), `"operator":"stringEquals","value":"`+kmsA+`"`, `"operator":"stringEquals"`, 1),
	} {
		if r := h.do("alice", "POST", "/v2/policies", body); r.status != 403 && !strings.Contains(body, `"subjects"`) {
			t.Errorf("%s: %d %s, want 403", name, r.status, r.raw)
		}
		if strings.Contains(body, `"subjects"`) {
			h.want(h.do("alice", "POST", "/v1/policies", body), 403, "insufficent_permissions")
		}
	}
	// Moving a policy needs both places.
	h.want(h.do("alice", "PUT", "/v2/policies/"+within.id(), accessV2(bob, reader, kmsB), "If-Match", "*"), 403, "insufficent_permissions")
	foreign := h.want(h.do("owner", "POST", "/v2/policies", accessV2(bob, reader, kmsB)), 201, "")
	for _, method := range []string{"GET", "DELETE"} {
		h.want(h.do("alice", method, "/v2/policies/"+foreign.id(), ""), 403, "insufficent_permissions")
		h.want(h.do("alice", method, "/v2/policies/00000000-0000-4000-8000-000000000000", ""), 403, "insufficent_permissions")
	}
	h.want(h.do("alice", "PUT", "/v2/policies/"+foreign.id(), accessV2(bob, reader, kmsA), "If-Match", "*"), 403, "insufficent_permissions")
	mine := h.want(h.do("alice", "GET", "/v2/policies?account_id="+account, ""), 200, "")
	if strings.Contains(mine.raw, foreign.id()) || !strings.Contains(mine.raw, within.id()) {
		t.Errorf("alice sees %s", mine.raw)
	}
	h.want(h.do("bob", "GET", "/v2/policies?account_id="+account, ""), 403, "insufficent_permissions")
}

func TestOtherAccountsSeeNothing(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/policies", accessV2(alice, reader, kmsA)), 201, "")
	h.want(h.do("stranger", "GET", "/v2/policies/"+made.id(), ""), 404, "policy_not_found")
	h.want(h.do("stranger", "DELETE", "/v1/policies/"+made.id(), ""), 404, "policy_not_found")
	h.want(h.do("stranger", "PUT", "/v1/policies/"+made.id(), accessV1(alice, manager, kmsA), "If-Match", "*"), 404, "policy_not_found")
	h.want(h.do("stranger", "GET", "/v2/policies?account_id="+account, ""), 403, "insufficent_permissions")
	h.want(h.do("stranger", "POST", "/v2/policies", accessV2(alice, reader, kmsB)), 403, "insufficent_permissions")
	h.want(h.do("", "GET", "/v2/policies/"+made.id(), ""), 401, "invalid_token")
	h.want(h.do("forged", "GET", "/v2/policies/"+made.id(), ""), 401, "invalid_token")
}

func TestMalformedRequests(t *testing.T) {
	h := newHouse(t)
	for name, body := range map[string]string{
		"empty":         "",
		"no JSON":       "{",
		"unknown":       strings.Replace(accessV2(alice, reader, kmsA), `"subject":`, `"subjekt":{},"subject":`, 1),
		"misspelt rule": strings.Replace(accessV2(alice, reader, kmsA), `"type"`, `"rules":{},"type"`, 1),
		"unknown role":  accessV2(alice, "crn:v1:bluemix:public:iam::::serviceRole:God", kmsA),
		"foreign role":  accessV2(alice, "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ObjectReader", kmsA),
		"no subject":    strings.Replace(accessV2(alice, reader, kmsA), `"iam_id"`, `"user"`, 1),
		"object value":  strings.Replace(accessV2(alice, reader, kmsA), `"`+alice+`"`, `{}`, 1),
		"platform role for a service": fmt.Sprintf(`{"type":"authorization","control":{"grant":{"roles":[{"role_id":%q}]}},
			"subject":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"x"},{"key":"accountId","operator":"stringEquals","value":"y"}]},
			"resource":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"kms"},{"key":"accountId","operator":"stringEquals","value":%q}]}}`, admin, account),
	} {
		t.Run(name, func(t *testing.T) {
			h.want(h.do("owner", "POST", "/v2/policies", body), 400, "invalid_body")
			if ev := h.log.last(); ev.Action != "iam-am.policy.create" || ev.Outcome != audit.Failure || ev.Reason.Code != 400 {
				t.Errorf("recorded as %s %s %d", ev.Action, ev.Outcome, ev.Reason.Code)
			}
		})
	}
	// Who may not try hears nothing of what is wrong.
	h.want(h.do("bob", "POST", "/v2/policies", "{"), 403, "insufficent_permissions")
	h.want(h.do("owner", "POST", "/v2/policies", strings.Repeat(" ", 300<<10)), 413, "request_not_processed")
	h.want(h.do("owner", "GET", "/v2/policies/x/y", ""), 404, "not_found")
	h.want(h.do("owner", "PATCH", "/v2/policies/x", "{}"), 405, "request_not_processed")
}
