package clients_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/IBM/go-sdk-core/v5/core"
	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	kp "github.com/IBM/keyprotect-go-client"
	"github.com/IBM/platform-services-go-sdk/iampolicymanagementv1"
)

// authorize lets an object storage instance read keys of a Key Protect instance, and returns what
// withdraws that.
func authorize(t *testing.T, storage, keys string) (withdraw func()) {
	t.Helper()
	p := administrator(t)
	account := env(t, "STRONGROOM_ACCOUNT_ID")
	subject := func(key, value string) iampolicymanagementv1.V2PolicySubjectAttribute {
		return iampolicymanagementv1.V2PolicySubjectAttribute{Key: &key, Operator: core.StringPtr("stringEquals"), Value: value}
	}
	create := p.policies.NewCreateV2PolicyOptions(&iampolicymanagementv1.Control{Grant: &iampolicymanagementv1.Grant{
		Roles: []iampolicymanagementv1.Roles{{RoleID: core.StringPtr(roleReader)}},
	}}, "authorization")
	create.SetSubject(&iampolicymanagementv1.V2PolicySubject{Attributes: []iampolicymanagementv1.V2PolicySubjectAttribute{
		subject("serviceName", "cloud-object-storage"), subject("accountId", account), subject("serviceInstance", storage),
	}})
	create.SetResource(&iampolicymanagementv1.V2PolicyResource{Attributes: []iampolicymanagementv1.V2PolicyResourceAttribute{
		attribute("serviceName", "kms"), attribute("accountId", account), attribute("serviceInstance", keys),
	}})
	policy, resp, err := p.policies.CreateV2Policy(create)
	ok(t, resp, err, http.StatusCreated)
	return func() {
		t.Helper()
		resp, err := p.policies.DeleteV2Policy(p.policies.NewDeleteV2PolicyOptions(*policy.ID))
		ok(t, resp, err, http.StatusNoContent)
	}
}

// under puts a new bucket under a root key.
func under(root string) func(*s3.CreateBucketInput) {
	return func(n *s3.CreateBucketInput) {
		n.IBMSSEKPCustomerRootKeyCrn, n.IBMSSEKPEncryptionAlgorithm = &root, aws.String("AES256")
	}
}

// eventually waits until something holds that follows an event between services, which takes about a
// second, and says what is so instead if it does not.
func eventually(t *testing.T, what string, holds func() error) {
	t.Helper()
	var err error
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if err = holds(); err == nil {
			return
		}
	}
	t.Errorf("%s, after %s: %v", what, patience, err)
}

