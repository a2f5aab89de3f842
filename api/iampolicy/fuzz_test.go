package iampolicy_test

import (
	"encoding/json"
	"testing"

	"strongroom/api/iampolicy"
	"strongroom/iam"
)

// FuzzPolicyDocument reads documents of both versions: nothing may panic, and
// what can be said again must come back as the same policy.
func FuzzPolicyDocument(f *testing.F) {
	f.Add([]byte(`{"type":"authorization","subjects":[{"attributes":[{"name":"accountId","value":"A"},{"name":"serviceName","value":"cloud-object-storage"}]}],
		"roles":[{"role_id":"crn:v1:bluemix:public:iam::::serviceRole:Reader"}],
		"resources":[{"attributes":[{"name":"accountId","value":"A"},{"name":"serviceName","value":"kms","operator":"stringEquals"}],"tags":[{"name":"env","value":"*","operator":"stringMatch"}]}]}`))
	f.Add([]byte(`{"type":"access","subject":{"attributes":[{"key":"iam_id","operator":"stringEquals","value":"IBMid-ALICE00001"}]},
		"resource":{"attributes":[{"key":"serviceName","operator":"stringEquals","value":"kms"},{"key":"accountId","operator":"stringEquals","value":"A"},{"key":"keyRing","operator":"stringExists","value":true}]},
		"control":{"grant":{"roles":[{"role_id":"crn:v1:bluemix:public:iam::::serviceRole:Reader"}]}},"pattern":"time-based-conditions:weekly:all-day",
		"rule":{"operator":"and","conditions":[{"key":"{{environment.attributes.day_of_week}}","operator":"dayOfWeekAnyOf","value":[1,"2+06:00"]},
		{"operator":"or","conditions":[{"key":"{{environment.attributes.current_time}}","operator":"timeLessThan","value":"09:00:00-05:00"}]}]}}`))
	f.Add([]byte(`{"subject":null,"resource":{},"control":{},"rule":{"conditions":[{"conditions":[{}]}]}}`))
	f.Add([]byte(`{"control":{"grant":{"roles":[{"role_id":1}]}},"subject":{"attributes":[{"value":[[1]]}]}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if p, err := iampolicy.DecodeV1(body); err == nil && iampolicy.SaysV1(&p) {
			again(t, p, iampolicy.EncodeV1(&p), iampolicy.DecodeV1)
		}
		if p, err := iampolicy.DecodeV2(body); err == nil {
			again(t, p, iampolicy.EncodeV2(&p), iampolicy.DecodeV2)
		}
	})
}

func again(t *testing.T, p iam.Policy, out any, decode func([]byte) (iam.Policy, error)) {
	t.Helper()
	body, err := json.Marshal(out)
	if err != nil {
		t.Fatalf("writing the policy: %v", err)
	}
	q, err := decode(body)
	if err != nil {
		t.Fatalf("reading back %s: %v", body, err)
	}
	if p.Fingerprint() != q.Fingerprint() || p.Description != q.Description {
		t.Errorf("policy changed on the way:\n%+v\n%+v", p, q)
	}
}
