package strongroom

import (
	"context"
	"net/http"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Job is work on a bucket in the background, as JSON.
type Job struct {
	ID        string   `json:"id"`
	Bucket    string   `json:"bucket"`
	Kind      string   `json:"kind"`
	State     string   `json:"state"`
	Root      string   `json:"root_key_crn,omitempty"` // of a rekeying; empty is the provider's
	Reencrypt bool     `json:"reencrypt,omitempty"`
	Sample    int      `json:"sample,omitempty"`
	Done      int64    `json:"objects_done"`
	Total     int64    `json:"objects_total"`
	Bytes     int64    `json:"bytes"`
	Bad       int64    `json:"objects_bad"`
	Findings  []string `json:"findings"`
	CreatedAt string   `json:"created_at"`
	UpdatedAt string   `json:"updated_at"`
	By        string   `json:"created_by,omitempty"`
}

// JobList is the jobs of a bucket, the newest first.
type JobList struct {
	Jobs []Job `json:"jobs"`
}

func newJob(j objects.Job) Job {
	out := Job{
		ID: j.ID, Bucket: j.Name, Kind: string(j.Kind), State: string(j.State), Reencrypt: j.Reencrypt, Sample: j.Sample,
		Done: j.Done, Total: j.Total, Bytes: j.Bytes, Bad: j.Bad, Findings: j.Findings,
		CreatedAt: stamp(j.Created), UpdatedAt: stamp(j.Updated), By: j.By,
	}
	if j.Root != (crn.CRN{}) {
		out.Root = j.Root.String()
	}
	if out.Findings == nil {
		out.Findings = []string{}
	}
	return out
}

func jobAnswer(j objects.Job, err error) (httpface.Answer, error) {
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: newJob(j)}, nil
}

func (f *face) rewrap(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := decode(c, &struct{}{}); err != nil {
		return f.refuseBucket(ctx, who, c, objects.ActionBucketRewrap, err)
	}
	return jobAnswer(f.objects.StartRewrap(ctx, who, c.Path("bucket")))
}

// rekeying is the body of a rekeying. Exactly one of the first two is given.
type rekeying struct {
	Root      string `json:"root_key_crn"`
	Provider  bool   `json:"provider_key"`
	Reencrypt bool   `json:"reencrypt"`
}

func (f *face) rekey(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var b rekeying
	err := decode(c, &b)
	if err == nil && (b.Root == "") != b.Provider {
		err = errBody.On("root_key_crn, provider_key", "exactly one of them is needed")
	}
	if err != nil {
		return f.refuseBucket(ctx, who, c, objects.ActionBucketRekey, err)
	}
	return jobAnswer(f.objects.StartRekey(ctx, who, c.Path("bucket"), b.Root, b.Reencrypt))
}

func (f *face) verifyBucket(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var b struct {
		Sample int `json:"sample"`
	}
	err := decode(c, &b)
	if err == nil && b.Sample < 0 {
		err = errBody.On("sample", "must not be negative")
	}
	if err != nil {
		return f.refuseBucket(ctx, who, c, objects.ActionBucketVerify, err)
	}
	return jobAnswer(f.objects.StartVerify(ctx, who, c.Path("bucket"), b.Sample))
}

func (f *face) bucketJobs(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	list, err := f.objects.Jobs(ctx, who, c.Path("bucket"))
	if err != nil {
		return httpface.Answer{}, err
	}
	out := JobList{Jobs: []Job{}}
	for _, j := range list {
		out.Jobs = append(out.Jobs, newJob(j))
	}
	return httpface.Answer{Body: out}, nil
}

func (f *face) bucketJob(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	return jobAnswer(f.objects.Job(ctx, who, c.Path("bucket"), c.Path("id")))
}

// patchBucket changes options of a bucket that S3 and the resource configuration have no words for.
func (f *face) patchBucket(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var b struct {
		OpaqueETags *bool `json:"opaque_etags"`
	}
	err := decode(c, &b)
	if err == nil && b.OpaqueETags == nil {
		err = errBody.On("opaque_etags", "is missing")
	}
	if err != nil {
		return f.refuseBucket(ctx, who, c, objects.ActionBucketPutEncryption, err)
	}
	_, err = f.objects.Configure(ctx, who, objects.ActionBucketPutEncryption, c.Path("bucket"), objects.SetOpaqueETags(*b.OpaqueETags))
	return httpface.Answer{}, err
}

func (f *face) refuseBucket(ctx context.Context, who iam.Caller, c *httpface.Call, action iam.Action, cause error) (httpface.Answer, error) {
	return httpface.Answer{}, f.objects.Refuse(ctx, who, action, c.Path("bucket"), "", cause)
}

// bucketRoutes are operations on buckets that S3 has no words for.
func (f *face) bucketRoutes() []httpface.Route[iam.Caller] {
	const bucket = "/strongroom/v1/buckets/{bucket}"
	return []httpface.Route[iam.Caller]{
		{Method: "PATCH", Path: bucket, Action: string(objects.ActionBucketPutEncryption), Status: http.StatusNoContent, Handle: f.patchBucket},
		{Method: "POST", Path: bucket + "/rewrap", Action: string(objects.ActionBucketRewrap), Status: http.StatusAccepted, Handle: f.rewrap},
		{Method: "POST", Path: bucket + "/rekey", Action: string(objects.ActionBucketRekey), Status: http.StatusAccepted, Handle: f.rekey},
		{Method: "POST", Path: bucket + "/verify", Action: string(objects.ActionBucketVerify), Status: http.StatusAccepted, Handle: f.verifyBucket},
		{Method: "GET", Path: bucket + "/jobs", Action: string(objects.ActionBucketGetJobs), Handle: f.bucketJobs},
		{Method: "GET", Path: bucket + "/jobs/{id}", Action: string(objects.ActionBucketGetJobs), Handle: f.bucketJob},
	}
}