// TestIBMRootKeys: a bucket under a root key of the customer, from the authorization to the removal.
func TestIBMRootKeys(t *testing.T) {
	t.Parallel()
	c, _, storage := ibmStore(t)
	keys, instance := freshInstance(t)
	root := rootKey(t, keys)
	name := &s3.CreateBucketInput{Bucket: aws.String("rooted-" + strings.ToLower(root.ID))}
	under(root.CRN)(name)

	_, err := c.CreateBucketWithContext(t.Context(), name)
	wantRefusal(t, "without an authorization", err, 400, "InvalidArgument", "The Key CRN could not be found")
	withdraw := authorize(t, storage, *instance.GUID)
	half := *name
	half.IBMSSEKPEncryptionAlgorithm = nil
	_, err = c.CreateBucketWithContext(t.Context(), &half)
	wantRefusal(t, "a key without an algorithm", err, 400, "InvalidArgument", "")
	other := *name
	other.IBMSSEKPCustomerRootKeyCrn = aws.String(strings.Replace(root.CRN, ":key:", ":bucket:", 1))
	_, err = c.CreateBucketWithContext(t.Context(), &other)
	wantRefusal(t, "the CRN of something else", err, 400, "InvalidArgument", `Supported value: "key".`)

	bucket := ibmBucket(t, c, under(root.CRN))
	head, answer := c.HeadBucketRequest(&s3.HeadBucketInput{Bucket: bucket})
	head.SetContext(t.Context())
	if err := head.Send(); err != nil {
		t.Fatal(err)
	}
	if aws.StringValue(answer.IBMSSEKPCrkId) != root.CRN || !aws.BoolValue(answer.IBMSSEKPEnabled) {
		t.Errorf("%v, want key %s", answer, root.CRN)
	}
	if got := head.HTTPResponse.Header.Get("Ibm-Sse-Kp-Crk-Id"); got != root.CRN {
		t.Errorf("ibm-sse-kp-crk-id is %q, want %q", got, root.CRN)
	}
	plain, err := c.HeadBucketWithContext(t.Context(), &s3.HeadBucketInput{Bucket: ibmBucket(t, c)})
	if err != nil || plain.IBMSSEKPCrkId != nil || aws.BoolValue(plain.IBMSSEKPEnabled) {
		t.Errorf("a bucket without a key: %v %v", plain, err)
	}
	list, err := c.ListObjectsWithContext(t.Context(), &s3.ListObjectsInput{Bucket: bucket})
	if err != nil || aws.StringValue(list.IBMSSEKPCrkId) != root.CRN {
		t.Errorf("%v %v", list, err)
	}
	uses, err := keys.ListRegistrations(t.Context(), root.ID, "")
	if err != nil || len(uses.Registrations) != 1 || !strings.HasSuffix(uses.Registrations[0].ResourceCrn, ":bucket:"+*bucket) || uses.Registrations[0].PreventKeyDeletion {
		t.Fatalf("registrations %+v, %v", uses, err)
	}

	ibmPut(t, c, bucket, "k", "content")
	wantContent(t, c, bucket, "k", "", "content")
	if _, err := keys.DeleteKey(t.Context(), root.ID, kp.ReturnMinimal); err == nil {
		t.Fatal("a key that a bucket needs was deleted without force")
	}
	if err := keys.Rotate(t.Context(), root.ID, ""); err != nil {
		t.Fatal(err)
	}
	wantContent(t, c, bucket, "k", "", "content")
	_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("c"), SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: aws.String(string(random(t, 32))),
	})
	wantRefusal(t, "a key of the caller", err, 400, "BadRequest", "not supported while Key Protect is enabled")

	read := func() error {
		got, err := c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
		if err == nil {
			err = got.Body.Close()
		}
		return err
	}
	refusedWith := func(status int, code, message string) func() error {
		return func() error { return otherThan(read(), status, code, message) }
	}
	if err := keys.DisableKey(t.Context(), root.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a disabled key", refusedWith(403, "AccessDenied", "disabled"))
	_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("new")})
	wantRefusal(t, "a write under a disabled key", err, 403, "AccessDenied", "")
	if _, err := c.HeadBucketWithContext(t.Context(), &s3.HeadBucketInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	if list, err := c.ListObjectsWithContext(t.Context(), &s3.ListObjectsInput{Bucket: bucket}); err != nil || len(list.Contents) != 1 {
		t.Errorf("a list under a disabled key: %v %v", list, err)
	}
	if err := keys.EnableKey(t.Context(), root.ID); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a key that was enabled again", read)

	withdraw()
	eventually(t, "without an authorization", refusedWith(401, "ServiceNotAuthorized", "does not have sufficient permissions"))
	authorize(t, storage, *instance.GUID)
	eventually(t, "with an authorization again", read)

	if err := ibmEmpty(t.Context(), c, bucket); err != nil {
		t.Fatal(err)
	}
	if _, err := c.DeleteBucketWithContext(t.Context(), &s3.DeleteBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if uses, err := keys.ListRegistrations(t.Context(), root.ID, ""); err != nil || len(uses.Registrations) != 0 {
		t.Errorf("after the removal: %+v %v", uses, err)
	}
	if _, err := keys.DeleteKey(t.Context(), root.ID, kp.ReturnMinimal); err != nil {
		t.Errorf("a key that nothing needs: %v", err)
	}
}

// TestIBMDeletedRootKey: a key that is deleted with force takes the content with it, and not the bucket.
func TestIBMDeletedRootKey(t *testing.T) {
	t.Parallel()
	c, _, storage := ibmStore(t)
	keys, instance := freshInstance(t)
	authorize(t, storage, *instance.GUID)
	root, kept := rootKey(t, keys), rootKey(t, keys)
	bucket := ibmBucket(t, c, under(root.CRN))
	ibmPut(t, c, bucket, "k", "content")
	if _, err := keys.DeleteKey(t.Context(), root.ID, kp.ReturnMinimal, kp.ForceOpt{Force: true}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a deleted key", func() error {
		_, err := c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k")})
		return otherThan(err, 403, "AccessDenied", "deleted")
	})
	_, err := c.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{
		Bucket: aws.String("x-" + root.ID), IBMSSEKPCustomerRootKeyCrn: &root.CRN, IBMSSEKPEncryptionAlgorithm: aws.String("AES256"),
	})
	wantRefusal(t, "a bucket under a deleted key", err, 400, "InvalidArgument", "")
	if _, err := c.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String("k")}); err != nil {
		t.Error(err)
	}

	// A bucket with Object Lock keeps its key from being deleted, whatever force is used.
	locked := ibmBucket(t, c, under(kept.CRN), func(n *s3.CreateBucketInput) { n.ObjectLockEnabledForBucket = aws.Bool(true) })
	if uses, err := keys.ListRegistrations(t.Context(), kept.ID, ""); err != nil || len(uses.Registrations) != 1 || !uses.Registrations[0].PreventKeyDeletion {
		t.Errorf("registrations of %s: %+v %v", *locked, uses, err)
	}
	if _, err := keys.DeleteKey(t.Context(), kept.ID, kp.ReturnMinimal, kp.ForceOpt{Force: true}); err == nil || !strings.Contains(err.Error(), "PREV_KEY_DEL_ERR") {
		t.Errorf("deletion of a key that a bucket with Object Lock needs: %v", err)
	}
}
