package iampolicy_test

import (
	"fmt"
	"strings"
	"testing"
)

func TestGroupLifecycle(t *testing.T) {
	h := newHouse(t)
	made := h.want(h.do("owner", "POST", "/v2/groups?account_id="+account, `{"name":"Crew","description":"d"}`), 201, "")
	id := made.id()
	h.equal(made, map[string]any{
		"name": "Crew", "account_id": account, "is_federated": false, "href": h.url + "/v2/groups/" + id,
		"crn": "crn:v1:bluemix:public:iam-groups::a/" + account + "::group:" + id,
	})
	h.want(h.do("owner", "POST", "/v2/groups?account_id="+account, `{"name":"crew"}`), 409, "group_conflict_error")
	h.want(h.do("owner", "POST", "/v2/groups?account_id="+account, `{"name":" "}`), 400, "invalid_body")
	h.want(h.do("owner", "POST", "/v2/groups", `{"name":"x"}`), 400, "missing_required_query_parameter")
	h.want(h.do("bob", "POST", "/v2/groups?account_id="+account, `{"name":"x"}`), 403, "insufficent_permissions")
	h.want(h.do("stranger", "POST", "/v2/groups?account_id="+account, `{"name":"x"}`), 403, "insufficent_permissions")
	h.want(h.do("stranger", "GET", "/v2/groups/"+id, ""), 404, "not_found")

	grant := strings.Replace(accessV2(id, reader, kmsA), `"iam_id"`, `"access_group_id"`, 1)
	h.want(h.do("owner", "POST", "/v2/policies", grant), 201, "")
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("alice is allowed before she is a member")
	}
	added := h.want(h.do("owner", "PUT", "/v2/groups/"+id+"/members", fmt.Sprintf(
		`{"members":[{"iam_id":%q,"type":"user"},{"iam_id":%q,"type":"service"},{"iam_id":"nobody","type":"user"}]}`, alice, robot)), 207, "")
	h.equal(added, map[string]any{
		"members.0.status_code": 200, "members.0.type": "user", "members.1.type": "service", "members.1.status_code": 200,
		"members.2.status_code": 400, "members.2.errors.0.code": "invalid_body",
	})
	if !h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") || !h.allowed(robot, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("members are not allowed what the group is")
	}

	h.want(h.do("owner", "HEAD", "/v2/groups/"+id+"/members/"+alice, ""), 204, "")
	if r := h.do("owner", "HEAD", "/v2/groups/"+id+"/members/"+bob, ""); r.status != 404 || r.raw != "" {
		t.Errorf("HEAD of no member is %d %q", r.status, r.raw)
	}
	members := h.want(h.do("owner", "GET", "/v2/groups/"+id+"/members?limit=1&offset=1", ""), 200, "")
	h.equal(members, map[string]any{
		"total_count": 2, "limit": 1, "offset": 1, "members.0.iam_id": robot, "members.0.membership_type": "static",
		"previous.href": h.url + "/v2/groups/" + id + "/members?limit=1&offset=0", "next": nil,
		"last.href": h.url + "/v2/groups/" + id + "/members?limit=1&offset=1",
	})
	h.equal(h.do("owner", "GET", "/v2/groups/"+id+"/members?type=user", ""), map[string]any{"total_count": 1, "members.0.iam_id": alice})
	for query, total := range map[string]int{"static": 2, "all": 2, "dynamic": 0} {
		h.equal(h.do("owner", "GET", "/v2/groups/"+id+"/members?membership_type="+query, ""), map[string]any{"total_count": total})
		h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&iam_id="+alice+"&membership_type="+query, ""), map[string]any{"total_count": min(total, 1)})
	}
	h.want(h.do("owner", "GET", "/v2/groups/"+id+"/members?membership_type=some", ""), 400, "invalid_query_parameter")
	h.want(h.do("owner", "GET", "/v2/groups?account_id="+account+"&membership_type=some", ""), 400, "invalid_query_parameter")
	h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&iam_id="+alice, ""), map[string]any{"total_count": 1, "groups.0.id": id})
	h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&iam_id="+bob, ""), map[string]any{"total_count": 0, "groups": "[]"})
	h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&search=RE", ""), map[string]any{"total_count": 1})
	h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&search=%25", ""), map[string]any{"total_count": 0})
	h.want(h.do("owner", "GET", "/v2/groups?account_id="+account+"&sort=color", ""), 400, "invalid_query_parameter")
	h.equal(h.do("owner", "GET", "/v2/groups/"+id+"/rules", ""), map[string]any{"rules": "[]"})
	h.equal(h.do("owner", "GET", "/v2/groups/settings?account_id="+account, ""), map[string]any{"public_access_enabled": true})

	h.want(h.do("owner", "DELETE", "/v2/groups/"+id+"/members/"+alice, ""), 204, "")
	h.want(h.do("owner", "DELETE", "/v2/groups/"+id+"/members/"+alice, ""), 404, "not_found")
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("alice is allowed after she left")
	}
	removed := h.want(h.do("owner", "POST", "/v2/groups/"+id+"/members/delete", fmt.Sprintf(`{"members":[%q,%q]}`, robot, bob)), 207, "")
	h.equal(removed, map[string]any{"access_group_id": id, "members.0.status_code": 204, "members.1.status_code": 404})
	h.want(h.do("owner", "PUT", "/v2/groups/AccessGroupId-none/members", fmt.Sprintf(`{"members":[{"iam_id":%q}]}`, alice)), 404, "not_found")

	h.want(h.do("owner", "PATCH", "/v2/groups/"+id, `{"name":"Team"}`, "If-Match", "1-0"), 409, "group_conflict_error")
	h.equal(h.want(h.do("owner", "PATCH", "/v2/groups/"+id, `{"name":"Team"}`, "If-Match", made.header.Get("ETag")), 200, ""),
		map[string]any{"name": "Team", "description": "d"})

	h.want(h.do("owner", "PUT", "/v2/groups/"+id+"/members", fmt.Sprintf(`{"members":[{"iam_id":%q}]}`, alice)), 207, "")
	h.want(h.do("owner", "DELETE", "/v2/groups/"+id, ""), 409, "group_conflict_error")
	h.want(h.do("owner", "DELETE", "/v2/groups/"+id+"?force=true", ""), 204, "")
	h.want(h.do("owner", "GET", "/v2/groups/"+id, ""), 404, "not_found")
	if h.allowed(alice, "kms.secrets.wrap", kmsA, "k1") {
		t.Error("alice is allowed after the group is gone")
	}
}

