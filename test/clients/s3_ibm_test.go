package clients_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/aws/awserr"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam"
	"github.com/IBM/ibm-cos-sdk-go/aws/credentials/ibmiam/tokenmanager"
	"github.com/IBM/ibm-cos-sdk-go/aws/session"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
	"github.com/IBM/ibm-cos-sdk-go/service/s3/s3manager"
)

// ibmClient is IBM's client with the API key of the credentials file.
func ibmClient(t *testing.T) *s3.S3 {
	t.Helper()
	return ibmClientWith(t, ibmiam.NewStaticCredentials(aws.NewConfig(), env(t, "STRONGROOM_URL")+"/identity/token",
		env(t, "STRONGROOM_API_KEY"), env(t, "STRONGROOM_COS_INSTANCE_CRN")))
}

// hmacClient is IBM's client with the HMAC credentials of the credentials file.
func hmacClient(t *testing.T) *s3.S3 {
	t.Helper()
	return ibmClientWith(t, credentials.NewStaticCredentials(env(t, "AWS_ACCESS_KEY_ID"), env(t, "AWS_SECRET_ACCESS_KEY"), ""))
}

func ibmClientWith(t *testing.T, who *credentials.Credentials) *s3.S3 {
	t.Helper()
	// A session writes what AWS_CA_BUNDLE says into its HTTP client, which is http.DefaultClient unless said otherwise.
	made, err := session.NewSession(aws.NewConfig().WithHTTPClient(&http.Client{}))
	if err != nil {
		t.Fatal(err)
	}
	return s3.New(made, aws.NewConfig().WithEndpoint(env(t, "STRONGROOM_S3_URL")).WithRegion(env(t, "STRONGROOM_REGION")).
		WithS3ForcePathStyle(true).WithMaxRetries(0).WithCredentials(who))
}

// ibmBucket makes a bucket that is emptied and removed at the end of the test.
func ibmBucket(t *testing.T, c *s3.S3, change ...func(*s3.CreateBucketInput)) *string {
	t.Helper()
	in := &s3.CreateBucketInput{Bucket: aws.String(fmt.Sprintf("ibm-%x", random(t, 8)))}
	for _, c := range change {
		c(in)
	}
	if _, err := c.CreateBucketWithContext(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		if err := ibmEmpty(ctx, c, in.Bucket); err != nil {
			t.Error(err)
		}
		if _, err := c.DeleteBucketWithContext(ctx, &s3.DeleteBucketInput{Bucket: in.Bucket}); err != nil && ibmCode(err) != "NoSuchBucket" {
			t.Error(err)
		}
	})
	return in.Bucket
}

// ibmEmpty removes all versions, delete markers and unfinished uploads of a bucket.
func ibmEmpty(ctx context.Context, c *s3.S3, bucket *string) error {
	all, err := c.ListObjectVersionsWithContext(ctx, &s3.ListObjectVersionsInput{Bucket: bucket})
	if ibmCode(err) == "NoSuchBucket" {
		return nil
	} else if err != nil {
		return err
	}
	var list []*s3.ObjectIdentifier
	for _, v := range all.Versions {
		list = append(list, &s3.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	for _, v := range all.DeleteMarkers {
		list = append(list, &s3.ObjectIdentifier{Key: v.Key, VersionId: v.VersionId})
	}
	if len(list) == 0 {
		return nil
	}
	removed, err := c.DeleteObjectsWithContext(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: list}})
	if err == nil && len(removed.Errors) > 0 {
		err = fmt.Errorf("%d objects stay: %v", len(removed.Errors), removed.Errors[0])
	}
	return err
}

// ibmCode is the code of a refusal, as IBM's client has read it.
func ibmCode(err error) string {
	var refused awserr.Error
	if errors.As(err, &refused) {
		return refused.Code()
	}
	return ""
}

// wantRefusal checks status, code and a part of the message of a refusal.
func wantRefusal(t *testing.T, what string, err error, status int, code, message string) {
	t.Helper()
	if err := otherThan(err, status, code, message); err != nil {
		t.Errorf("%s: %v", what, err)
	}
}

// otherThan says what an error is if it is not this refusal.
func otherThan(err error, status int, code, message string) error {
	var refused awserr.RequestFailure
	if !errors.As(err, &refused) || refused.StatusCode() != status || refused.Code() != code || !strings.Contains(refused.Message(), message) || refused.RequestID() == "" {
		return fmt.Errorf("%w, want %d %s %q with a request ID", err, status, code, message)
	}
	return nil
}

