package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

const (
	headerACL = "X-Amz-Acl"
	allUsers  = "http://acs.amazonaws.com/groups/global/AllUsers"
	xsi       = "http://www.w3.org/2001/XMLSchema-instance"
)

type accessControlPolicy struct {
	XMLName xml.Name `xml:"AccessControlPolicy"`
	xmlns
	Owner             *owner
	AccessControlList struct {
		Grants []grant `xml:"Grant"`
	}
}

type grant struct {
	Grantee    grantee
	Permission string
}

// grantee is who a grant is for. IBM's decoders need its type, under this very name.
type grantee struct {
	XSI         string `xml:"xmlns:xsi,attr"`
	Type        string `xml:"xsi:type,attr"`
	ID          string `xml:",omitempty"`
	DisplayName string `xml:",omitempty"`
	URI         string `xml:",omitempty"`
}

// newACL says a canned ACL as the list of grants that it stands for.
func newACL(own owner, acl objects.ACL) *accessControlPolicy {
	out := &accessControlPolicy{xmlns: inNamespace(), Owner: &own}
	grants := []grant{{grantee{XSI: xsi, Type: "CanonicalUser", ID: own.ID, DisplayName: own.DisplayName}, "FULL_CONTROL"}}
	if acl == objects.ACLPublicRead {
		grants = append(grants, grant{grantee{XSI: xsi, Type: "Group", URI: allUsers}, "READ"})
	}
	out.AccessControlList.Grants = grants
	return out
}

// acl is the canned ACL that a list of grants stands for. Others are not possible, as access is decided
// by IAM.
func (in *accessControlPolicy) acl() (acl objects.ACL, err error) {
	for _, g := range in.AccessControlList.Grants {
		switch {
		case g.Grantee.URI == "" && g.Permission == "FULL_CONTROL" && (in.Owner == nil || g.Grantee.ID == in.Owner.ID):
		case g.Grantee.URI == allUsers && g.Permission == "READ":
			acl = objects.ACLPublicRead
		default:
			return acl, errParameter.On("Grant", "only the ACLs private and public-read are possible")
		}
	}
	return acl, nil
}

// acl reads an ACL from the header or the body of a request.
func (q *request) acl() (objects.ACL, error) {
	if canned := q.header(headerACL); canned != "" {
		return parseACL(canned)
	}
	var in accessControlPolicy
	if err := q.readXML(&in, maxXML); err != nil {
		return "", err
	}
	return in.acl()
}

func (f *face) getBucketACL(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		return newACL(ownerOf(&b.Bucket), b.ACL), nil
	})
}

func (f *face) putBucketACL(ctx context.Context, q *request) (httpface.Answer, error) {
	acl, err := q.acl()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetACL(acl))
}

func (f *face) getObjectACL(ctx context.Context, q *request) (httpface.Answer, error) {
	o, b, err := f.Objects.ObjectACL(ctx, q.who, q.bucket, q.key, q.version())
	if err != nil {
		return httpface.Answer{}, err
	}
	return writeXML(newACL(ownerOf(&b), o.ACL), versioned(&o))
}

func (f *face) putObjectACL(ctx context.Context, q *request) (httpface.Answer, error) {
	acl, err := q.acl()
	if err != nil {
		return httpface.Answer{}, err
	}
	o, err := f.Objects.SetObjectACL(ctx, q.who, q.bucket, q.key, q.version(), acl)
	return httpface.Answer{Header: versioned(&o)}, err
}
