package s3

import (
	"context"

	"strongroom/fault"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Configurations that a bucket does not have. Clients, Terraform above all, tell these apart by their
// words.
var (
	errNoLifecycle    = fault.New(fault.NotFound, "the bucket has no lifecycle configuration")
	errNoCORS         = fault.New(fault.NotFound, "the bucket has no CORS configuration")
	errNoWebsite      = fault.New(fault.NotFound, "the bucket has no website configuration")
	errNoReplication  = fault.New(fault.NotFound, "the bucket has no replication configuration")
	errNoObjectLock   = fault.New(fault.NotFound, "the bucket has no object lock configuration")
	errNoPublicAccess = fault.New(fault.NotFound, "the bucket has no public access block")
)

// configReasons are how clients know them, and other failures of configurations.
var configReasons = []reason{
	{errNoLifecycle, 404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist"},
	{errNoCORS, 404, "NoSuchCORSConfiguration", "The CORS configuration does not exist"},
	{errNoWebsite, 404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration"},
	{errNoReplication, 404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found"},
	{errNoObjectLock, 404, "ObjectLockConfigurationNotFoundError", "Object Lock configuration does not exist for this bucket"},
	{errNoPublicAccess, 404, "NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found"},
	{errNoInstance, 400, "InvalidArgument", "The header ibm-service-instance-id is missing: it names the service instance."},
	{errKeyType, 400, "InvalidArgument", `The resource type is missing or the specified value is not valid. Supported value: "key".`},
	{errCredentials, 400, "CredentialsNotSupported", "This request does not support credentials."},
	{errHSCrypto, 400, "InvalidRequest", "Server Side Encryption with hs-crypto is not enabled."},
}

// shownConfig answers with one configuration of a bucket.
func (f *face) shownConfig(ctx context.Context, q *request, show func(*objects.BucketView) (any, error)) (httpface.Answer, error) {
	b, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket)
	if err != nil {
		return httpface.Answer{}, err
	}
	doc, err := show(&b)
	if err != nil {
		return httpface.Answer{}, err
	}
	return writeXML(doc, nil)
}

// configure makes a change of configuration.
func (f *face) configure(ctx context.Context, q *request, change objects.Change) (httpface.Answer, error) {
	_, err := f.Objects.Configure(ctx, q.who, q.op.action, q.bucket, change)
	return httpface.Answer{}, err
}