func ibmPut(t *testing.T, c *s3.S3, bucket *string, key, content string, change ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: strings.NewReader(content)}
	for _, c := range change {
		c(in)
	}
	out, err := c.PutObjectWithContext(t.Context(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return out
}

// wantContent reads an object, or a version of it.
func wantContent(t *testing.T, c *s3.S3, bucket *string, key, version, want string) {
	t.Helper()
	in := &s3.GetObjectInput{Bucket: bucket, Key: &key}
	if version != "" {
		in.VersionId = &version
	}
	got, err := c.GetObjectWithContext(t.Context(), in)
	if err != nil {
		t.Errorf("get %q: %v", key, err)
		return
	}
	defer got.Body.Close()
	if body, err := io.ReadAll(got.Body); err != nil || string(body) != want {
		t.Errorf("get %q: %d bytes, %v, want %d", key, len(body), err, len(want))
	}
}

// TestIBMObjects: what IBM's client puts comes back, with an API key and with HMAC credentials.
func TestIBMObjects(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name   string
		client *s3.S3
	}{
		{"API key", ibmClient(t)},
		{"HMAC", hmacClient(t)},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			c := tc.client
			bucket := ibmBucket(t, c)
			content := string(random(t, 100_000))
			for _, key := range []string{"plain", "a b/ü+(1)//x.txt", "per%20cent&=?#;:@$,", strings.Repeat("k", 1024)} {
				put := ibmPut(t, c, bucket, key, content, func(in *s3.PutObjectInput) {
					in.ContentType, in.CacheControl = aws.String("text/plain"), aws.String("no-store")
					in.Metadata = map[string]*string{"Colour": aws.String("green")}
				})
				if want := fmt.Sprintf(`"%x"`, md5.Sum([]byte(content))); aws.StringValue(put.ETag) != want {
					t.Errorf("%q: ETag %s, want %s", key, aws.StringValue(put.ETag), want)
				}
				wantContent(t, c, bucket, key, "", content)
				head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: &key})
				if err != nil {
					t.Fatal(err)
				}
				if aws.StringValue(head.Metadata["Colour"]) != "green" || aws.StringValue(head.ContentType) != "text/plain" ||
					aws.StringValue(head.CacheControl) != "no-store" || aws.Int64Value(head.ContentLength) != 100_000 || head.LastModified == nil {
					t.Errorf("%q: %v", key, head)
				}
				part, err := c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{
					Bucket: bucket, Key: &key, Range: aws.String("bytes=99990-"), IfMatch: put.ETag,
				})
				if err != nil {
					t.Fatal(err)
				}
				if body, err := io.ReadAll(part.Body); err != nil || string(body) != content[99_990:] || aws.StringValue(part.ContentRange) != "bytes 99990-99999/100000" {
					t.Errorf("%q: %d bytes of a range, %v, %s", key, len(body), err, aws.StringValue(part.ContentRange))
				}
			}
			missing := aws.String("missing")
			_, err := c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: missing})
			wantRefusal(t, "a key that is not there", err, 404, s3.ErrCodeNoSuchKey, "The specified key does not exist")
			_, err = c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("plain"), Range: aws.String("bytes=100000-")})
			wantRefusal(t, "a range after the end", err, 416, "InvalidRange", "")
			_, err = c.GetObjectWithContext(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("plain"), IfMatch: aws.String(`"another"`)})
			wantRefusal(t, "another ETag", err, 412, "PreconditionFailed", "")
			_, err = c.DeleteBucketWithContext(t.Context(), &s3.DeleteBucketInput{Bucket: bucket})
			wantRefusal(t, "removal of a full bucket", err, 409, "BucketNotEmpty", "")
		})
	}
}

