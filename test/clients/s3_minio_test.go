package clients_test

import (
	"bytes"
	"io"
	"net/url"
	"testing"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// TestMinio: the client of MinIO, which signs its chunks itself, in every way it has to put an object.
func TestMinio(t *testing.T) {
	bucket := awsBucket(t, awsClient(t))
	at, err := url.Parse(env(t, "AWS_ENDPOINT_URL_S3"))
	if err != nil {
		t.Fatal(err)
	}
	for _, trailing := range []bool{false, true} {
		c, err := minio.New(at.Host, &minio.Options{
			Creds:  credentials.NewStaticV4(env(t, "AWS_ACCESS_KEY_ID"), env(t, "AWS_SECRET_ACCESS_KEY"), ""),
			Secure: at.Scheme == "https", Region: "us-south", BucketLookup: minio.BucketLookupPath, TrailingHeaders: trailing,
		})
		if err != nil {
			t.Fatal(err)
		}
		content := random(t, 6<<20)
		for _, tc := range []struct {
			name string
			size int
			opts minio.PutObjectOptions
		}{
			{"small", 10, minio.PutObjectOptions{}},
			{"nothing", 0, minio.PutObjectOptions{}},
			{"in chunks", 300_000, minio.PutObjectOptions{DisableMultipart: true}},
			{"with an MD5", 300_000, minio.PutObjectOptions{SendContentMd5: true}},
			{"in parts", 6 << 20, minio.PutObjectOptions{PartSize: 5 << 20}},
			{"with a checksum", 300_000, minio.PutObjectOptions{Checksum: minio.ChecksumCRC32C}},
		} {
			if tc.opts.Checksum.IsSet() && !trailing {
				continue // the client sends checksums in trailers alone
			}
			const key = "a b/ü+(1)//x.txt"
			if _, err := c.PutObject(t.Context(), *bucket, key, bytes.NewReader(content[:tc.size]), int64(tc.size), tc.opts); err != nil {
				t.Errorf("trailing %v, %s: %v", trailing, tc.name, err)
				continue
			}
			got, err := c.GetObject(t.Context(), *bucket, key, minio.GetObjectOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if body, err := io.ReadAll(got); err != nil || !bytes.Equal(body, content[:tc.size]) {
				t.Errorf("trailing %v, %s: %d bytes, %v", trailing, tc.name, len(body), err)
			}
		}
		for o := range c.ListObjects(t.Context(), *bucket, minio.ListObjectsOptions{Recursive: true}) {
			if o.Err != nil {
				t.Error(o.Err)
			} else if err := c.RemoveObject(t.Context(), *bucket, o.Key, minio.RemoveObjectOptions{}); err != nil {
				t.Error(err)
			}
		}
		_, err = c.StatObject(t.Context(), *bucket, "a b/ü+(1)//x.txt", minio.StatObjectOptions{})
		if refused := minio.ToErrorResponse(err); err == nil || refused.Code != "NoSuchKey" {
			t.Errorf("after it was removed: %v", err)
		}
	}
}
