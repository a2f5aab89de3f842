package clients_test

import (
	"testing"
	"time"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
)

func ibmVersioning(t *testing.T, c *s3.S3, bucket *string, status string) {
	t.Helper()
	if _, err := c.PutBucketVersioningWithContext(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &s3.VersioningConfiguration{Status: &status},
	}); err != nil {
		t.Fatal(err)
	}
	if got, err := c.GetBucketVersioningWithContext(t.Context(), &s3.GetBucketVersioningInput{Bucket: bucket}); err != nil || aws.StringValue(got.Status) != status {
		t.Errorf("%v %v", got, err)
	}
}

// TestIBMVersions: every write stays, a removal hides, and what is hidden comes back.
func TestIBMVersions(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := ibmBucket(t, c), aws.String("k")
	if got, err := c.GetBucketVersioningWithContext(t.Context(), &s3.GetBucketVersioningInput{Bucket: bucket}); err != nil || got.Status != nil {
		t.Errorf("of a new bucket: %v %v", got, err)
	}
	ibmPut(t, c, bucket, *key, "before")
	ibmVersioning(t, c, bucket, s3.BucketVersioningStatusEnabled)
	first := aws.StringValue(ibmPut(t, c, bucket, *key, "first").VersionId)
	second := aws.StringValue(ibmPut(t, c, bucket, *key, "second").VersionId)
	if first == "" || second == "" || first == second {
		t.Fatalf("versions %q and %q", first, second)
	}
	wantContent(t, c, bucket, *key, "null", "before")
	wantContent(t, c, bucket, *key, first, "first")
	wantContent(t, c, bucket, *key, "", "second")

	marker, err := c.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	if err != nil || !aws.BoolValue(marker.DeleteMarker) || aws.StringValue(marker.VersionId) == "" {
		t.Fatalf("%v %v", marker, err)
	}
	_, err = c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	wantRefusal(t, "what is hidden", err, 404, s3.ErrCodeNoSuchKey, "")
	all, err := c.ListObjectVersionsWithContext(t.Context(), &s3.ListObjectVersionsInput{Bucket: bucket})
	if err != nil || len(all.Versions) != 3 || len(all.DeleteMarkers) != 1 || *all.Versions[0].VersionId != second || !*all.DeleteMarkers[0].IsLatest {
		t.Errorf("%v %v", all, err)
	}
	if _, err := c.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: marker.VersionId}); err != nil {
		t.Error(err)
	}
	wantContent(t, c, bucket, *key, "", "second")
	ibmVersioning(t, c, bucket, s3.BucketVersioningStatusSuspended)
	if v := aws.StringValue(ibmPut(t, c, bucket, *key, "null again").VersionId); v != "null" {
		t.Errorf("a write while suspended makes version %q", v)
	}
	wantContent(t, c, bucket, *key, first, "first")
	_, err = c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key, VersionId: aws.String("no-such-version")})
	if code := ibmCode(err); code != "NoSuchVersion" && code != "InvalidArgument" {
		t.Errorf("a version that is not there: %v", err)
	}
}

