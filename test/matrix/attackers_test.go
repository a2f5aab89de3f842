package matrix_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"strongroom/internal/httpface"
	"strongroom/test/rig"
)

// attacker is somebody who may not do what a route offers.
type attacker struct {
	name    string
	token   string
	unknown bool // has no token that counts, so that only 401 is right
	// allowed are the actions that its roles contain: such routes are left out.
	allowed []string
	foreign bool   // administers another account
	owns    string // the kind of the one thing that is its own
}

// may says whether the attacker would be right to expect an answer.
func (a attacker) may(route httpface.RouteInfo, s sample) bool {
	action := route.Action
	if s.action != "" {
		action = s.action
	}
	return slices.Contains(a.allowed, action)
}

// allAttackers makes everybody who attacks what is in the world, but for who has
// an expired token: that takes time, in which the other tokens would expire.
func allAttackers(w *world) []attacker {
	t, r := w.t, w.r
	all := []attacker{
		{name: "nobody", unknown: true},
		{name: "somebody with garbage", token: "garbage", unknown: true},
	}
	for name, token := range forged(t, r, w.owner) {
		all = append(all, attacker{name: name, token: token, unknown: true})
	}

	nobody := r.NewIdentity(t, r.Operator, "without any policy")
	reader := r.NewIdentity(t, r.Operator, "reader")
	r.Grant(t, r.Operator, reader.IAM, roleReader, map[string]string{"serviceName": "kms"})
	sibling := r.NewIdentity(t, r.Operator, "manager of a sibling key")
	r.Grant(t, r.Operator, sibling.IAM, roleManager, map[string]string{
		"serviceName": "kms", "serviceInstance": w.get("instance"), "resourceType": "key", "resource": w.get("sibling"),
	})
	stranger := r.NewIdentity(t, r.Neighbour, "administrator of the neighbour")
	for _, role := range []string{roleManager, roleAdministrator} {
		r.Grant(t, r.Neighbour, stranger.IAM, role, map[string]string{"serviceType": "service"})
		r.Grant(t, r.Neighbour, stranger.IAM, role, map[string]string{"serviceType": "platform_service"})
	}
	return append(all,
		attacker{name: "the owner of another account", token: r.Token(t, r.Neighbour.APIKey), foreign: true},
		attacker{name: "an administrator of another account", token: stranger.Token, foreign: true},
		attacker{name: "an identity without any policy", token: nobody.Token},
		attacker{name: "a reader", token: reader.Token, allowed: actionsOf(w, roleReader)},
		attacker{name: "the manager of a sibling key", token: sibling.Token, owns: "sibling"},
	)
}

const (
	roleReader        = "crn:v1:bluemix:public:iam::::serviceRole:Reader"
	roleKeyPurge      = "crn:v1:bluemix:public:kms::::serviceRole:KeyPurge"
	roleManager       = "crn:v1:bluemix:public:iam::::serviceRole:Manager"
	roleAdministrator = "crn:v1:bluemix:public:iam::::role:Administrator"
)

// actionsOf returns what a role of Key Protect contains, as the server says.
func actionsOf(w *world, role string) []string { return actionsIn(w, "kms", role) }

// actionsIn returns what a role contains of the actions of a service.
func actionsIn(w *world, service, role string) []string {
	var roles struct {
		Service []struct {
			CRN     string   `json:"crn"`
			Actions []string `json:"actions"`
		} `json:"service_roles"`
	}
	w.r.Must(w.t, rig.Request{Method: http.MethodGet, Path: "/v2/roles?service_name=" + service, Token: w.owner}, &roles)
	for _, found := range roles.Service {
		if found.CRN == role {
			return found.Actions
		}
	}
	w.t.Fatalf("no role %s", role)
	return nil
}

// expired returns a token of the owner that was good, and is not any more. Every
// token that is made before this one ends with it.
func expired(t *testing.T, r *rig.Rig) string {
	t.Helper()
	token := r.Token(t, r.Operator.APIKey)
	var claims struct {
		Expiry int64 `json:"exp"`
	}
	if err := json.Unmarshal(part(t, token, 1), &claims); err != nil {
		t.Fatal(err)
	}
	r.Must(t, rig.Request{Method: http.MethodGet, Path: "/identity/userinfo", Token: token}, nil)
	r.Clock.Forward(time.Until(time.Unix(claims.Expiry, 0)) + 2*time.Minute)
	return token
}

