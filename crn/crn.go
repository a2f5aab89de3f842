// Package crn reads and writes cloud resource names, the ten-part names by
// which IBM's protocols and clients refer to resources:
//
//	crn:v1:bluemix:public:kms:us-south:a/ACCOUNT:INSTANCE:key:KEY
//
// A CRN is a name, not a permission: whoever parses one decides nothing yet.
package crn

import (
	"errors"
	"strings"
)

// MaxLen is the length in bytes above which Parse refuses a name unread.
const MaxLen = 2048

// Names of services and resource types that occur in this house.
const (
	KeyProtect         = "kms"
	ObjectStorage      = "cloud-object-storage"
	Identity           = "iam-identity"
	Groups             = "iam-groups"
	AccessManagement   = "iam-access-management"
	ResourceController = "resource-controller"
	Catalog            = "globalcatalog"
)

// ErrSyntax is returned for a text that is no cloud resource name.
var ErrSyntax = errors.New("not a cloud resource name")

// CRN is a parsed cloud resource name. Comparable; the zero value names nothing.
type CRN struct {
	CName    string // cloud, "bluemix" in ours
	CType    string // "public", "dedicated" or "local"
	Service  string // "kms", "cloud-object-storage", …
	Location string // region, "global" or empty
	Scope    string // "a/" and the account, or empty
	Instance string // GUID of the service instance, or empty
	Type     string // resource type, or empty for the instance itself
	Resource string // may contain colons and slashes
}

// Parse reads a name of exactly ten parts; the last may itself contain colons.
func Parse(s string) (CRN, error) {
	if len(s) > MaxLen {
		return CRN{}, ErrSyntax
	}
	p := strings.SplitN(s, ":", 10)
	if len(p) != 10 || p[0] != "crn" || p[1] != "v1" || p[2] == "" || p[3] == "" || p[4] == "" {
		return CRN{}, ErrSyntax
	}
	for i := 0; i < len(s); i++ {
		if s[i] < 0x20 || s[i] == 0x7f {
			return CRN{}, ErrSyntax
		}
	}
	return CRN{
		CName: p[2], CType: p[3], Service: p[4], Location: p[5],
		Scope: p[6], Instance: p[7], Type: p[8], Resource: p[9],
	}, nil
}

// String writes the name in its canonical form, which Parse reads back.
func (c CRN) String() string {
	return "crn:v1:" + c.CName + ":" + c.CType + ":" + c.Service + ":" + c.Location + ":" +
		c.Scope + ":" + c.Instance + ":" + c.Type + ":" + c.Resource
}

// Account returns the account of an account-scoped name, or "".
func (c CRN) Account() string {
	account, ok := strings.CutPrefix(c.Scope, "a/")
	if !ok {
		return ""
	}
	return account
}

// IsInstance reports whether the name is that of a whole service instance.
func (c CRN) IsInstance() bool { return c.Instance != "" && c.Type == "" && c.Resource == "" }

// Of names a resource of an account.
func Of(service, location, account, instance, kind, resource string) CRN {
	return CRN{
		CName: "bluemix", CType: "public", Service: service, Location: location,
		Scope: "a/" + account, Instance: instance, Type: kind, Resource: resource,
	}
}

// Child names a resource inside the same instance as c.
func (c CRN) Child(kind, resource string) CRN {
	c.Type, c.Resource = kind, resource
	return c
}

// Role names a role: platform roles ("role") and the service roles that every
// service shares ("serviceRole") belong to iam, others to their service.
func Role(service, kind, name string) CRN {
	return CRN{CName: "bluemix", CType: "public", Service: service, Type: kind, Resource: name}
}
