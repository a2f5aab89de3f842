package matrix_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"strongroom/test/rig"
)

// thing says how the owner makes a thing of some kind, and what the ID of one
// that does not exist looks like.
type thing struct {
	make   func(w *world) string
	absent func() string
	public bool // its ID is no secret, and its existence none
}

const (
	kmsPlan     = "eedd3585-90c6-4c8f-be3d-062069e99fc3"
	storagePlan = "744bfc56-d12c-4866-88d5-dac9139e0e5d"
)

func prefixed(prefix string) func() string {
	return func() string { return prefix + uuid.NewString() }
}

func hex32() string { return strings.ReplaceAll(uuid.NewString(), "-", "") }

// things lists the kinds. It is a function because making a thing may take others.
func things() map[string]thing {
	return map[string]thing{
		"retired":       {make: retired, public: true},
		"attacked":      {make: func(*world) string { return "attacked" + hex32()[:12] }, public: true},
		"account":       {make: func(w *world) string { return w.r.Operator.ID }, absent: hex32, public: true},
		"defaultGroup":  {make: func(w *world) string { return w.r.Operator.ResourceGroup }, absent: hex32},
		"instance":      {make: newInstance, absent: uuid.NewString},
		"emptyInstance": {make: newInstance, absent: uuid.NewString},
		"locked": {make: func(w *world) string {
			id := newInstance(w)
			w.must(http.MethodPost, "/v2/resource_instances/"+id+"/lock", nil, nil)
			return id
		}, absent: uuid.NewString},
		"bucket": {make: newBucket, public: true},
		"object": {make: newObject, absent: func() string { return "name-" + hex32() }},
		"job": {make: func(w *world) string {
			var made struct {
				ID string `json:"id"`
			}
			w.must(http.MethodPost, "/strongroom/v1/buckets/"+w.get("bucket")+"/verify", map[string]any{"sample": 1}, &made)
			return made.ID
		}, absent: uuid.NewString},
		"folder": {make: newFolder, public: true},
		"node": {make: func(w *world) string {
			name := "node-" + hex32()[:12]
			w.must(http.MethodPost, "/strongroom/v1/nodes", map[string]any{"name": name, "site": "local", "url": newFolder(w)}, nil)
			return name
		}, absent: func() string { return "node-" + hex32()[:12] }},
		"key":         {make: func(w *world) string { return newKey(w, confidentialName, false, "") }, absent: uuid.NewString},
		"sibling":     {make: func(w *world) string { return newKey(w, "sibling", false, "") }, absent: uuid.NewString},
		"standardKey": {make: func(w *world) string { return newKey(w, confidentialName, true, "Y29uZmlkZW50aWFs") }, absent: uuid.NewString},
		"wrapped":     {make: wrap, public: true},
		"tokenInstance": {make: func(w *world) string {
			w.must(http.MethodPost, "/api/v2/import_token", map[string]any{"maxAllowedRetrievals": 500}, nil)
			return w.get("instance")
		}, absent: uuid.NewString},
		// An instance with metrics, which was used.
		"measured": {make: func(w *world) string {
			w.must(http.MethodPut, "/api/v2/instance/policies", map[string]any{
				"metadata":  map[string]any{"collectionType": policyType, "collectionTotal": 1},
				"resources": []any{map[string]any{"policy_type": "metrics", "policy_data": map[string]any{"enabled": true}}},
			}, nil)
			w.must(http.MethodGet, "/api/v2/keys", nil, nil)
			return w.get("instance")
		}, absent: uuid.NewString},
		"disabledKey": {make: func(w *world) string {
			id := newKey(w, confidentialName, false, "")
			w.must(http.MethodPost, "/api/v2/keys/"+id+"/actions/disable", nil, nil)
			return id
		}, absent: uuid.NewString},
		"deletedKey": {make: func(w *world) string {
			id := newKey(w, confidentialName, false, "")
			w.must(http.MethodDelete, "/api/v2/keys/"+id, nil, nil)
			return id
		}, absent: uuid.NewString},
		"dualAuthKey": {make: func(w *world) string {
			id := newKey(w, confidentialName, false, "")
			w.must(http.MethodPut, "/api/v2/keys/"+id+"/policies", map[string]any{
				"metadata":  map[string]any{"collectionType": policyType, "collectionTotal": 1},
				"resources": []any{map[string]any{"dualAuthDelete": map[string]any{"enabled": true}}},
			}, nil)
			return id
		}, absent: uuid.NewString},
		"ring":      {make: newRing, absent: func() string { return "name-" + hex32() }},
		"emptyRing": {make: newRing, absent: func() string { return "name-" + hex32() }},
		"alias": {make: func(w *world) string {
			alias := "name-" + hex32()
			w.must(http.MethodPost, "/api/v2/keys/"+w.get("key")+"/aliases/"+alias, nil, nil)
			return alias
		}, absent: func() string { return "name-" + hex32() }},
		"resourceKey": {make: func(w *world) string {
			var made struct {
				GUID string `json:"guid"`
			}
			w.must(http.MethodPost, "/v2/resource_keys", named(map[string]any{"source": w.get("emptyInstance"), "role": "Reader"}), &made)
			return made.GUID
		}, absent: uuid.NewString},
		"resourceGroup": {make: func(w *world) string {
			return w.create("/v2/resource_groups", map[string]any{"account_id": w.get("account")})
		}, absent: hex32},
		"reclamation": {make: func(w *world) string {
			instance := newInstance(w)
			w.must(http.MethodDelete, "/v2/resource_instances/"+instance, nil, nil)
			var list struct {
				Resources []struct {
					ID string `json:"id"`
				} `json:"resources"`
			}
			w.must(http.MethodGet, "/v1/reclamations?resource_instance_id="+instance, nil, &list)
			if len(list.Resources) != 1 {
				w.t.Fatalf("%d reclamations of a deleted instance", len(list.Resources))
			}
			return list.Resources[0].ID
		}, absent: uuid.NewString},
		"apiKey": {make: func(w *world) string {
			return w.create("/v1/apikeys", map[string]any{"iam_id": w.get("serviceIAM")})
		}, absent: prefixed("ApiKey-")},
		"lockedAPIKey": {make: func(w *world) string {
			id := w.create("/v1/apikeys", map[string]any{"iam_id": w.get("serviceIAM")})
			w.must(http.MethodPost, "/v1/apikeys/"+id+"/lock", nil, nil)
			return id
		}, absent: prefixed("ApiKey-")},
		"serviceID": {make: func(w *world) string {
			return w.create("/v1/serviceids", map[string]any{"account_id": w.get("account")})
		}, absent: prefixed("ServiceId-")},
		"lockedServiceID": {make: func(w *world) string {
			id := w.create("/v1/serviceids", map[string]any{"account_id": w.get("account")})
			w.must(http.MethodPost, "/v1/serviceids/"+id+"/lock", nil, nil)
			return id
		}, absent: prefixed("ServiceId-")},
		"serviceIAM": {make: func(w *world) string { return "iam-" + w.get("serviceID") }, absent: prefixed("iam-ServiceId-")},
		"user": {make: func(w *world) string {
			var made struct {
				Resources []struct {
					ID string `json:"id"`
				} `json:"resources"`
			}
			w.must(http.MethodPost, "/v2/accounts/"+w.get("account")+"/users", map[string]any{"users": []any{map[string]any{
				"email": confidentialName + uuid.NewString() + "@example.com", "first_name": confidentialName, "last_name": confidentialName,
			}}}, &made)
			return made.Resources[0].ID
		}, absent: func() string { return "IBMid-" + strings.ToUpper(hex32()[:10]) }},
		"policy": {make: newPolicy, absent: uuid.NewString},
		"deletedPolicy": {make: func(w *world) string {
			id := newPolicy(w)
			w.must(http.MethodDelete, "/v1/policies/"+id, nil, nil)
			return id
		}, absent: uuid.NewString},
		"accessGroup": {make: func(w *world) string {
			return w.create("/v2/groups?account_id="+w.get("account"), nil)
		}, absent: prefixed("AccessGroupId-")},
		"memberGroup": {make: func(w *world) string {
			return w.create("/v2/groups?account_id="+w.get("account"), nil)
		}, absent: prefixed("AccessGroupId-")},
		"role": {make: func(w *world) string {
			return w.create("/v2/roles", map[string]any{
				"name": "Role" + hex32()[:12], "display_name": confidentialName + hex32(), "account_id": w.get("account"),
				"service_name": "kms", "actions": []string{"kms.secrets.list"},
			})
		}, absent: uuid.NewString},
		"quota": {make: func(*world) string { return "a3d7b8d01e261c24677937c29ab33f3c" }, absent: hex32, public: true},
		"instanceCRN": {make: func(w *world) string {
			var found struct {
				CRN string `json:"crn"`
			}
			w.must(http.MethodGet, "/v2/resource_instances/"+w.get("emptyInstance"), nil, &found)
			return found.CRN
		}, absent: func() string {
			return "crn:v1:bluemix:public:kms:us-south:a/" + hex32() + ":" + uuid.NewString() + "::"
		}},
		"apiKeyValue": {make: func(w *world) string {
			var made struct {
				Value string `json:"apikey"`
			}
			w.must(http.MethodPost, "/v1/apikeys", named(map[string]any{"iam_id": w.get("serviceIAM")}), &made)
			return made.Value
		}, absent: func() string { return hex32() + hex32()[:12] }},
		"member": {make: func(w *world) string {
			w.must(http.MethodPut, "/v2/groups/"+w.get("memberGroup")+"/members", map[string]any{
				"members": []any{map[string]any{"iam_id": w.get("serviceIAM"), "type": "service"}},
			}, nil)
			return w.get("serviceIAM")
		}, absent: prefixed("iam-ServiceId-")},
	}
}

