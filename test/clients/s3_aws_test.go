package clients_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

// awsClient is the client of AWS with the HMAC credentials of the credentials file.
func awsClient(t *testing.T) *s3.Client {
	t.Helper()
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(env(t, "AWS_ENDPOINT_URL_S3")), Region: "us-south", UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: env(t, "AWS_ACCESS_KEY_ID"), SecretAccessKey: env(t, "AWS_SECRET_ACCESS_KEY")}, nil
		}),
	})
}

// awsBucket makes a bucket that is emptied and removed at the end of the test.
func awsBucket(t *testing.T, c *s3.Client) *string {
	t.Helper()
	name := aws.String(fmt.Sprintf("clients-%x", random(t, 8)))
	if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: name}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		page, err := c.ListObjectVersions(ctx, &s3.ListObjectVersionsInput{Bucket: name})
		if err != nil {
			t.Error(err)
			return
		}
		for _, v := range page.Versions {
			if _, err := c.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: v.Key, VersionId: v.VersionId}); err != nil {
				t.Error(err)
			}
		}
		if _, err := c.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: name}); err != nil {
			t.Error(err)
		}
	})
	return name
}

func random(t *testing.T, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if _, err := rand.Read(b); err != nil {
		t.Fatal(err)
	}
	return b
}

// codeOf is the code of a refusal, as the client of AWS has read it.
func codeOf(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return ""
}

// TestAWSObjects: what the client of AWS puts comes back, whatever the key is called and whichever
// checksum goes with it.
func TestAWSObjects(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	content := random(t, 3<<20+17)
	for _, key := range []string{"plain", "a b/ü+(1)//x.txt", "../up/./here", "per%20cent&=?#;:@$,", "/", strings.Repeat("k", 1024)} {
		algorithms := []types.ChecksumAlgorithm{""}
		if key == "plain" {
			algorithms = append(algorithms, types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
				types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256)
		}
		for _, algorithm := range algorithms {
			put, err := c.PutObject(t.Context(), &s3.PutObjectInput{
				Bucket: bucket, Key: &key, Body: bytes.NewReader(content), ChecksumAlgorithm: algorithm,
				ContentType: aws.String("text/plain"), Metadata: map[string]string{"name": "value"},
			})
			if err != nil {
				t.Fatalf("%q %s: %v", key, algorithm, err)
			}
			if want := fmt.Sprintf(`"%x"`, md5.Sum(content)); aws.ToString(put.ETag) != want {
				t.Errorf("%q %s: ETag %s, want %s", key, algorithm, aws.ToString(put.ETag), want)
			}
			got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: &key, ChecksumMode: types.ChecksumModeEnabled})
			if err != nil {
				t.Fatalf("%q %s: %v", key, algorithm, err)
			}
			body, err := io.ReadAll(got.Body) // the client verifies the checksum
			if err != nil || !bytes.Equal(body, content) || got.Metadata["name"] != "value" || aws.ToString(got.ContentType) != "text/plain" {
				t.Errorf("%q %s: %d bytes, %v, %v", key, algorithm, len(body), got.Metadata, err)
			}
		}
		if _, err := c.DeleteObject(t.Context(), &s3.DeleteObjectInput{Bucket: bucket, Key: &key}); err != nil {
			t.Error(err)
		}
		_, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: &key})
		if codeOf(err) != "NotFound" {
			t.Errorf("%q after it was deleted: %v", key, err)
		}
	}
}

// TestAWSStream: a body whose end is not known to be the right one before it was sent.
func TestAWSStream(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	content := random(t, 200_000)
	// A reader without Seek cannot be hashed before: the client sends chunks and a trailer.
	_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("k"), Body: io.MultiReader(bytes.NewReader(content)), ContentLength: aws.Int64(int64(len(content))),
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k"), Range: aws.String("bytes=199990-")})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(body, content[199_990:]) || aws.ToString(got.ContentRange) != "bytes 199990-199999/200000" {
		t.Errorf("%d bytes, %v, %s", len(body), err, aws.ToString(got.ContentRange))
	}
}

