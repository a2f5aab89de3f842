package strongroom_test

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"strongroom/test/rig"
)

const (
	policyType = "application/vnd.ibm.kms.policy+json"
	keyType    = "application/vnd.ibm.kms.key+json"
	kmsPlan    = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	roleViewer = "crn:v1:bluemix:public:iam::::role:Viewer"
	roleWriter = "crn:v1:bluemix:public:iam::::serviceRole:Writer"
)

// keyStore makes a Key Protect instance and returns its GUID.
func keyStore(t *testing.T, r *rig.Rig, in rig.Account, name string) string {
	t.Helper()
	var made struct{ GUID string }
	r.Must(t, rig.Request{
		Method: "POST", Path: "/v2/resource_instances", Token: r.Token(t, in.APIKey),
		Body: rig.JSON(map[string]any{
			"name": name, "target": "us-south", "resource_group": in.ResourceGroup, "resource_plan_id": kmsPlan,
		}),
	}, &made)
	return made.GUID
}

// ask sends a request to an instance.
func ask(t *testing.T, r *rig.Rig, token, instance, method, path, body string) rig.Answer {
	t.Helper()
	return r.Send(t, rig.Request{
		Method: method, Path: path, Token: token, Body: body, Header: http.Header{"Bluemix-Instance": {instance}},
	})
}

// measure switches metrics of an instance on or off.
func measure(t *testing.T, r *rig.Rig, token, instance string, on bool) {
	t.Helper()
	a := ask(t, r, token, instance, "PUT", "/api/v2/instance/policies", rig.JSON(map[string]any{
		"metadata":  map[string]any{"collectionType": policyType, "collectionTotal": 1},
		"resources": []any{map[string]any{"policy_type": "metrics", "policy_data": map[string]any{"enabled": on}}},
	}))
	if !a.OK() {
		t.Fatalf("setting the policy: %d %s", a.Status, a.Body)
	}
}

// metric is a line of the page.
type metric struct {
	name   string
	labels map[string]string
	value  float64
}