// create posts something with a name and returns its ID.
func (w *world) create(path string, more map[string]any) string {
	w.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	w.must(http.MethodPost, path, named(more), &made)
	return made.ID
}

func attribute(nameOrKey, name, value string) map[string]string {
	return map[string]string{nameOrKey: name, "operator": "stringEquals", "value": value}
}

// newFolder returns the URL of a folder that can become a storage node. It stays as long as the server,
// which may go on writing to it when a test is over.
func newFolder(w *world) string {
	return (&url.URL{Scheme: "file", Path: filepath.Join(w.r.Data, "nodes", hex32())}).String()
}

// newStorage makes an object storage instance and returns its GUID.
func newStorage(w *world) string {
	w.t.Helper()
	var made struct {
		GUID string `json:"guid"`
	}
	w.must(http.MethodPost, "/v2/resource_instances", named(map[string]any{
		"target": "global", "resource_group": w.get("defaultGroup"), "resource_plan_id": storagePlan,
	}), &made)
	return made.GUID
}

// newBucket makes a bucket in an instance of its own. Names of buckets are one public namespace.
func newBucket(w *world) string {
	w.t.Helper()
	name := "bucket-" + hex32()[:12]
	w.mustS3(s3Request{method: http.MethodPut, path: "/" + name, header: map[string]string{"Ibm-Service-Instance-Id": newStorage(w)}})
	return name
}