// TestAWSParts: an upload in parts, one of them copied, with a checksum over all.
func TestAWSParts(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	key := aws.String("whole")
	first, second := random(t, 5<<20), random(t, 1000)
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("source ü"), Body: bytes.NewReader(first)}); err != nil {
		t.Fatal(err)
	}
	up, err := c.CreateMultipartUpload(t.Context(), &s3.CreateMultipartUploadInput{Bucket: bucket, Key: key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := c.UploadPartCopy(t.Context(), &s3.UploadPartCopyInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(1), CopySource: aws.String(*bucket + "/source%20%C3%BC"),
	})
	if err != nil {
		t.Fatal(err)
	}
	part, err := c.UploadPart(t.Context(), &s3.UploadPartInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId, PartNumber: aws.Int32(2), Body: bytes.NewReader(second), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
	})
	if err != nil {
		t.Fatal(err)
	}
	list, err := c.ListParts(t.Context(), &s3.ListPartsInput{Bucket: bucket, Key: key, UploadId: up.UploadId})
	if err != nil || len(list.Parts) != 2 || aws.ToInt64(list.Parts[0].Size) != 5<<20 {
		t.Errorf("%+v %v", list, err)
	}
	done, err := c.CompleteMultipartUpload(t.Context(), &s3.CompleteMultipartUploadInput{
		Bucket: bucket, Key: key, UploadId: up.UploadId,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: []types.CompletedPart{
			{PartNumber: aws.Int32(1), ETag: copied.CopyPartResult.ETag, ChecksumCRC32: copied.CopyPartResult.ChecksumCRC32},
			{PartNumber: aws.Int32(2), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(aws.ToString(done.ETag), `-2"`) || !strings.HasSuffix(aws.ToString(done.ChecksumCRC32), "-2") {
		t.Errorf("ETag %s, checksum %s", aws.ToString(done.ETag), aws.ToString(done.ChecksumCRC32))
	}
	got, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(got.Body); err != nil || !bytes.Equal(body, append(first, second...)) {
		t.Errorf("%d bytes, %v", len(body), err)
	}
}

// TestAWSCopyAndConditions: a copy with other metadata, and requests that hold only if something is so.
func TestAWSCopyAndConditions(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	put, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a"), Body: strings.NewReader("content")})
	if err != nil {
		t.Fatal(err)
	}
	copied, err := c.CopyObject(t.Context(), &s3.CopyObjectInput{
		Bucket: bucket, Key: aws.String("b"), CopySource: aws.String(*bucket + "/a"),
		MetadataDirective: types.MetadataDirectiveReplace, Metadata: map[string]string{"x": "y"},
	})
	if err != nil || aws.ToString(copied.CopyObjectResult.ETag) != aws.ToString(put.ETag) {
		t.Fatalf("%+v %v", copied, err)
	}
	head, err := c.HeadObject(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("b")})
	if err != nil || head.Metadata["x"] != "y" || aws.ToInt64(head.ContentLength) != 7 {
		t.Errorf("%+v %v", head, err)
	}
	if _, err = c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("b"), IfMatch: aws.String(`"x"`)}); codeOf(err) != "PreconditionFailed" {
		t.Errorf("another ETag: %v", err)
	}
	if _, err = c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("a"), Body: strings.NewReader("other"), IfNoneMatch: aws.String("*"),
	}); codeOf(err) != "PreconditionFailed" {
		t.Errorf("over what is there: %v", err)
	}
}

// TestAWSCustomerKeys: an object under a key of the caller is read with that key and with no other.
func TestAWSCustomerKeys(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	key := string(random(t, 32))
	sum := md5.Sum([]byte(key))
	encoded, digest := aws.String(base64.StdEncoding.EncodeToString([]byte(key))), aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{
		Bucket: bucket, Key: aws.String("k"), Body: strings.NewReader("content"),
		SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: encoded, SSECustomerKeyMD5: digest,
	}); err != nil {
		t.Fatal(err)
	}
	got, err := c.GetObject(t.Context(), &s3.GetObjectInput{
		Bucket: bucket, Key: aws.String("k"), SSECustomerAlgorithm: aws.String("AES256"), SSECustomerKey: encoded, SSECustomerKeyMD5: digest,
	})
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(got.Body); err != nil || string(body) != "content" {
		t.Errorf("%q %v", body, err)
	}
	if _, err := c.GetObject(t.Context(), &s3.GetObjectInput{Bucket: bucket, Key: aws.String("k")}); codeOf(err) != "InvalidRequest" {
		t.Errorf("without the key: %v", err)
	}
}

// TestAWSPresigned: a link works for anybody, for what it was made for.
func TestAWSPresigned(t *testing.T) {
	c := awsClient(t)
	bucket := awsBucket(t, c)
	sign := s3.NewPresignClient(c, s3.WithPresignExpires(30*24*time.Hour))
	put, err := sign.PresignPutObject(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("a b")})
	if err != nil {
		t.Fatal(err)
	}
	get, err := sign.PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: bucket, Key: aws.String("a b"), ResponseContentType: aws.String("text/html"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name, method, url, body string
		status                  int
	}{
		{"put", http.MethodPut, put.URL, "content", 200},
		{"get", http.MethodGet, get.URL, "", 200},
		{"get with the link to put", http.MethodGet, put.URL, "", 403},
		{"get something else", http.MethodGet, strings.Replace(get.URL, "a%20b", "a", 1), "", 403},
	} {
		r, err := http.NewRequestWithContext(t.Context(), tc.method, tc.url, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != tc.status {
			t.Errorf("%s: %d %s %v", tc.name, resp.StatusCode, body, err)
		}
	}
}