// TestIBMTokens: IBM's client renews its tokens with the refresh token, as Terraform's provider does
// on its first update, and does not fall back on the API key.
func TestIBMTokens(t *testing.T) {
	t.Parallel()
	endpoint := env(t, "STRONGROOM_URL") + "/identity/token"
	granted := &grants{}
	manager := tokenmanager.NewTokenManagerFromAPIKey(aws.NewConfig(), env(t, "STRONGROOM_API_KEY"), endpoint, nil, nil, nil, granted)
	first, err := manager.Get()
	if err != nil {
		t.Fatal(err)
	}
	manager.StopBackgroundRefresh()
	if err := manager.Refresh(); err != nil {
		t.Fatal(err)
	}
	second, err := manager.Get()
	if err != nil {
		t.Fatal(err)
	}
	if want := "[urn:ibm:params:oauth:grant-type:apikey refresh_token]"; fmt.Sprint(granted.types) != want {
		t.Errorf("grants %v, want %s", granted.types, want)
	}
	if second.AccessToken == "" || second.RefreshToken == "" || second.TokenType != "Bearer" || second.Expiration < first.Expiration || second.ExpiresIn < 60 {
		t.Errorf("the second token lives %d s until %d, the first until %d", second.ExpiresIn, second.Expiration, first.Expiration)
	}
	// A refresh that is refused with 400 sends the client into a loop without delay.
	if status := granted.refuse(t, endpoint); status != http.StatusUnauthorized {
		t.Errorf("a bad refresh token is answered with %d, want 401", status)
	}

	c := ibmClientWith(t, ibmiam.NewStaticCredentials(aws.NewConfig(), endpoint, "no-such-key", env(t, "STRONGROOM_COS_INSTANCE_CRN")))
	if _, err := c.ListBucketsWithContext(t.Context(), &s3.ListBucketsInput{}); err == nil || !strings.Contains(err.Error(), "BXNIM0415E") {
		t.Errorf("an API key that is not there: %v", err)
	}
}

// grants sends token requests and remembers their grant types.
type grants struct{ types []string }

// Do implements tokenmanager.IBMClientDo.
func (g *grants) Do(r *http.Request) (*http.Response, error) {
	if err := r.ParseForm(); err != nil {
		return nil, err
	}
	g.types = append(g.types, r.PostForm.Get("grant_type"))
	again := r.Clone(r.Context())
	again.Body = io.NopCloser(strings.NewReader(r.PostForm.Encode()))
	again.ContentLength = int64(len(r.PostForm.Encode()))
	return http.DefaultClient.Do(again)
}

func (g *grants) refuse(t *testing.T, endpoint string) int {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, endpoint, strings.NewReader("grant_type=refresh_token&refresh_token=no-such-token"))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("bx", "bx")
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}