// newObject puts an object into the bucket of the world and returns its key.
func newObject(w *world) string {
	w.t.Helper()
	key := "name-" + hex32()
	w.mustS3(s3Request{method: http.MethodPut, path: "/" + w.get("bucket") + "/" + key, body: confidentialName})
	return key
}

// newInstance does not go through must, which needs an instance.
func newInstance(w *world) string {
	w.t.Helper()
	if _, ok := w.made["instance"]; !ok {
		w.made["instance"] = "" // for the header of the request that makes it
		defer func() {
			if w.made["instance"] == "" {
				delete(w.made, "instance")
			}
		}()
	}
	var made struct {
		GUID string `json:"guid"`
	}
	w.must(http.MethodPost, "/v2/resource_instances", named(map[string]any{
		"target": "us-south", "resource_group": w.get("defaultGroup"), "resource_plan_id": kmsPlan,
	}), &made)
	return made.GUID
}

const policyType = "application/vnd.ibm.kms.policy+json"

const keyType = "application/vnd.ibm.kms.key+json"

func newKey(w *world, name string, extractable bool, payload string) string {
	w.t.Helper()
	key := map[string]any{"type": keyType, "name": name, "extractable": extractable}
	if payload != "" {
		key["payload"] = payload
	}
	var made struct {
		Resources []struct {
			ID string `json:"id"`
		} `json:"resources"`
	}
	w.must(http.MethodPost, "/api/v2/keys", map[string]any{
		"metadata": map[string]any{"collectionType": keyType, "collectionTotal": 1}, "resources": []any{key},
	}, &made)
	return made.Resources[0].ID
}

func newRing(w *world) string {
	w.t.Helper()
	ring := "name-" + hex32()
	w.must(http.MethodPost, "/api/v2/key_rings/"+ring, nil, nil)
	return ring
}

// wrap wraps a data key under the key of the world.
func wrap(w *world) string {
	w.t.Helper()
	var made struct {
		Ciphertext string `json:"ciphertext"`
	}
	w.must(http.MethodPost, "/api/v2/keys/"+w.get("key")+"/actions/wrap", map[string]any{
		"plaintext": base64.StdEncoding.EncodeToString([]byte(confidentialName)),
	}, &made)
	return made.Ciphertext
}

func newPolicy(w *world) string {
	w.t.Helper()
	var made struct {
		ID string `json:"id"`
	}
	w.must(http.MethodPost, "/v1/policies", map[string]any{
		"type": "access", "description": confidentialName,
		"subjects": []any{map[string]any{"attributes": []any{attribute("name", "iam_id", w.get("serviceIAM"))}}},
		"roles":    []any{map[string]any{"role_id": roleReader}},
		"resources": []any{map[string]any{"attributes": []any{
			attribute("name", "accountId", w.get("account")), attribute("name", "serviceName", "kms"),
			attribute("name", "serviceInstance", newInstance(w)),
		}}},
	}, &made)
	return made.ID
}

// retired returns a generation of masters that was retired, which may be done again. It is one that
// was made for that: import tokens keep those before.
func retired(w *world) string {
	var g struct {
		Generation int `json:"generation"`
	}
	const root = "/strongroom/v1/custody"
	w.must(http.MethodPost, root+"/rotations", nil, &g)
	w.must(http.MethodPost, root+"/rotations", nil, nil)
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		a := w.r.Send(w.t, rig.Request{
			Method: http.MethodPost, Path: root + "/retirements", Token: w.owner, Body: rig.JSON(map[string]any{"generation": g.Generation}),
		})
		if a.OK() {
			return strconv.Itoa(g.Generation)
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("generation %d is not retired: %s", g.Generation, a.Body)
		}
	}
}
