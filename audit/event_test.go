package audit_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"strongroom/audit"
)

func TestEventHasTheShapeThatReadersKnow(t *testing.T) {
	e := wrapEvent(0)
	e.ID = "019be0f2-7a54-7000-8000-000000000001"
	e.Severity = audit.Normal
	got, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"019be0f2-7a54-7000-8000-000000000001","eventTime":"2026-07-01T10:11:12.34+0000",` +
		`"action":"kms.secrets.wrap","outcome":"success","severity":"normal",` +
		`"message":"Key Protect: wrap key payments-0","correlationId":"0f0e0000-0000-4000-8000-000000000000",` +
		`"dataEvent":true,"saveServiceCopy":true,"observer":{"name":"ActivityTracker"},` +
		`"logSourceCRN":"crn:v1:bluemix:public:kms:us-south:a/acc-1:inst-1::","accountId":"acc-1",` +
		`"initiator":{"id":"iam-ServiceId-1234","name":"ci","typeURI":"service/security/account/serviceid",` +
		`"authnId":"iam-ServiceId-1234","authnName":"ci","credential":{"type":"token"},` +
		`"host":{"address":"192.0.2.10","addressType":"IPv4","agent":"Go-http-client/1.1"}},` +
		`"target":{"id":"crn:v1:bluemix:public:kms:us-south:a/acc-1:inst-1:key:key-1","name":"payments-crk","typeURI":"kms/secrets"},` +
		`"reason":{"reasonCode":200,"reasonType":"OK"},` +
		`"requestData":{"instanceID":"inst-1","requestURI":"/api/v2/keys/key-1/actions/wrap"},` +
		`"responseData":{"keyRingId":"default","keyVersionId":"ver-1"}}`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("JSON (-want +got):\n%s", diff)
	}
	var again audit.Event
	if err := json.Unmarshal(got, &again); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(e, &again); diff != "" {
		t.Errorf("read again (-want +got):\n%s", diff)
	}
}

func TestEventEncodingAgreesWithEncodingJSON(t *testing.T) {
	type name string
	e := &audit.Event{
		Message: "quote \" backslash \\ newline \n nul \x00 del \x7f bad \xff\xfe end \u2028 \U0001f511",
		RequestData: map[string]any{
			"s": "x\ty", "i": -7, "u": uint64(1) << 63, "f": 1.5, "b": true, "n": nil, "named": name("é"),
			"list": []string{"a", "b"}, "map": map[string]int{"z": 1, "a": 2},
			"deep": map[string]any{"er": map[string]any{"still": 1}},
			"time": time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), "num": json.Number("12e3"),
		},
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Message     string         `json:"message"`
		RequestData map[string]any `json:"requestData"`
	}
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	std, err := json.Marshal(map[string]any{"message": e.Message, "requestData": e.RequestData})
	if err != nil {
		t.Fatal(err)
	}
	want := got
	want.Message, want.RequestData = "", nil
	if err := json.Unmarshal(std, &want); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-encoding/json +ours):\n%s", diff)
	}
}

func TestEventStaysWithinALine(t *testing.T) {
	nasty := strings.Repeat("\x01", 1<<20)
	e := &audit.Event{
		ID: nasty, Action: nasty, Outcome: audit.Outcome(nasty), Severity: audit.Severity(nasty),
		Message: nasty, CorrelationID: nasty, LogSourceCRN: nasty, Account: nasty,
		Initiator: audit.Initiator{
			nasty, nasty, nasty, nasty, nasty, nasty, nasty,
			audit.Host{nasty, nasty, nasty},
		},
		Target: audit.Target{nasty, nasty, nasty, nasty}, Reason: audit.Reason{1, nasty, nasty},
		RequestData: map[string]any{"a": nasty}, ResponseData: map[string]any{"b": nasty},
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > audit.MaxLine-512 {
		t.Errorf("event has %d bytes", len(text))
	}
	if !strings.Contains(string(text), `"requestData":{"truncated":true}`) {
		t.Error("the event does not say that its data was dropped")
	}
	long := &audit.Event{Initiator: audit.Initiator{Host: audit.Host{Agent: strings.Repeat("é", 4000)}}, RequestData: map[string]any{"k": "v"}}
	text, err = json.Marshal(long)
	if err != nil {
		t.Fatal(err)
	}
	var again audit.Event
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	if a := again.Initiator.Host.Agent; len(a) > 2048 || !strings.HasSuffix(a, "é…") || again.RequestData["k"] != "v" {
		t.Errorf("agent was cut to %d bytes, ending %q; data %v", len(a), a[len(a)-8:], again.RequestData)
	}
}

func TestEventRefusesWhatMayBeSecret(t *testing.T) {
	for name, v := range map[string]any{
		"bytes":   []byte("secret"),
		"struct":  struct{ Payload string }{"secret"},
		"pointer": new(int),
		"deep":    map[string]any{"a": map[string]any{"b": map[string]any{"c": map[string]any{}}}},
	} {
		_, err := json.Marshal(&audit.Event{RequestData: map[string]any{"x": v}})
		if err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: error = %v, want one without the value", name, err)
		}
	}
}

func TestSeverity(t *testing.T) {
	for _, c := range []struct {
		action string
		status int
		want   audit.Severity
	}{
		{"kms.secrets.wrap", 200, audit.Normal},
		{"kms.secrets.wrap", 404, audit.Normal},
		{"kms.secrets.wrap", 409, audit.Warning},
		{"kms.secrets.wrap", 401, audit.Critical},
		{"kms.secrets.wrap", 503, audit.Critical},
		{"kms.secrets.rotate", 200, audit.Warning},
		{"kms.secrets.rotate", 403, audit.Critical},
		{"kms.policies.write", 200, audit.Warning},
		{"kms.secrets.delete", 200, audit.Critical},
		{"kms.secrets.delete", 409, audit.Critical},
		{"kms.secrets.purge", 204, audit.Critical},
		{"iam-identity.apikey.delete", 204, audit.Warning},
		{"unknown", 0, audit.Normal},
	} {
		if got := audit.SeverityOf(c.action, c.status); got != c.want {
			t.Errorf("SeverityOf(%q, %d) = %s, want %s", c.action, c.status, got, c.want)
		}
	}
}

func TestEventNamesItsInstanceAndKey(t *testing.T) {
	const crn = "crn:v1:bluemix:public:kms:us-south:a/acc:inst:key:k1"
	for _, c := range []struct {
		event         audit.Event
		instance, key string
	}{
		{audit.Event{}, "", ""},
		{audit.Event{Target: audit.Target{ID: crn}}, "inst", "k1"},
		{audit.Event{LogSourceCRN: "crn:v1:bluemix:public:kms:us-south:a/acc:other::", Target: audit.Target{ID: crn}}, "other", "k1"},
		{audit.Event{RequestData: map[string]any{"instanceID": "third"}, Target: audit.Target{ID: crn}}, "third", "k1"},
		{audit.Event{Target: audit.Target{ID: "crn:v1:x"}, ResponseData: map[string]any{"keyId": "k2"}}, "", "k2"},
		{audit.Event{Target: audit.Target{ID: "no:crn:at:all:a:b:c:d:key:k"}}, "", ""},
	} {
		if i, k := c.event.Instance(), c.event.Key(); i != c.instance || k != c.key {
			t.Errorf("%+v: instance %q, key %q; want %q, %q", c.event, i, k, c.instance, c.key)
		}
	}
}