// TestIBMUploader: the client's own uploader and downloader, which work with parts side by side.
func TestIBMUploader(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)
	content := random(t, 12<<20+5)
	up, err := s3manager.NewUploaderWithClient(c).UploadWithContext(t.Context(), &s3manager.UploadInput{
		Bucket: bucket, Key: aws.String("whole"), Body: io.MultiReader(bytes.NewReader(content)), ContentType: aws.String("a/b"),
	})
	if err != nil {
		t.Fatal(err)
	}
	head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("whole")})
	if err != nil || up.UploadID == "" || !strings.HasSuffix(aws.StringValue(head.ETag), `-3"`) || aws.StringValue(head.ContentType) != "a/b" {
		t.Errorf("upload %q, %v, %v", up.UploadID, head, err)
	}
	got := aws.NewWriteAtBuffer(nil)
	if _, err := s3manager.NewDownloaderWithClient(c).DownloadWithContext(t.Context(), got, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("whole")}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got.Bytes(), content) {
		t.Errorf("%d bytes come back, and are others", len(got.Bytes()))
	}

	// Uploads that are not finished are listed, and can be given up.
	begun, err := c.CreateMultipartUploadWithContext(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: aws.String("half")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadPartWithContext(t.Context(), &s3.UploadPartInput{
		Bucket: bucket, Key: aws.String("half"), UploadId: begun.UploadId, PartNumber: aws.Int64(7), Body: strings.NewReader("part"),
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UploadPartCopyWithContext(t.Context(), &s3.UploadPartCopyInput{
		Bucket: bucket, Key: aws.String("half"), UploadId: begun.UploadId, PartNumber: aws.Int64(8),
		CopySource: aws.String(*bucket + "/whole"), CopySourceRange: aws.String("bytes=0-99"),
	}); err != nil {
		t.Fatal(err)
	}
	uploads, err := c.ListMultipartUploadsWithContext(t.Context(), &s3.ListMultipartUploadsInput{Bucket: bucket})
	if err != nil || len(uploads.Uploads) != 1 || aws.StringValue(uploads.Uploads[0].UploadId) != *begun.UploadId {
		t.Errorf("%v %v", uploads, err)
	}
	parts, err := c.ListPartsWithContext(t.Context(), &s3.ListPartsInput{Bucket: bucket, Key: aws.String("half"), UploadId: begun.UploadId})
	if err != nil || len(parts.Parts) != 2 || aws.Int64Value(parts.Parts[0].PartNumber) != 7 || aws.Int64Value(parts.Parts[1].Size) != 100 {
		t.Errorf("%v %v", parts, err)
	}
	abort := &s3.AbortMultipartUploadInput{Bucket: bucket, Key: aws.String("half"), UploadId: begun.UploadId}
	if _, err := c.AbortMultipartUploadWithContext(t.Context(), abort); err != nil {
		t.Error(err)
	}
	_, err = c.AbortMultipartUploadWithContext(t.Context(), abort)
	wantRefusal(t, "an upload that was given up", err, 404, "NoSuchUpload", "")
}

// TestIBMCopies: within a bucket and to another, with the metadata of the source or with others.
func TestIBMCopies(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	from, to := ibmBucket(t, c), ibmBucket(t, c)
	put := ibmPut(t, c, from, "source ü", "content", func(in *s3.PutObjectInput) {
		in.Metadata, in.Tagging = map[string]*string{"A": aws.String("1")}, aws.String("k=v")
	})
	source := aws.String(*from + "/source%20%C3%BC")
	copied, err := c.CopyObjectWithContext(t.Context(), &s3.CopyObjectInput{Bucket: to, Key: aws.String("same"), CopySource: source})
	if err != nil || aws.StringValue(copied.CopyObjectResult.ETag) != *put.ETag {
		t.Fatalf("%v %v", copied, err)
	}
	if _, err := c.CopyObjectWithContext(t.Context(), &s3.CopyObjectInput{
		Bucket: from, Key: aws.String("other"), CopySource: source,
		MetadataDirective: aws.String(s3.MetadataDirectiveReplace), Metadata: map[string]*string{"B": aws.String("2")},
		TaggingDirective: aws.String(s3.TaggingDirectiveReplace), Tagging: aws.String("x=y"),
	}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		bucket        *string
		key, name, is string
		tag           string
	}{{to, "same", "A", "1", "k=v"}, {from, "other", "B", "2", "x=y"}} {
		wantContent(t, c, tc.bucket, tc.key, "", "content")
		head, err := c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: tc.bucket, Key: &tc.key})
		if err != nil || len(head.Metadata) != 1 || aws.StringValue(head.Metadata[tc.name]) != tc.is {
			t.Errorf("%s: %v %v", tc.key, head, err)
		}
		tags, err := c.GetObjectTaggingWithContext(t.Context(), &s3.GetObjectTaggingInput{Bucket: tc.bucket, Key: &tc.key})
		if err != nil || len(tags.TagSet) != 1 || *tags.TagSet[0].Key+"="+*tags.TagSet[0].Value != tc.tag {
			t.Errorf("%s: %v %v", tc.key, tags, err)
		}
	}
	_, err = c.CopyObjectWithContext(t.Context(), &s3.CopyObjectInput{Bucket: to, Key: aws.String("x"), CopySource: aws.String(*from + "/missing")})
	wantRefusal(t, "a source that is not there", err, 404, s3.ErrCodeNoSuchKey, "")
	_, err = c.CopyObjectWithContext(t.Context(), &s3.CopyObjectInput{Bucket: to, Key: aws.String("x"), CopySource: source, CopySourceIfMatch: aws.String(`"x"`)})
	wantRefusal(t, "a source with another ETag", err, 412, "PreconditionFailed", "")
}

// TestIBMDeletesMany: one request removes many, and says what it has done to each.
func TestIBMDeletesMany(t *testing.T) {
	t.Parallel()
	c := ibmClient(t)
	bucket := ibmBucket(t, c)
	var list []*s3.ObjectIdentifier
	for i := range 5 {
		key := fmt.Sprintf("a&b<%d>/ü", i)
		ibmPut(t, c, bucket, key, "content")
		list = append(list, &s3.ObjectIdentifier{Key: &key})
	}
	list = append(list, &s3.ObjectIdentifier{Key: aws.String("never was there")})
	done, err := c.DeleteObjectsWithContext(t.Context(), &s3.DeleteObjectsInput{Bucket: bucket, Delete: &s3.Delete{Objects: list}})
	if err != nil || len(done.Deleted) != 6 || len(done.Errors) != 0 {
		t.Errorf("%v %v", done, err)
	}
	ibmPut(t, c, bucket, "k", "content")
	done, err = c.DeleteObjectsWithContext(t.Context(), &s3.DeleteObjectsInput{
		Bucket: bucket, Delete: &s3.Delete{Quiet: aws.Bool(true), Objects: []*s3.ObjectIdentifier{{Key: aws.String("k")}}},
	})
	if err != nil || len(done.Deleted) != 0 || len(done.Errors) != 0 {
		t.Errorf("quietly: %v %v", done, err)
	}
	left, err := c.ListObjectsWithContext(t.Context(), &s3.ListObjectsInput{Bucket: bucket})
	if err != nil || len(left.Contents) != 0 {
		t.Errorf("%v %v", left, err)
	}
}
