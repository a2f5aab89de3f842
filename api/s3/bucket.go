package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"strongroom/crn"
	"strongroom/fault"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Failures of what a bucket is created with, whose words clients know.
var (
	errKeyType    = fault.New(fault.Invalid, "the CRN is not that of a key")
	errHSCrypto   = fault.New(fault.Invalid, "keys of hs-crypto are not supported")
	errNoInstance = fault.New(fault.Invalid, "the service instance is not named")
)

const headerInstance = "Ibm-Service-Instance-Id"

// instance is the object storage instance that a request without a bucket is about: the one it names,
// by CRN or GUID, or else the one that its credential was made for.
func (f *face) instance(ctx context.Context, q *request) (objects.InstanceID, error) {
	name := strings.TrimSpace(q.header(headerInstance))
	if name == "" {
		id, err := f.InstanceOf(ctx, q.who)
		if err == nil && id == "" {
			err = errNoInstance
		}
		return id, err
	}
	if !strings.HasPrefix(name, "crn:") {
		return objects.InstanceID(name), nil
	}
	// Clients send the CRN with and without the colons of its empty last parts.
	parts := strings.Split(strings.TrimRight(name, ":"), ":")
	const service, instance = 4, 7
	if len(parts) != instance+1 || parts[service] != crn.ObjectStorage || parts[instance] == "" {
		return "", errHeader.On(headerInstance, "it is not the CRN of an object storage instance")
	}
	return objects.InstanceID(parts[instance]), nil
}

// listBuckets lists the buckets of an instance.
func (f *face) listBuckets(ctx context.Context, q *request) (httpface.Answer, error) {
	id, err := f.instance(ctx, q)
	if err != nil {
		return httpface.Answer{}, err
	}
	list, _, err := f.Objects.Buckets(ctx, q.who, objects.ListBuckets{Instance: id})
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListAllMyBucketsResult")
	d.owner("Owner", owner{string(id), string(id)})
	d.open("Buckets")
	for i := range list {
		d.open("Bucket")
		d.text("Name", list[i].Name)
		d.time("CreationDate", list[i].Created)
		d.close("Bucket")
	}
	d.close("Buckets")
	return d.answer(), nil
}

// listBucketsExtended is the list in pages, with locations. Terraform takes it for granted that every
// bucket has one.
func (f *face) listBucketsExtended(ctx context.Context, q *request) (httpface.Answer, error) {
	l := objects.ListBuckets{Prefix: q.query.get("prefix"), After: q.query.get("marker"), Limit: objects.MaxPage}
	var err error
	if text := q.query.get("max-keys"); text != "" {
		if l.Limit, err = strconv.Atoi(text); err != nil || l.Limit < 1 {
			return httpface.Answer{}, errParameter.On("max-keys", "it must be a number from 1 to 1000")
		}
		l.Limit = min(l.Limit, objects.MaxPage)
	}
	if l.Instance, err = f.instance(ctx, q); err != nil {
		return httpface.Answer{}, err
	}
	list, more, err := f.Objects.Buckets(ctx, q.who, l)
	if err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListAllMyBucketsResult")
	d.owner("Owner", owner{string(l.Instance), string(l.Instance)})
	d.truth("IsTruncated", more)
	d.number("MaxKeys", int64(l.Limit))
	d.text("Prefix", l.Prefix)
	d.text("Marker", l.After)
	d.open("Buckets")
	for i := range list {
		d.open("Bucket")
		d.text("Name", list[i].Name)
		d.time("CreationDate", list[i].Created)
		d.text("LocationConstraint", list[i].Location)
		d.close("Bucket")
	}
	d.close("Buckets")
	return d.answer(), nil
}

// createBucketConfiguration is the body of the creation of a bucket.
type createBucketConfiguration struct {
	XMLName            xml.Name `xml:"CreateBucketConfiguration"`
	LocationConstraint string
}

