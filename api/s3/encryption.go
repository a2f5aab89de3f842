package s3

import (
	"context"
	"encoding/xml"

	"strongroom/crn"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// serverSideEncryptionConfiguration says in AWS's words which root key new objects of a bucket have:
// the provider's (AES256) or one of the customer's (aws:kms), by its CRN or that of an alias.
type serverSideEncryptionConfiguration struct {
	XMLName xml.Name `xml:"ServerSideEncryptionConfiguration"`
	xmlns
	Rules []encryptionRule `xml:"Rule"`
}

type encryptionRule struct {
	Default          *encryptionDefault `xml:"ApplyServerSideEncryptionByDefault"`
	BucketKeyEnabled *boolean           `xml:",omitempty"`
}

type encryptionDefault struct {
	SSEAlgorithm   string
	KMSMasterKeyID string `xml:",omitempty"`
}

func (f *face) getEncryption(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) { return newEncryption(b.Root), nil })
}

// newEncryption says the root key of a bucket; every bucket has one.
func newEncryption(root crn.CRN) *serverSideEncryptionConfiguration {
	bucketKey := boolean(true) // one unwrap serves many objects, always
	rule := encryptionRule{Default: &encryptionDefault{SSEAlgorithm: sseProvider}, BucketKeyEnabled: &bucketKey}
	if root != (crn.CRN{}) {
		rule.Default.SSEAlgorithm, rule.Default.KMSMasterKeyID = sseRootKey, root.String()
	}
	return &serverSideEncryptionConfiguration{xmlns: inNamespace(), Rules: []encryptionRule{rule}}
}

func (f *face) putEncryption(ctx context.Context, q *request) (httpface.Answer, error) {
	var in serverSideEncryptionConfiguration
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	root, err := in.root()
	if err != nil {
		return httpface.Answer{}, err
	}
	_, err = f.Objects.SetEncryption(ctx, q.who, q.bucket, root)
	return httpface.Answer{}, err
}

// root is what the configuration calls the root key; empty for the provider's.
func (in *serverSideEncryptionConfiguration) root() (string, error) {
	if len(in.Rules) != 1 || in.Rules[0].Default == nil {
		return "", errXML.On("Rule", "exactly one with a default is needed")
	}
	switch d := in.Rules[0].Default; {
	case d.SSEAlgorithm == sseProvider && d.KMSMasterKeyID == "":
		return "", nil
	case d.SSEAlgorithm == sseProvider:
		return "", errParameter.On("KMSMasterKeyID", "it needs the algorithm "+sseRootKey)
	case d.SSEAlgorithm != sseRootKey:
		return "", errParameter.On("SSEAlgorithm", "it must be "+sseProvider+" or "+sseRootKey)
	case d.KMSMasterKeyID == "":
		return "", errParameter.On("KMSMasterKeyID", "it must be the CRN of a root key or of an alias")
	default:
		return d.KMSMasterKeyID, checkRoot(d.KMSMasterKeyID)
	}
}

// deleteEncryption gives new objects the provider's root key.
func (f *face) deleteEncryption(ctx context.Context, q *request) (httpface.Answer, error) {
	_, err := f.Objects.SetEncryption(ctx, q.who, q.bucket, "")
	return httpface.Answer{}, err
}