// metricsOf returns the page that a caller is shown.
func metricsOf(t *testing.T, r *rig.Rig, token string) []metric {
	t.Helper()
	a := r.Must(t, rig.Request{Method: "GET", Path: "/strongroom/v1/metrics", Token: token}, nil)
	var all []metric
	for line := range strings.Lines(string(a.Body)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		name, rest, _ := strings.Cut(line, "{")
		pairs, value, ok := strings.Cut(rest, `"} `)
		if !ok {
			t.Fatalf("a line that is no metric: %s", line)
		}
		m := metric{name: name, labels: map[string]string{}}
		for pair := range strings.SplitSeq(pairs, `",`) {
			label, text, _ := strings.Cut(pair, `="`)
			m.labels[label] = text
		}
		var err error
		if m.value, err = strconv.ParseFloat(strings.TrimSpace(value), 64); err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// requests returns how often each action was asked for, with its status, in an instance.
func requests(all []metric, instance string) map[string]float64 {
	found := map[string]float64{}
	for _, m := range all {
		if m.name == "ibm_kms_api_request_gauge" && m.labels["ibm_service_instance"] == instance {
			found[m.labels["ibm_kms_api"]+" "+m.labels["ibm_kms_response_code"]] = m.value
		}
	}
	return found
}

func wantRequests(t *testing.T, r *rig.Rig, token, instance string, want map[string]float64) {
	t.Helper()
	if diff := cmp.Diff(want, requests(metricsOf(t, r, token), instance)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestMetricsOfAnInstance(t *testing.T) {
	r := rig.Start(t)
	token := r.Token(t, r.Operator.APIKey)
	instance := keyStore(t, r, r.Operator, "team a: keys")
	create := func() {
		t.Helper()
		a := ask(t, r, token, instance, "POST", "/api/v2/keys", rig.JSON(map[string]any{
			"metadata":  map[string]any{"collectionType": keyType, "collectionTotal": 1},
			"resources": []any{map[string]any{"type": keyType, "name": "key", "extractable": false}},
		}))
		if !a.OK() {
			t.Fatalf("creating a key: %d %s", a.Status, a.Body)
		}
	}
	wrapAbsent := func(path string) {
		t.Helper()
		if a := ask(t, r, token, instance, "POST", "/api/v2/keys/"+uuid.NewString()+path, "{}"); a.Status != 404 {
			t.Fatalf("wrapping by an absent key: %d %s", a.Status, a.Body)
		}
	}

	create()
	wantRequests(t, r, token, instance, map[string]float64{})

	measure(t, r, token, instance, true)
	create()
	wantRequests(t, r, token, instance, map[string]float64{"kms.secrets.create 201": 1})
	create()
	wrapAbsent("/actions/wrap")
	wrapAbsent("?action=wrap") // the older form is the same action
	ask(t, r, "", instance, "GET", "/api/v2/keys", "")
	ask(t, r, r.Token(t, r.Neighbour.APIKey), instance, "GET", "/api/v2/keys", "")
	used := map[string]float64{"kms.secrets.create 201": 2, "kms.secrets.wrap 404": 2, "kms.secrets.list 401": 1}
	wantRequests(t, r, token, instance, used)

	t.Run("labels", func(t *testing.T) {
		for _, m := range metricsOf(t, r, token) {
			want := map[string]string{
				"ibm_resource_type": "instance", "ibm_scope": r.Operator.ID, "ibm_ctype": "public", "ibm_location": "us-south",
				"ibm_service_name": "kms", "ibm_resource": instance, "ibm_service_instance": instance,
				"ibm_resource_group_name": "Default", "ibm_service_instance_name": "team a: keys",
				"ibm_kms_api": m.labels["ibm_kms_api"], "ibm_kms_response_code": m.labels["ibm_kms_response_code"],
			}
			if diff := cmp.Diff(want, m.labels); diff != "" {
				t.Errorf("%s (-want +got):\n%s", m.name, diff)
			}
		}
	})
	t.Run("latency", func(t *testing.T) {
		measured := 0
		for _, m := range metricsOf(t, r, token) {
			if m.name == "ibm_kms_api_latency_gauge" {
				measured++
				if m.value <= 0 || m.value > float64(time.Minute/time.Millisecond) {
					t.Errorf("%s took %g ms", m.labels["ibm_kms_api"], m.value)
				}
			}
		}
		if measured != len(used) {
			t.Errorf("%d latencies of %d kinds of requests", measured, len(used))
		}
	})
	t.Run("a minute later", func(t *testing.T) {
		r.Clock.Forward(time.Minute + 5*time.Second)
		wantRequests(t, r, token, instance, map[string]float64{})
		create()
		wantRequests(t, r, token, instance, map[string]float64{"kms.secrets.create 201": 1})
	})
	t.Run("switched off", func(t *testing.T) {
		measure(t, r, token, instance, false)
		wantRequests(t, r, token, instance, map[string]float64{})
	})
	t.Run("deleted", func(t *testing.T) {
		doomed := keyStore(t, r, r.Operator, "doomed")
		measure(t, r, token, doomed, true)
		ask(t, r, token, doomed, "GET", "/api/v2/keys", "")
		wantRequests(t, r, token, doomed, map[string]float64{"kms.secrets.list 200": 1})
		r.Must(t, rig.Request{Method: "DELETE", Path: "/v2/resource_instances/" + doomed, Token: token}, nil)
		wantRequests(t, r, token, doomed, map[string]float64{})
	})
}

func TestMetricsAreOfTheCallersInstances(t *testing.T) {
	r := rig.Start(t)
	owner, neighbour := r.Token(t, r.Operator.APIKey), r.Token(t, r.Neighbour.APIKey)
	first, second := keyStore(t, r, r.Operator, "first"), keyStore(t, r, r.Operator, "second")
	foreign := keyStore(t, r, r.Neighbour, "foreign")
	for instance, token := range map[string]string{first: owner, second: owner, foreign: neighbour} {
		measure(t, r, token, instance, true)
		if a := ask(t, r, token, instance, "GET", "/api/v2/keys", ""); !a.OK() {
			t.Fatalf("listing keys: %d %s", a.Status, a.Body)
		}
	}
	viewer, writer := r.NewIdentity(t, r.Operator, "viewer"), r.NewIdentity(t, r.Operator, "writer")
	r.Grant(t, r.Operator, viewer.IAM, roleViewer, map[string]string{"serviceName": "kms", "serviceInstance": first})
	r.Grant(t, r.Operator, writer.IAM, roleWriter, map[string]string{"serviceName": "kms"})

	for name, tc := range map[string]struct {
		token string
		want  []string
	}{
		"the owner":                         {owner, []string{first, second}},
		"the neighbour":                     {neighbour, []string{foreign}},
		"a viewer of the first":             {viewer.Token, []string{first}},
		"who uses keys and manages nothing": {writer.Token, nil},
		"who may do nothing":                {r.NewIdentity(t, r.Operator, "nobody").Token, nil},
	} {
		seen := map[string]bool{}
		for _, m := range metricsOf(t, r, tc.token) {
			seen[m.labels["ibm_service_instance"]] = true
		}
		slices.Sort(tc.want)
		if diff := cmp.Diff(tc.want, slices.Sorted(maps.Keys(seen))); diff != "" {
			t.Errorf("%s sees (-want +got):\n%s", name, diff)
		}
	}
	if a := r.Send(t, rig.Request{Method: "GET", Path: "/strongroom/v1/metrics"}); a.Status != http.StatusUnauthorized {
		t.Errorf("nobody is answered %d %s", a.Status, a.Body)
	}
	if a := r.Send(t, rig.Request{Method: "GET", Path: "/metrics"}); strings.Contains(string(a.Body), first) {
		t.Error("the page of the operator names an instance")
	}
}

// TestScraperGetsTokensByItself takes the way of a Prometheus that is configured as in
// docs/operating.md: it names itself as a client, and asks for the grant of an API key.
func TestScraperGetsTokensByItself(t *testing.T) {
	r := rig.Start(t)
	owner := r.Token(t, r.Operator.APIKey)
	instance := keyStore(t, r, r.Operator, "store")
	measure(t, r, owner, instance, true)
	ask(t, r, owner, instance, "GET", "/api/v2/keys", "")
	scraper := r.NewIdentity(t, r.Operator, "prometheus")
	r.Grant(t, r.Operator, scraper.IAM, roleViewer, map[string]string{"serviceName": "kms", "serviceInstance": instance})

	request := &http.Request{Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}}
	request.SetBasicAuth("bx", "bx")
	var answer struct {
		Token string `json:"access_token"`
		Type  string `json:"token_type"`
		Ends  int    `json:"expires_in"`
	}
	r.Must(t, rig.Request{
		Method: "POST", Path: "/identity/token", Header: request.Header,
		Body: url.Values{"grant_type": {"urn:ibm:params:oauth:grant-type:apikey"}, "apikey": {scraper.APIKey}}.Encode(),
	}, &answer)
	if answer.Type != "Bearer" || answer.Ends <= 0 {
		t.Errorf("a token of type %q for %d s", answer.Type, answer.Ends)
	}
	wantRequests(t, r, answer.Token, instance, map[string]float64{"kms.secrets.list 200": 1})
}

func TestReadingMetricsIsRecorded(t *testing.T) {
	r := rig.Start(t)
	token := r.Token(t, r.Operator.APIKey)
	metricsOf(t, r, token)
	a := r.Send(t, rig.Request{Method: "GET", Path: "/strongroom/v1/metrics?instance=x", Token: token})
	if a.Status != http.StatusBadRequest {
		t.Errorf("an unknown parameter: %d %s", a.Status, a.Body)
	}
	var outcomes []string
	for _, e := range search(t, r, token, map[string][]string{"action": {"strongroom.metrics.read"}}).Events {
		outcomes = append(outcomes, e.Outcome)
	}
	if diff := cmp.Diff([]string{"failure", "success"}, outcomes); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
