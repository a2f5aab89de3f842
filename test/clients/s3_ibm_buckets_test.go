package clients_test

import (
	"fmt"
	"net/http"
	"net/url"
	"testing"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/google/go-cmp/cmp"
)

// ibmStore makes an object storage instance of its own, and returns IBM's client for it with the
// instance's CRN and GUID.
func ibmStore(t *testing.T) (c *s3.S3, instance, guid string) {
	t.Helper()
	p := administrator(t)
	made, resp, err := p.resources.CreateResourceInstance(p.resources.NewCreateResourceInstanceOptions(
		t.Name(), "global", env(t, "STRONGROOM_RESOURCE_GROUP_ID"), cosPlan))
	ok(t, resp, err, http.StatusCreated)
	return ibmClientWith(t, ibmiam.NewStaticCredentials(aws.NewConfig(), env(t, "STRONGROOM_URL")+"/identity/token",
		env(t, "STRONGROOM_API_KEY"), *made.CRN)), *made.CRN, *made.GUID
}

// in puts a new bucket into a location.
func in(location string) func(*s3.CreateBucketInput) {
	return func(n *s3.CreateBucketInput) {
		n.CreateBucketConfiguration = &s3.CreateBucketConfiguration{LocationConstraint: &location}
	}
}

// TestIBMListsBuckets: the extended list says where buckets are, and goes on where a page ends.
func TestIBMListsBuckets(t *testing.T) {
	t.Parallel()
	c, instance, guid := ibmStore(t)
	stem := fmt.Sprintf("list-%x-", random(t, 6))
	want := map[string]string{stem + "a": "us-south-standard", stem + "b": "us-south-smart", stem + "c": "eu-de-vault"}
	for name, location := range want {
		ibmBucket(t, c, in(location), func(n *s3.CreateBucketInput) { n.Bucket = &name })
	}
	all, err := c.ListBucketsWithContext(t.Context(), &s3.ListBucketsInput{})
	if err != nil || len(all.Buckets) != 3 || aws.StringValue(all.Owner.ID) == "" || all.Buckets[0].CreationDate == nil {
		t.Errorf("%v %v", all, err)
	}
	got, pages := map[string]string{}, 0
	if err := c.ListBucketsExtendedPagesWithContext(t.Context(), &s3.ListBucketsExtendedInput{MaxKeys: aws.Int64(2), IBMServiceInstanceId: &instance, Prefix: aws.String(stem)},
		func(page *s3.ListBucketsExtendedOutput, _ bool) bool {
			for _, b := range page.Buckets {
				got[*b.Name] = *b.LocationConstraint
			}
			pages++
			return true
		}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" || pages != 2 {
		t.Errorf("%d pages, (-want +got)\n%s", pages, diff)
	}
	for name, location := range want {
		where, err := c.GetBucketLocationWithContext(t.Context(), &s3.GetBucketLocationInput{Bucket: &name})
		if err != nil || aws.StringValue(where.LocationConstraint) != location {
			t.Errorf("%s: %v %v", name, where, err)
		}
	}
	// Another instance has none of them, whether it is named by CRN or GUID.
	if other, err := ibmClient(t).ListBucketsExtendedWithContext(t.Context(), &s3.ListBucketsExtendedInput{Prefix: aws.String(stem)}); err != nil || len(other.Buckets) != 0 {
		t.Errorf("of another instance: %v %v", other, err)
	}
	if same, err := ibmClient(t).ListBucketsExtendedWithContext(t.Context(), &s3.ListBucketsExtendedInput{IBMServiceInstanceId: &guid}); err != nil || len(same.Buckets) != 3 {
		t.Errorf("by GUID: %v %v", same, err)
	}
	// HMAC credentials name no instance: theirs is the first of the account, however many there are.
	first := ibmBucket(t, hmacClient(t))
	if head, err := ibmClient(t).ListBucketsExtendedWithContext(t.Context(), &s3.ListBucketsExtendedInput{Prefix: first}); err != nil || len(head.Buckets) != 1 {
		t.Errorf("in the first instance: %v %v", head, err)
	}

	_, err = c.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{Bucket: aws.String(stem + "a")})
	if code := ibmCode(err); code != "BucketAlreadyExists" && code != "BucketAlreadyOwnedByYou" {
		t.Errorf("a name that is taken: %v", err)
	}
	_, err = c.CreateBucketWithContext(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("No_Such_Name")})
	wantRefusal(t, "a bad name", err, 400, "InvalidBucketName", "")
	_, err = c.HeadBucketWithContext(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(stem + "none")})
	wantRefusal(t, "a bucket that is not there", err, 404, "NotFound", "")
	if err := c.WaitUntilBucketNotExistsWithContext(t.Context(), &s3.HeadBucketInput{Bucket: aws.String(stem + "none")}); err != nil {
		t.Error(err)
	}
}

