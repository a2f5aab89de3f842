package iam

import "strings"

// claims are what an access token says. The names are IBM's but for
// credential_id, which names what the token hangs on.
type claims struct {
	IAMID      string        `json:"iam_id"`
	Identity   string        `json:"id"`
	Realm      string        `json:"realmid"`
	Identifier string        `json:"identifier"`
	ID         string        `json:"jti"`
	GivenName  string        `json:"given_name,omitempty"`
	FamilyName string        `json:"family_name,omitempty"`
	Name       string        `json:"name,omitempty"`
	Email      string        `json:"email,omitempty"`
	Subject    string        `json:"sub"`
	SubType    string        `json:"sub_type,omitempty"`
	Instances  []string      `json:"unique_instance_crns,omitempty"`
	Authn      claimsAuthn   `json:"authn"`
	Account    claimsAccount `json:"account"`
	IssuedAt   int64         `json:"iat"`
	Expiry     int64         `json:"exp"`
	Issuer     string        `json:"iss"`
	GrantType  string        `json:"grant_type"`
	Scope      string        `json:"scope"`
	Client     string        `json:"client_id"`
	ACR        int           `json:"acr"`
	AMR        []string      `json:"amr"`
	Credential string        `json:"credential_id"`
}

type claimsAuthn struct {
	Subject    string `json:"sub"`
	IAMID      string `json:"iam_id"`
	SubType    string `json:"sub_type,omitempty"`
	Name       string `json:"name,omitempty"`
	GivenName  string `json:"given_name,omitempty"`
	FamilyName string `json:"family_name,omitempty"`
	Email      string `json:"email,omitempty"`
}

type claimsAccount struct {
	Valid  bool   `json:"valid"`
	ID     string `json:"bss"`
	Frozen bool   `json:"frozen"`
}

// claimsOf fills in what depends on the identity alone.
func claimsOf(g grounds, st footing) claims {
	c := claims{
		IAMID: string(g.identity), Identity: string(g.identity), Account: claimsAccount{Valid: true, ID: string(g.account), Frozen: true},
		Scope: TokenScope, ACR: 1, AMR: []string{"pwd"}, Credential: string(g.credential),
	}
	switch KindOf(g.identity) {
	case KindUser:
		c.Realm, c.Identifier = "IBMid", strings.TrimPrefix(string(g.identity), userPrefix)
		c.Subject = st.user.Email
		c.GivenName, c.FamilyName = st.user.FirstName, st.user.LastName
		c.Name, c.Email = st.user.Name(), st.user.Email
	case KindService:
		c.Realm, c.Identifier = "iam", string(st.service.ID)
		c.Subject, c.SubType, c.Name = string(st.service.ID), "ServiceId", st.service.Name
		c.Instances = st.service.Instances
	case KindInstance:
		c.Realm, c.Identifier = "crn", strings.TrimPrefix(string(g.identity), instancePrefix)
		c.Subject, c.SubType = c.Identifier, "CRN"
		c.ACR, c.AMR = 0, []string{}
	}
	c.Authn = claimsAuthn{
		Subject: c.Subject, IAMID: c.IAMID, SubType: c.SubType, Name: c.Name,
		GivenName: c.GivenName, FamilyName: c.FamilyName, Email: c.Email,
	}
	return c
}
