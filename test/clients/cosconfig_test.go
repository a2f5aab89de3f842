package clients_test

import (
	"bytes"
	"net/http"
	"testing"

	rc "github.com/IBM/ibm-cos-sdk-go-config/v2/resourceconfigurationv1"
	"github.com/IBM/ibm-cos-sdk-go/aws"
	"github.com/IBM/ibm-cos-sdk-go/service/s3"
)

// TestBucketConfiguration: quota, firewall and tracking, by IBM's client for the configuration of
// buckets, at the address that Terraform takes from the environment.
func TestBucketConfiguration(t *testing.T) {
	t.Parallel()
	service, err := rc.NewResourceConfigurationV1(&rc.ResourceConfigurationV1Options{
		URL: env(t, "IBMCLOUD_COS_CONFIG_ENDPOINT"), Authenticator: administrator(t).auth,
	})
	if err != nil {
		t.Fatal(err)
	}
	c, instance, guid := ibmStore(t)
	bucket := ibmBucket(t, c)
	ibmPut(t, c, bucket, "k", "content")
	read := func() (*rc.Bucket, string) {
		t.Helper()
		got, resp, err := service.GetBucketConfig(service.NewGetBucketConfigOptions(*bucket))
		ok(t, resp, err, http.StatusOK)
		return got, resp.Headers.Get("ETag")
	}
	update := func(p *rc.BucketPatch, change ...func(*rc.UpdateBucketConfigOptions)) *rc.UpdateBucketConfigOptions {
		t.Helper()
		patch, err := p.AsPatch()
		if err != nil {
			t.Fatal(err)
		}
		o := service.NewUpdateBucketConfigOptions(*bucket)
		o.SetBucketPatch(patch)
		for _, c := range change {
			c(o)
		}
		return o
	}

	got, tag := read()
	if *got.Name != *bucket || *got.ServiceInstanceCrn != instance || *got.ServiceInstanceID != guid || *got.ObjectCount != 1 || *got.BytesUsed != 7 ||
		got.TimeCreated == nil || got.HardQuota != nil || got.Firewall != nil || got.ActivityTracking != nil || tag == "" {
		t.Errorf("%+v, ETag %q", got, tag)
	}
	resp, err := service.UpdateBucketConfig(update(&rc.BucketPatch{HardQuota: aws.Int64(100)}))
	ok(t, resp, err, http.StatusOK, http.StatusNoContent)
	resp, err = service.UpdateBucketConfig(update(&rc.BucketPatch{HardQuota: aws.Int64(200)}, func(o *rc.UpdateBucketConfigOptions) { o.SetIfMatch(tag) }))
	refused(t, resp, err, http.StatusPreconditionFailed)
	_, err = c.PutObjectWithContext(t.Context(), &s3.PutObjectInput{Bucket: bucket, Key: aws.String("big"), Body: bytes.NewReader(random(t, 101))})
	wantRefusal(t, "more than the quota", err, 403, "AccessDenied", "")

	resp, err = service.UpdateBucketConfig(update(&rc.BucketPatch{
		ActivityTracking:  &rc.ActivityTracking{ReadDataEvents: aws.Bool(true), WriteDataEvents: aws.Bool(true), ManagementEvents: aws.Bool(true)},
		MetricsMonitoring: &rc.MetricsMonitoring{UsageMetricsEnabled: aws.Bool(true)},
		Firewall:          &rc.Firewall{AllowedIp: []string{"192.0.2.0/24"}},
	}))
	ok(t, resp, err, http.StatusOK, http.StatusNoContent)
	got, _ = read()
	if *got.HardQuota != 100 || len(got.Firewall.AllowedIp) != 1 || !*got.ActivityTracking.ManagementEvents || !*got.MetricsMonitoring.UsageMetricsEnabled {
		t.Errorf("%+v", got)
	}
	_, err = c.HeadObjectWithContext(t.Context(), &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("k")})
	wantRefusal(t, "from outside the firewall", err, 403, "Forbidden", "")

	resp, err = service.UpdateBucketConfig(update(&rc.BucketPatch{Firewall: &rc.Firewall{AllowedIp: []string{}}, HardQuota: aws.Int64(0)}))
	ok(t, resp, err, http.StatusOK, http.StatusNoContent)
	wantContent(t, c, bucket, "k", "", "content")
	if got, _ := read(); got.Firewall != nil || got.HardQuota != nil || got.ActivityTracking == nil {
		t.Errorf("%+v", got)
	}
	_, resp, err = service.GetBucketConfig(service.NewGetBucketConfigOptions(*bucket + "-none"))
	refused(t, resp, err, http.StatusNotFound)
}