// TestIBMListsObjects: pages, prefixes and folders, in the list that IBM's client has.
func TestIBMListsObjects(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)
	for _, key := range []string{"a/1", "a/2", "b", "c d/ü", "e"} {
		ibmPut(t, c, bucket, key, "content")
	}
	var keys, folders []string
	if err := c.ListObjectsPagesWithContext(t.Context(), &s3.ListObjectsInput{
		Bucket: bucket, MaxKeys: aws.Int64(2), Delimiter: aws.String("/"), EncodingType: aws.String("url"),
	}, func(page *s3.ListObjectsOutput, _ bool) bool {
		for _, o := range page.Contents {
			keys = append(keys, *o.Key)
		}
		for _, p := range page.CommonPrefixes {
			folder, err := url.QueryUnescape(*p.Prefix)
			if err != nil {
				t.Error(err)
			}
			folders = append(folders, folder)
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"b", "e"}, keys); diff != "" {
		t.Errorf("keys (-want +got)\n%s", diff)
	}
	if diff := cmp.Diff([]string{"a/", "c d/"}, folders); diff != "" {
		t.Errorf("folders (-want +got)\n%s", diff)
	}
	part, err := c.ListObjectsWithContext(t.Context(), &s3.ListObjectsInput{Bucket: bucket, Prefix: aws.String("a/"), Marker: aws.String("a/1")})
	if err != nil || len(part.Contents) != 1 || *part.Contents[0].Key != "a/2" || *part.Contents[0].Size != 7 || *part.Contents[0].StorageClass == "" {
		t.Errorf("%v %v", part, err)
	}
}

// TestIBMBucketConfiguration: a website and cross-origin rules come back as IBM's client sent them, and
// are gone when they are removed.
func TestIBMBucketConfiguration(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)

	_, err := c.GetBucketWebsiteWithContext(t.Context(), &s3.GetBucketWebsiteInput{Bucket: bucket})
	wantRefusal(t, "no website", err, 404, "NoSuchWebsiteConfiguration", "The specified bucket does not have a website configuration")
	site := &s3.WebsiteConfiguration{
		IndexDocument: &s3.IndexDocument{Suffix: aws.String("index.html")}, ErrorDocument: &s3.ErrorDocument{Key: aws.String("lost.html")},
		RoutingRules: []*s3.RoutingRule{{
			Condition: &s3.Condition{KeyPrefixEquals: aws.String("old/")}, Redirect: &s3.Redirect{ReplaceKeyPrefixWith: aws.String("new/")},
		}},
	}
	if _, err := c.PutBucketWebsiteWithContext(t.Context(), &s3.PutBucketWebsiteInput{Bucket: bucket, WebsiteConfiguration: site}); err != nil {
		t.Fatal(err)
	}
	gotSite, err := c.GetBucketWebsiteWithContext(t.Context(), &s3.GetBucketWebsiteInput{Bucket: bucket})
	if err != nil || *gotSite.IndexDocument.Suffix != "index.html" || *gotSite.ErrorDocument.Key != "lost.html" ||
		len(gotSite.RoutingRules) != 1 || *gotSite.RoutingRules[0].Redirect.ReplaceKeyPrefixWith != "new/" {
		t.Errorf("%v %v", gotSite, err)
	}
	if _, err := c.DeleteBucketWebsiteWithContext(t.Context(), &s3.DeleteBucketWebsiteInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}

	cors := &s3.CORSConfiguration{CORSRules: []*s3.CORSRule{{
		AllowedOrigins: aws.StringSlice([]string{"https://*.example"}), AllowedMethods: aws.StringSlice([]string{"GET", "PUT"}),
		AllowedHeaders: aws.StringSlice([]string{"*"}), ExposeHeaders: aws.StringSlice([]string{"ETag"}), MaxAgeSeconds: aws.Int64(60),
	}}}
	if _, err := c.PutBucketCorsWithContext(t.Context(), &s3.PutBucketCorsInput{Bucket: bucket, CORSConfiguration: cors}); err != nil {
		t.Fatal(err)
	}
	gotCORS, err := c.GetBucketCorsWithContext(t.Context(), &s3.GetBucketCorsInput{Bucket: bucket})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(cors.CORSRules[0].String(), gotCORS.CORSRules[0].String()); diff != "" {
		t.Errorf("CORS (-want +got)\n%s", diff)
	}
	if _, err := c.DeleteBucketCorsWithContext(t.Context(), &s3.DeleteBucketCorsInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	_, err = c.GetBucketCorsWithContext(t.Context(), &s3.GetBucketCorsInput{Bucket: bucket})
	wantRefusal(t, "no cross-origin rules", err, 404, "NoSuchCORSConfiguration", "")

	_, err = c.GetBucketReplicationWithContext(t.Context(), &s3.GetBucketReplicationInput{Bucket: bucket})
	wantRefusal(t, "no replication", err, 404, "ReplicationConfigurationNotFoundError", "The replication configuration was not found")
}