func (f *face) createBucket(ctx context.Context, q *request) (httpface.Answer, error) {
	n, err := f.newBucket(ctx, q)
	if err != nil {
		return httpface.Answer{}, err
	}
	if _, err := f.Objects.CreateBucket(ctx, q.who, n); err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Header: http.Header{"Location": {"/" + q.bucket}}}, nil
}

func (f *face) newBucket(ctx context.Context, q *request) (n objects.NewBucket, err error) {
	n.Name = q.bucket
	if n.Instance, err = f.instance(ctx, q); err != nil {
		return n, err
	}
	// Any other spelling means no, as it does for IBM's service.
	n.Lock = q.header("X-Amz-Bucket-Object-Lock-Enabled") == "true"
	if n.ACL, err = parseACL(q.header(headerACL)); err != nil {
		return n, err
	}
	if n.Root, err = bucketRoot(q.R.Header); err != nil {
		return n, err
	}
	var config createBucketConfiguration
	body, err := q.readBody(maxXML)
	if err != nil || len(body) == 0 {
		return n, err
	}
	if err := q.checkDigests(body); err != nil {
		return n, err
	}
	err = parseXML(body, &config)
	n.Location = strings.TrimSpace(config.LocationConstraint)
	return n, err
}

// Headers that say which root key a bucket has.
const (
	headerKPAlgorithm = "Ibm-Sse-Kp-Encryption-Algorithm"
	headerKPRoot      = "Ibm-Sse-Kp-Customer-Root-Key-Crn"
)

// bucketRoot reads which root key a bucket is to have; empty for the provider's.
func bucketRoot(h http.Header) (string, error) {
	algorithm, root := strings.Trim(h.Get(headerKPAlgorithm), ` "`), strings.Trim(h.Get(headerKPRoot), ` "`)
	switch {
	case algorithm == "" && root == "":
		return "", nil
	case algorithm == "":
		return "", errHeader.On(headerKPAlgorithm, "it is missing, beside the root key")
	case root == "":
		return "", errHeader.On(headerKPRoot, "it is missing, beside the algorithm")
	case algorithm != "AES256":
		return "", errHeader.On(headerKPAlgorithm, `it must be "AES256"`)
	}
	return root, checkRoot(root)
}

// checkRoot refuses what cannot be the CRN of a root key or of an alias of one, in the words that clients
// know.
func checkRoot(root string) error {
	name, err := crn.Parse(root)
	switch {
	case err != nil:
		return errHeader.On(headerKPRoot, "it is not a CRN")
	case name.Service == "hs-crypto":
		return errHSCrypto
	case name.Type != "key" && name.Type != "alias" || name.Resource == "":
		return errKeyType
	}
	return nil
}

// rootHeaders show the root key of a bucket, under the three names that IBM's clients look for. Buckets
// of the provider's root key have none.
func rootHeaders(h http.Header, b *objects.BucketView) {
	if b.Root == (crn.CRN{}) {
		return
	}
	root := b.Root.String()
	h["Ibm-Sse-Kp-Enabled"] = []string{"True"}
	h[headerKPRoot] = []string{root}
	h["Ibm-Sse-Kp-Crk-Id"] = []string{root}
}

func (f *face) headBucket(ctx context.Context, q *request) (httpface.Answer, error) {
	b, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket)
	if err != nil {
		return httpface.Answer{}, err
	}
	a := httpface.Answer{Header: http.Header{}}
	rootHeaders(a.Header, &b)
	return a, nil
}

func (f *face) deleteBucket(ctx context.Context, q *request) (httpface.Answer, error) {
	return httpface.Answer{}, f.Objects.DeleteBucket(ctx, q.who, q.bucket)
}

func (f *face) bucketLocation(ctx context.Context, q *request) (httpface.Answer, error) {
	b, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket)
	if err != nil {
		return httpface.Answer{}, err
	}
	return writeXML(struct {
		XMLName xml.Name `xml:"LocationConstraint"`
		xmlns
		Location string `xml:",chardata"`
	}{xmlns: inNamespace(), Location: b.Location}, nil)
}