// TestIBMObjectLock: a version that is locked stays until its time, or until who may bypasses that.
func TestIBMObjectLock(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := ibmBucket(t, c, func(n *s3.CreateBucketInput) { n.ObjectLockEnabledForBucket = aws.Bool(true) }), aws.String("k")
	if _, err := c.PutObjectLockConfigurationWithContext(t.Context(), &s3.PutObjectLockConfigurationInput{
		Bucket: bucket, ObjectLockConfiguration: &s3.ObjectLockConfiguration{
			ObjectLockEnabled: aws.String(s3.ObjectLockEnabledEnabled),
			Rule:              &s3.ObjectLockRule{DefaultRetention: &s3.DefaultRetention{Mode: aws.String("GOVERNANCE"), Days: aws.Int64(2)}},
		},
	}); err != nil {
		t.Fatal(err)
	}
	lock, err := c.GetObjectLockConfigurationWithContext(t.Context(), &s3.GetObjectLockConfigurationInput{Bucket: bucket})
	if err != nil || *lock.ObjectLockConfiguration.ObjectLockEnabled != "Enabled" || *lock.ObjectLockConfiguration.Rule.DefaultRetention.Days != 2 {
		t.Errorf("%v %v", lock, err)
	}
	version := ibmPut(t, c, bucket, *key, "content").VersionId
	head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil || aws.StringValue(head.ObjectLockMode) != "GOVERNANCE" || head.ObjectLockRetainUntilDate == nil || head.ObjectLockRetainUntilDate.Before(*head.LastModified) {
		t.Errorf("%v %v", head, err)
	}
	remove := &s3.DeleteObjectInput{Bucket: bucket, Key: key, VersionId: version}
	_, err = c.DeleteObjectWithContext(t.Context(), remove)
	wantRefusal(t, "removal of a version that is locked", err, 403, "AccessDenied", "")

	// Longer is always possible, shorter only for who may bypass.
	until := head.ObjectLockRetainUntilDate.Add(24 * time.Hour)
	retain := &s3.PutObjectRetentionInput{Bucket: bucket, Key: key, Retention: &s3.ObjectLockRetention{Mode: aws.String("GOVERNANCE"), RetainUntilDate: &until}}
	if _, err := c.PutObjectRetentionWithContext(t.Context(), retain); err != nil {
		t.Error(err)
	}
	got, err := c.GetObjectRetentionWithContext(t.Context(), &s3.GetObjectRetentionInput{Bucket: bucket, Key: key})
	if err != nil || !got.Retention.RetainUntilDate.Truncate(time.Second).Equal(until.Truncate(time.Second)) {
		t.Errorf("%v %v, want %s", got, err, until)
	}
	sooner := until.Add(-36 * time.Hour)
	retain.Retention.RetainUntilDate = &sooner
	_, err = c.PutObjectRetentionWithContext(t.Context(), retain)
	wantRefusal(t, "a shorter retention", err, 403, "AccessDenied", "")
	retain.BypassGovernanceRetention = aws.Bool(true)
	if _, err := c.PutObjectRetentionWithContext(t.Context(), retain); err != nil {
		t.Error(err)
	}

	hold := func(status string) {
		t.Helper()
		if _, err := c.PutObjectLegalHoldWithContext(t.Context(), &s3.PutObjectLegalHoldInput{
			Bucket: bucket, Key: key, LegalHold: &s3.ObjectLockLegalHold{Status: &status},
		}); err != nil {
			t.Fatal(err)
		}
		if got, err := c.GetObjectLegalHoldWithContext(t.Context(), &s3.GetObjectLegalHoldInput{Bucket: bucket, Key: key}); err != nil || *got.LegalHold.Status != status {
			t.Errorf("%v %v", got, err)
		}
	}
	remove.BypassGovernanceRetention = aws.Bool(true)
	hold(s3.ObjectLockLegalHoldStatusOn)
	_, err = c.DeleteObjectWithContext(t.Context(), remove)
	wantRefusal(t, "removal of a version under a hold", err, 403, "AccessDenied", "")
	hold(s3.ObjectLockLegalHoldStatusOff)
	if _, err := c.DeleteObjectWithContext(t.Context(), remove); err != nil {
		t.Error(err)
	}

	_, err = c.PutBucketVersioningWithContext(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &s3.VersioningConfiguration{Status: aws.String("Suspended")},
	})
	wantRefusal(t, "versioning of a bucket with Object Lock", err, 409, "InvalidBucketState", "")
	_, err = c.GetObjectLockConfigurationWithContext(t.Context(), &s3.GetObjectLockConfigurationInput{Bucket: ibmBucket(t, c)})
	wantRefusal(t, "a bucket without Object Lock", err, 404, "ObjectLockConfigurationNotFoundError", "")
}

// TestIBMRetentionPolicy: what IBM alone has. Objects stay for as long as the policy of the bucket or
// their own period says, and while a hold is on them.
func TestIBMRetentionPolicy(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := ibmBucket(t, c), aws.String("k")
	if got, err := c.GetBucketProtectionConfigurationWithContext(t.Context(), &s3.GetBucketProtectionConfigurationInput{Bucket: bucket}); err != nil || aws.StringValue(got.ProtectionConfiguration.Status) != "Disabled" {
		t.Errorf("of a new bucket: %v %v", got, err)
	}
	policy := &s3.ProtectionConfiguration{
		Status:           aws.String(s3.BucketProtectionStatusRetention),
		MinimumRetention: &s3.BucketProtectionMinimumRetention{Days: aws.Int64(0)}, DefaultRetention: &s3.BucketProtectionDefaultRetention{Days: aws.Int64(0)},
		MaximumRetention: &s3.BucketProtectionMaximumRetention{Days: aws.Int64(10)},
	}
	if _, err := c.PutBucketProtectionConfigurationWithContext(t.Context(), &s3.PutBucketProtectionConfigurationInput{Bucket: bucket, ProtectionConfiguration: policy}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetBucketProtectionConfigurationWithContext(t.Context(), &s3.GetBucketProtectionConfigurationInput{Bucket: bucket})
	if err != nil || *got.ProtectionConfiguration.Status != "Retention" || *got.ProtectionConfiguration.MaximumRetention.Days != 10 {
		t.Errorf("%v %v", got, err)
	}
	_, err = c.PutBucketVersioningWithContext(t.Context(), &s3.PutBucketVersioningInput{
		Bucket: bucket, VersioningConfiguration: &s3.VersioningConfiguration{Status: aws.String("Enabled")},
	})
	wantRefusal(t, "versioning under a retention policy", err, 409, "InvalidBucketState", "")

	// The period is in seconds. This one is over at once, and only the hold keeps the object.
	ibmPut(t, c, bucket, *key, "content", func(in *s3.PutObjectInput) {
		in.RetentionPeriod, in.RetentionLegalHoldId = aws.Int64(0), aws.String("case-1")
	})
	held := func(want int64) {
		t.Helper()
		head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
		if err != nil || aws.Int64Value(head.RetentionLegalHoldCount) != want || head.RetentionPeriod == nil {
			t.Errorf("%v %v, want %d holds", head, err, want)
		}
	}
	held(1)
	if _, err := c.AddLegalHoldWithContext(t.Context(), &s3.AddLegalHoldInput{Bucket: bucket, Key: key, RetentionLegalHoldId: aws.String("case-2")}); err != nil {
		t.Error(err)
	}
	// The client looks for the holds under a name that the document does not have: it counts none.
	holds, err := c.ListLegalHoldsWithContext(t.Context(), &s3.ListLegalHoldsInput{Bucket: bucket, Key: key})
	if err != nil || holds.CreateTime == nil || holds.RetentionPeriodExpirationDate == nil || aws.Int64Value(holds.RetentionPeriod) != 0 {
		t.Errorf("%v %v", holds, err)
	}
	held(2)
	remove := &s3.DeleteObjectInput{Bucket: bucket, Key: key}
	for _, id := range []string{"case-1", "case-2"} {
		_, err = c.DeleteObjectWithContext(t.Context(), remove)
		wantRefusal(t, "removal under a hold", err, 403, "AccessDenied", "")
		_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key})
		wantRefusal(t, "overwriting under a hold", err, 403, "AccessDenied", "")
		if _, err := c.DeleteLegalHoldWithContext(t.Context(), &s3.DeleteLegalHoldInput{Bucket: bucket, Key: key, RetentionLegalHoldId: &id}); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.DeleteObjectWithContext(t.Context(), remove); err != nil {
		t.Error(err)
	}

	_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: key, RetentionPeriod: aws.Int64(11 * 86400)})
	wantRefusal(t, "a period over the maximum", err, 400, "InvalidArgument", "")
	_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{Bucket: ibmBucket(t, c), Key: key, RetentionPeriod: aws.Int64(1)})
	wantRefusal(t, "a period without a policy", err, 400, "InvalidRequest", "")
}