// TestIBMLifecycle: rules come back in their order.
func TestIBMLifecycle(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)
	_, err := c.GetBucketLifecycleConfigurationWithContext(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
	wantRefusal(t, "no lifecycle", err, 404, "NoSuchLifecycleConfiguration", "The lifecycle configuration does not exist")
	enabled, all := aws.String(s3.ExpirationStatusEnabled), &s3.LifecycleRuleFilter{Prefix: aws.String("")}
	rules := []*s3.LifecycleRule{
		{ID: aws.String("logs"), Status: enabled, Filter: &s3.LifecycleRuleFilter{Prefix: aws.String("logs/")}, Expiration: &s3.LifecycleExpiration{Days: aws.Int64(30)}},
		{ID: aws.String("uploads"), Status: enabled, Filter: all, AbortIncompleteMultipartUpload: &s3.AbortIncompleteMultipartUpload{DaysAfterInitiation: aws.Int64(3)}},
		{ID: aws.String("old"), Status: aws.String("Disabled"), Filter: all, NoncurrentVersionExpiration: &s3.NoncurrentVersionExpiration{NoncurrentDays: aws.Int64(7)}},
		{ID: aws.String("archive"), Status: enabled, Filter: all, Transitions: []*s3.Transition{{Days: aws.Int64(0), StorageClass: aws.String("GLACIER")}}},
	}
	if _, err := c.PutBucketLifecycleConfigurationWithContext(t.Context(), &s3.PutBucketLifecycleConfigurationInput{
		Bucket: bucket, LifecycleConfiguration: &s3.LifecycleConfiguration{Rules: rules},
	}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetBucketLifecycleConfigurationWithContext(t.Context(), &s3.GetBucketLifecycleConfigurationInput{Bucket: bucket})
	if err != nil || len(got.Rules) != len(rules) {
		t.Fatalf("%v %v", got, err)
	}
	for i, want := range rules {
		if diff := cmp.Diff(want.String(), got.Rules[i].String()); diff != "" {
			t.Errorf("rule %d (-want +got)\n%s", i, diff)
		}
	}
	ibmPut(t, c, bucket, "logs/1", "content")
	head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("logs/1")})
	if err != nil || aws.StringValue(head.Expiration) == "" || aws.StringValue(head.IBMTransition) == "" {
		t.Errorf("an object does not say when it ends or is archived: %v %v", head, err)
	}
	if _, err := c.DeleteBucketLifecycleWithContext(t.Context(), &s3.DeleteBucketLifecycleInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
}

// TestIBMPublicAccess: an ACL opens an object to everybody, and a block closes it again.
func TestIBMPublicAccess(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)
	ibmPut(t, c, bucket, "page", "content")
	page := &s3.PutObjectAclInput{Bucket: bucket, Key: aws.String("page"), ACL: aws.String("public-read")}
	anybody := func(want int) {
		t.Helper()
		resp, err := http.Get(env(t, "STRONGROOM_S3_URL") + "/" + *bucket + "/page")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("anybody is answered with %d, want %d", resp.StatusCode, want)
		}
	}
	anybody(403)
	if _, err := c.PutObjectAclWithContext(t.Context(), page); err != nil {
		t.Fatal(err)
	}
	acl, err := c.GetObjectAclWithContext(t.Context(), &s3.GetObjectAclInput{Bucket: bucket, Key: page.Key})
	if err != nil || len(acl.Grants) != 2 || aws.StringValue(acl.Grants[0].Permission) != "FULL_CONTROL" ||
		aws.StringValue(acl.Grants[1].Grantee.URI) != "http://acs.amazonaws.com/groups/global/AllUsers" || aws.StringValue(acl.Grants[1].Permission) != "READ" {
		t.Errorf("%v %v", acl, err)
	}
	anybody(200)
	block := &s3.PublicAccessBlockConfiguration{BlockPublicAcls: aws.Bool(true), IgnorePublicAcls: aws.Bool(true)}
	if _, err := c.PutPublicAccessBlockWithContext(t.Context(), &s3.PutPublicAccessBlockInput{Bucket: bucket, PublicAccessBlockConfiguration: block}); err != nil {
		t.Fatal(err)
	}
	blocked, err := c.GetPublicAccessBlockWithContext(t.Context(), &s3.GetPublicAccessBlockInput{Bucket: bucket})
	if err != nil || !aws.BoolValue(blocked.PublicAccessBlockConfiguration.BlockPublicAcls) || !aws.BoolValue(blocked.PublicAccessBlockConfiguration.IgnorePublicAcls) {
		t.Errorf("%v %v", blocked, err)
	}
	anybody(403)
	_, err = c.PutObjectAclWithContext(t.Context(), page)
	wantRefusal(t, "a public ACL that is blocked", err, 403, "AccessDenied", "")
	if _, err := c.DeletePublicAccessBlockWithContext(t.Context(), &s3.DeletePublicAccessBlockInput{Bucket: bucket}); err != nil {
		t.Error(err)
	}
	anybody(200)

	if _, err := c.PutBucketAclWithContext(t.Context(), &s3.PutBucketAclInput{Bucket: bucket, ACL: aws.String("private")}); err != nil {
		t.Error(err)
	}
	if acl, err := c.GetBucketAclWithContext(t.Context(), &s3.GetBucketAclInput{Bucket: bucket}); err != nil || len(acl.Grants) != 1 {
		t.Errorf("%v %v", acl, err)
	}
}

// TestIBMTags of objects are read, replaced and removed.
func TestIBMTags(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket, key := ibmBucket(t, c), aws.String("k")
	ibmPut(t, c, bucket, *key, "content", func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1&b=x%20y") })
	want := func(n int) {
		t.Helper()
		got, err := c.GetObjectTaggingWithContext(t.Context(), &s3.GetObjectTaggingInput{Bucket: bucket, Key: key})
		if err != nil || len(got.TagSet) != n {
			t.Errorf("%v %v, want %d tags", got, err, n)
		}
	}
	want(2)
	got, err := c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil || aws.Int64Value(got.TagCount) != 2 {
		t.Errorf("%v %v", got, err)
	}
	put := &s3.PutObjectTaggingInput{Bucket: bucket, Key: key, Tagging: &s3.Tagging{TagSet: []*s3.Tag{{Key: aws.String("c"), Value: aws.String("")}}}}
	if _, err := c.PutObjectTaggingWithContext(t.Context(), put); err != nil {
		t.Error(err)
	}
	want(1)
	put.Tagging.TagSet = append(put.Tagging.TagSet, &s3.Tag{Key: aws.String("c"), Value: aws.String("again")})
	_, err = c.PutObjectTaggingWithContext(t.Context(), put)
	wantRefusal(t, "a tag twice", err, 400, "InvalidTag", "")
	if _, err := c.DeleteObjectTaggingWithContext(t.Context(), &s3.DeleteObjectTaggingInput{Bucket: bucket, Key: key}); err != nil {
		t.Error(err)
	}
	want(0)
}
