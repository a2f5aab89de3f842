package matrix_test

import (
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"strongroom/test/rig"
)

// s3Attacker is somebody who may not do what an operation of the S3 face offers.
type s3Attacker struct {
	name string
	sign func(*http.Request)
	// allowed are the actions that its roles contain: such operations are left out.
	allowed []string
	// codes are the errors that are right; empty is AccessDenied.
	codes  []string
	forged bool // has a token that nobody signed who may
}

// s3Roles are the roles that do not let everything be done.
var s3Roles = map[string]string{
	"a reader":         "crn:v1:bluemix:public:iam::::serviceRole:Reader",
	"a writer":         "crn:v1:bluemix:public:iam::::serviceRole:Writer",
	"a content reader": "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ContentReader",
	"an object reader": "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ObjectReader",
	"an object writer": "crn:v1:bluemix:public:cloud-object-storage::::serviceRole:ObjectWriter",
}

// s3Attackers makes everybody who attacks an object storage instance. Old is a token that has expired.
func s3Attackers(w *world, instance, old string) []s3Attacker {
	t, r := w.t, w.r
	const storage = "cloud-object-storage"
	other := newStorage(w)
	elsewhere := newHome(w, other, empty)
	all := []s3Attacker{
		{name: "nobody", sign: func(*http.Request) {}},
		{name: "garbage", sign: bearer("garbage")},
		{name: "the owner, after the token has expired", sign: bearer(old)},
	}
	for name, token := range forged(t, r, w.owner) {
		all = append(all, s3Attacker{name: name, sign: bearer(token), forged: true})
	}

	member := func(name string, grants ...map[string]string) rig.Identity {
		id := r.NewIdentity(t, r.Operator, name)
		for _, on := range grants {
			role := on["role"]
			delete(on, "role")
			r.Grant(t, r.Operator, id.IAM, role, on)
		}
		return id
	}
	stranger := r.NewIdentity(t, r.Neighbour, "administrator of the neighbour")
	for _, role := range []string{roleManager, roleAdministrator} {
		r.Grant(t, r.Neighbour, stranger.IAM, role, map[string]string{"serviceType": "service"})
		r.Grant(t, r.Neighbour, stranger.IAM, role, map[string]string{"serviceName": storage})
	}
	gone := member("deleted", map[string]string{"role": roleManager, "serviceName": storage})
	w.must(http.MethodDelete, "/v1/serviceids/"+gone.ID, nil, nil)
	sibling := map[string]string{
		"role": roleManager, "serviceName": storage, "serviceInstance": instance, "resourceType": "bucket", "resource": newHome(w, instance, empty).bucket,
	}
	foreign := map[string]string{"role": roleManager, "serviceName": storage, "serviceInstance": other}
	all = append(
		all,
		s3Attacker{name: "the owner of another account", sign: bearer(r.Token(t, r.Neighbour.APIKey))},
		s3Attacker{name: "an administrator of another account", sign: bearer(stranger.Token)},
		s3Attacker{name: "an identity without any policy", sign: bearer(member("without any policy").Token)},
		s3Attacker{name: "a manager of all keys", sign: bearer(member("keys", map[string]string{"role": roleManager, "serviceName": "kms"}).Token)},
		s3Attacker{name: "the manager of another instance", sign: bearer(member("other instance", foreign).Token)},
		s3Attacker{name: "the manager of a sibling bucket", sign: bearer(member("sibling bucket", sibling).Token)},
		s3Attacker{name: "a manager who was deleted", sign: bearer(gone.Token)},
	)
	for name, role := range s3Roles {
		id := member(name, map[string]string{"role": role, "serviceName": storage, "serviceInstance": instance})
		all = append(all, s3Attacker{name: name, sign: bearer(id.Token), allowed: actionsIn(w, storage, role)})
	}
	return append(all, s3Signers(w, elsewhere.instance, instance)...)
}

// s3Signers are attackers with access keys.
func s3Signers(w *world, other, instance string) []s3Attacker {
	const invalidKey, mismatch = "InvalidAccessKeyId", "SignatureDoesNotMatch"
	good, elsewhere, gone := newAccessKey(w, instance), newAccessKey(w, other), newAccessKey(w, instance)
	w.must(http.MethodDelete, "/v2/resource_keys/"+gone.guid, nil, nil)
	forger := good
	forger.secret = strings.Repeat("0", len(good.secret))
	invented := accessKey{id: strings.Repeat("0", len(good.id)), secret: good.secret}
	return []s3Attacker{
		{name: "the access key of another instance", sign: w.signature(elsewhere)},
		{name: "a deleted access key", sign: w.signature(gone), codes: []string{invalidKey}},
		{name: "an access key with another secret", sign: w.signature(forger), codes: []string{mismatch}},
		{name: "an access key that there is not", sign: w.signature(invented), codes: []string{invalidKey}},
		{name: "a signed query that has expired", sign: w.signedQuery(good)},
		{name: "a signature for another path", codes: []string{mismatch}, sign: func(req *http.Request) {
			path := *req.URL
			req.URL.Path, req.URL.RawPath = "/elsewhere", ""
			w.signature(good)(req)
			req.URL = &path
		}},
	}
}

// accessKey is an HMAC credential.
type accessKey struct{ guid, id, secret string }

// newAccessKey makes a credential of a manager of an instance.
func newAccessKey(w *world, instance string) accessKey {
	w.t.Helper()
	var made struct {
		GUID        string `json:"guid"`
		Credentials struct {
			Keys struct {
				ID     string `json:"access_key_id"`
				Secret string `json:"secret_access_key"`
			} `json:"cos_hmac_keys"`
		} `json:"credentials"`
	}
	w.must(http.MethodPost, "/v2/resource_keys", named(map[string]any{
		"source": instance, "role": "Manager", "parameters": map[string]any{"HMAC": true},
	}), &made)
	return accessKey{made.GUID, made.Credentials.Keys.ID, made.Credentials.Keys.Secret}
}

func (k accessKey) credentials() aws.Credentials {
	return aws.Credentials{AccessKeyID: k.id, SecretAccessKey: k.secret}
}

// signature signs requests with an access key.
func (w *world) signature(k accessKey) func(*http.Request) {
	return func(req *http.Request) {
		hash := sha256.New()
		if body, err := req.GetBody(); err != nil {
			w.t.Fatal(err)
		} else if _, err := io.Copy(hash, body); err != nil {
			w.t.Fatal(err)
		}
		sum := hex.EncodeToString(hash.Sum(nil))
		req.Header.Set("X-Amz-Content-Sha256", sum)
		err := v4.NewSigner(unescaped).SignHTTP(w.t.Context(), k.credentials(), req, sum, "s3", "us-south", w.r.Clock.Now())
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// signedQuery signs in the query, for a time that is over.
func (w *world) signedQuery(k accessKey) func(*http.Request) {
	return func(req *http.Request) {
		query := req.URL.Query()
		query.Set("X-Amz-Expires", "60")
		req.URL.RawQuery = query.Encode()
		signed, _, err := v4.NewSigner(unescaped).PresignHTTP(
			w.t.Context(), k.credentials(), req, "UNSIGNED-PAYLOAD", "s3", "us-south", w.r.Clock.Now().Add(-2*time.Minute))
		if err != nil {
			w.t.Fatal(err)
		}
		if req.URL, err = req.URL.Parse(signed); err != nil {
			w.t.Fatal(err)
		}
	}
}

// unescaped makes the signer take paths as they are, as S3 does.
func unescaped(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }
