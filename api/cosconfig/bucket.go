package cosconfig

import (
	"context"
	"net/http"
	"time"

	"strongroom/iam"
	"strongroom/objects"
)

// bucket is the configuration of a bucket on the wire. What is not set is not there.
type bucket struct {
	Name                  string    `json:"name"`
	CRN                   string    `json:"crn"`
	ServiceInstanceID     string    `json:"service_instance_id"`
	ServiceInstanceCRN    string    `json:"service_instance_crn"`
	TimeCreated           string    `json:"time_created"`
	TimeUpdated           string    `json:"time_updated"`
	ObjectCount           int64     `json:"object_count"` // of all versions, like BytesUsed
	BytesUsed             int64     `json:"bytes_used"`
	NoncurrentObjectCount int64     `json:"noncurrent_object_count"`
	NoncurrentBytesUsed   int64     `json:"noncurrent_bytes_used"`
	DeleteMarkerCount     int64     `json:"delete_marker_count"`
	HardQuota             int64     `json:"hard_quota,omitempty"`
	Firewall              *firewall `json:"firewall,omitempty"`
	ActivityTracking      *activity `json:"activity_tracking,omitempty"`
	MetricsMonitoring     *metrics  `json:"metrics_monitoring,omitempty"`
}

type firewall struct {
	AllowedIP          []string `json:"allowed_ip,omitempty"`
	DeniedIP           []string `json:"denied_ip,omitempty"`
	AllowedNetworkType []string `json:"allowed_network_type,omitempty"`
}

type activity struct {
	ReadDataEvents   bool   `json:"read_data_events"`
	WriteDataEvents  bool   `json:"write_data_events"`
	ManagementEvents bool   `json:"management_events"`
	CRN              string `json:"activity_tracker_crn,omitempty"`
}

type metrics struct {
	UsageMetricsEnabled   bool   `json:"usage_metrics_enabled"`
	RequestMetricsEnabled bool   `json:"request_metrics_enabled"`
	CRN                   string `json:"metrics_monitoring_crn,omitempty"`
}

// view says a bucket in the words of the wire, the parts included that allowed contains.
func view(b *objects.Bucket, u objects.Usage, allowed map[iam.Action]bool) bucket {
	instance := b.CRN()
	instance.Type, instance.Resource = "", ""
	out := bucket{
		Name: b.Name, CRN: b.CRN().String(), ServiceInstanceID: string(b.Instance), ServiceInstanceCRN: instance.String(),
		TimeCreated: instant(b.Created), TimeUpdated: instant(b.Updated),
		ObjectCount: u.Objects, BytesUsed: u.Bytes, NoncurrentObjectCount: u.NoncurrentObjects,
		NoncurrentBytesUsed: u.NoncurrentBytes, DeleteMarkerCount: u.DeleteMarkers, HardQuota: b.Quota,
	}
	if f := b.Firewall; f != nil && allowed[objects.ActionBucketGetFirewall] {
		out.Firewall = &firewall{f.AllowedIP, f.DeniedIP, f.NetworkType}
	}
	if a := b.Activity; a != nil && allowed[objects.ActionBucketGetActivityTracking] {
		out.ActivityTracking = &activity{a.ReadData, a.WriteData, a.Management, a.CRN}
	}
	if m := b.Metrics; m != nil && allowed[objects.ActionBucketGetMetricsMonitoring] {
		out.MetricsMonitoring = &metrics{m.Usage, m.Request, m.CRN}
	}
	return out
}

// instant is a time on the wire.
func instant(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func (s *server) read(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	name := c.Path("bucket")
	b, err := s.objects.Bucket(ctx, who, objects.ActionBucketGetBasic, name)
	if err != nil {
		return answer{}, err
	}
	usage, err := s.objects.Usage(ctx, b.Bucket)
	if err != nil {
		return answer{}, err
	}
	allowed := map[iam.Action]bool{}
	for _, action := range []iam.Action{
		objects.ActionBucketGetFirewall, objects.ActionBucketGetActivityTracking, objects.ActionBucketGetMetricsMonitoring,
	} {
		if allowed[action], err = s.objects.Allows(ctx, who, action, name); err != nil {
			return answer{}, err
		}
	}
	return answer{Header: http.Header{"Etag": {`"` + b.ETag() + `"`}}, Body: view(&b.Bucket, usage, allowed)}, nil
}