// forged returns tokens that say the same as a good one, and that nobody signed
// who may.
func forged(t *testing.T, r *rig.Rig, good string) map[string]string {
	t.Helper()
	header, claims := part(t, good, 0), part(t, good, 1)
	var h struct {
		KeyID string `json:"kid"`
	}
	if err := json.Unmarshal(header, &h); err != nil || h.KeyID == "" {
		t.Fatalf("the header %s names no key (%v)", header, err)
	}
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	rs256 := func(signed string) []byte {
		digest := sha256.Sum256([]byte(signed))
		signature, err := rsa.SignPKCS1v15(nil, other, crypto.SHA256, digest[:])
		if err != nil {
			t.Fatal(err)
		}
		return signature
	}
	all := map[string]string{
		"a forger with another key of the same name": assemble(string(header), claims, rs256),
		"a forger with another key of no name":       assemble(`{"alg":"RS256"}`, claims, rs256),
		"a forger with alg none":                     assemble(`{"alg":"none","kid":"`+h.KeyID+`"}`, claims, nil),
		"a forger with alg None":                     assemble(`{"alg":"None","kid":"`+h.KeyID+`"}`, claims, nil),
		"a forger who changes the claims":            tampered(good, strings.Replace(string(claims), "exp\":", "exp\":9", 1)),
		"a forger who cuts the signature off":        good[:strings.LastIndexByte(good, '.')+1],
		"a forger with a key inside the token": assemble(
			`{"alg":"RS256","kid":"`+h.KeyID+`","jwk":`+publicJWK(&other.PublicKey)+`}`, claims, rs256),
	}
	for form, secret := range publicForms(t, r, h.KeyID) {
		all["a forger with HS256 and the public key as "+form] = assemble(
			`{"alg":"HS256","kid":"`+h.KeyID+`"}`, claims, func(signed string) []byte {
				mac := hmac.New(sha256.New, secret)
				mac.Write([]byte(signed))
				return mac.Sum(nil)
			})
	}
	return all
}

// publicForms returns the published key in the forms that a confused verifier
// might use as a secret.
func publicForms(t *testing.T, r *rig.Rig, keyID string) map[string][]byte {
	t.Helper()
	var set struct {
		Keys []struct {
			KeyID    string `json:"kid"`
			Modulus  string `json:"n"`
			Exponent string `json:"e"`
		} `json:"keys"`
	}
	r.Must(t, rig.Request{Method: http.MethodGet, Path: "/identity/keys"}, &set)
	for _, k := range set.Keys {
		if k.KeyID != keyID {
			continue
		}
		n, err := base64.RawURLEncoding.DecodeString(k.Modulus)
		if err != nil {
			t.Fatal(err)
		}
		der, err := x509.MarshalPKIXPublicKey(&rsa.PublicKey{N: new(big.Int).SetBytes(n), E: 65537})
		if err != nil {
			t.Fatal(err)
		}
		return map[string][]byte{
			"PEM":     pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}),
			"DER":     der,
			"modulus": n,
			"text":    []byte(k.Modulus),
		}
	}
	t.Fatalf("the key %s is not published", keyID)
	return nil
}

func publicJWK(k *rsa.PublicKey) string {
	return rig.JSON(map[string]string{
		"kty": "RSA", "n": base64.RawURLEncoding.EncodeToString(k.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.E)).Bytes()),
	})
}

// part returns the decoded part of a token: 0 is the header, 1 the claims.
func part(t *testing.T, token string, i int) []byte {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		t.Fatalf("a token of %d parts", len(parts))
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func assemble(header string, claims []byte, sign func(signed string) []byte) string {
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	if sign == nil {
		return signed + "."
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(sign(signed))
}

// tampered puts other claims into a token and keeps its signature.
func tampered(token, claims string) string {
	parts := strings.Split(token, ".")
	parts[1] = base64.RawURLEncoding.EncodeToString([]byte(claims))
	return strings.Join(parts, ".")
}