// TestIBMRetentionCanBeExtended, and not shortened. The bucket that this leaves cannot be removed.
func TestIBMRetentionCanBeExtended(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := aws.String("kept-"+time.Now().UTC().Format("150405.000000000")), aws.String("k")
	if _, err := c.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{Bucket: bucket}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutBucketProtectionConfigurationWithContext(t.Context(), &s3.PutBucketProtectionConfigurationInput{
		Bucket: bucket, ProtectionConfiguration: &s3.ProtectionConfiguration{
			Status:           aws.String(s3.BucketProtectionStatusRetention),
			MinimumRetention: &s3.BucketProtectionMinimumRetention{Days: aws.Int64(1)}, DefaultRetention: &s3.BucketProtectionDefaultRetention{Days: aws.Int64(2)},
			MaximumRetention: &s3.BucketProtectionMaximumRetention{Days: aws.Int64(10)},
		},
	}); err != nil {
		t.Fatal(err)
	}
	ibmPut(t, c, bucket, *key, "content")
	extend := func(in s3.ExtendObjectRetentionInput) error {
		in.Bucket, in.Key = bucket, key
		_, err := c.ExtendObjectRetentionWithContext(t.Context(), &in)
		return err
	}
	if err := extend(s3.ExtendObjectRetentionInput{AdditionalRetentionPeriod: aws.Int64(86400)}); err != nil {
		t.Error(err)
	}
	until := time.Now().Add(5 * 24 * time.Hour)
	if err := extend(s3.ExtendObjectRetentionInput{NewRetentionExpirationDate: &until}); err != nil {
		t.Error(err)
	}
	wantRefusal(t, "a shorter period", extend(s3.ExtendObjectRetentionInput{NewRetentionPeriod: aws.Int64(86400)}), 400, "InvalidArgument", "")
	head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: key})
	if err != nil || head.RetentionExpirationDate == nil || head.RetentionExpirationDate.Sub(until).Abs() > time.Second {
		t.Errorf("%v %v, want %s", head, err, until)
	}
	_, err = c.DeleteObjectWithContext(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: key})
	wantRefusal(t, "removal before its time", err, 403, "AccessDenied", "")
	_, err = c.DeleteBucketWithContext(t.Context(), &s3.DeleteBucketInput{Bucket: bucket})
	wantRefusal(t, "removal of the bucket", err, 409, "BucketNotEmpty", "")
}

// TestIBMRestore: there is nothing to restore of an object that is not archived.
func TestIBMRestore(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := ibmBucket(t, c), aws.String("k")
	ibmPut(t, c, bucket, *key, "content")
	restore := &s3.RestoreObjectInput{Bucket: bucket, Key: key, RestoreRequest: &s3.RestoreRequest{
		Days: aws.Int64(3), GlacierJobParameters: &s3.GlacierJobParameters{Tier: aws.String("Bulk")},
	}}
	_, err := c.RestoreObjectWithContext(t.Context(), restore)
	wantRefusal(t, "what is not archived", err, 403, "ObjectAlreadyInActiveTierError", "")
}