func TestAllGroupsAtOnce(t *testing.T) {
	h := newHouse(t)
	var ids []string
	for i := range 3 {
		ids = append(ids, h.want(h.do("owner", "POST", "/v2/groups?account_id="+account, fmt.Sprintf(`{"name":"g%d"}`, i)), 201, "").id())
	}
	path := "/v2/groups/_allgroups/members/" + alice + "?account_id=" + account
	body := fmt.Sprintf(`{"type":"user","groups":[%q,%q,"AccessGroupId-none"]}`, ids[0], ids[2])
	h.want(h.do("stranger", "PUT", path, body), 403, "insufficent_permissions")
	h.equal(h.want(h.do("owner", "PUT", path, body), 207, ""), map[string]any{
		"iam_id": alice, "groups.0.status_code": 200, "groups.1.status_code": 200, "groups.2.status_code": 404,
	})
	h.want(h.do("bob", "DELETE", path, ""), 403, "insufficent_permissions")
	gone := h.want(h.do("owner", "DELETE", path, ""), 207, "")
	h.equal(gone, map[string]any{"groups.0.status_code": 204, "groups.1.status_code": 204, "groups.2": nil})
	h.equal(h.do("owner", "GET", "/v2/groups?account_id="+account+"&iam_id="+alice, ""), map[string]any{"total_count": 0})
}
