package cosconfig

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

var errPatch = fault.New(fault.Invalid, "the configuration is not valid")

// optional is a member of a merge patch (RFC 7396): left out, null, or a value.
type optional[T any] struct {
	given bool
	value *T // nil for null
}

// UnmarshalJSON implements json.Unmarshaler; it is called for null too.
func (o *optional[T]) UnmarshalJSON(text []byte) error {
	o.given, o.value = true, nil
	if bytes.Equal(bytes.TrimSpace(text), []byte("null")) {
		return nil
	}
	o.value = new(T)
	return json.Unmarshal(text, o.value)
}

// onto merges the member into what there is: null removes it.
func (o optional[T]) onto(there *T) {
	switch {
	case !o.given:
	case o.value == nil:
		var none T
		*there = none
	default:
		*there = *o.value
	}
}

// patch is the body of a change. An empty object in it clears that part, as null does: Terraform sends
// one to switch a part off.
type patch struct {
	Quota      optional[int64]           `json:"hard_quota"`
	Firewall   optional[firewallPatch]   `json:"firewall"`
	Activity   optional[activityPatch]   `json:"activity_tracking"`
	Metrics    optional[metricsPatch]    `json:"metrics_monitoring"`
	Protection optional[json.RawMessage] `json:"protection_management"`
}

type firewallPatch struct {
	AllowedIP          optional[[]string] `json:"allowed_ip"`
	DeniedIP           optional[[]string] `json:"denied_ip"`
	AllowedNetworkType optional[[]string] `json:"allowed_network_type"`
}

type activityPatch struct {
	ReadDataEvents   optional[bool]   `json:"read_data_events"`
	WriteDataEvents  optional[bool]   `json:"write_data_events"`
	ManagementEvents optional[bool]   `json:"management_events"`
	CRN              optional[string] `json:"activity_tracker_crn"`
}

type metricsPatch struct {
	UsageMetricsEnabled   optional[bool]   `json:"usage_metrics_enabled"`
	RequestMetricsEnabled optional[bool]   `json:"request_metrics_enabled"`
	CRN                   optional[string] `json:"metrics_monitoring_crn"`
}

// onto returns what becomes of a firewall; nil for none.
func (p *firewallPatch) onto(there *objects.Firewall) *objects.Firewall {
	if p == nil || !p.AllowedIP.given && !p.DeniedIP.given && !p.AllowedNetworkType.given {
		return nil
	}
	var f objects.Firewall
	if there != nil {
		f = *there
	}
	p.AllowedIP.onto(&f.AllowedIP)
	p.DeniedIP.onto(&f.DeniedIP)
	p.AllowedNetworkType.onto(&f.NetworkType)
	if len(f.AllowedIP)+len(f.DeniedIP)+len(f.NetworkType) == 0 {
		return nil
	}
	return &f
}

// onto returns what becomes of activity tracking; nil for none.
func (p *activityPatch) onto(there *objects.ActivityTracking) *objects.ActivityTracking {
	if p == nil || !p.ReadDataEvents.given && !p.WriteDataEvents.given && !p.ManagementEvents.given && !p.CRN.given {
		return nil
	}
	var a objects.ActivityTracking
	if there != nil {
		a = *there
	}
	p.ReadDataEvents.onto(&a.ReadData)
	p.WriteDataEvents.onto(&a.WriteData)
	p.ManagementEvents.onto(&a.Management)
	p.CRN.onto(&a.CRN)
	return &a
}

// onto returns what becomes of metrics monitoring; nil for none.
func (p *metricsPatch) onto(there *objects.MetricsMonitoring) *objects.MetricsMonitoring {
	if p == nil || !p.UsageMetricsEnabled.given && !p.RequestMetricsEnabled.given && !p.CRN.given {
		return nil
	}
	var m objects.MetricsMonitoring
	if there != nil {
		m = *there
	}
	p.UsageMetricsEnabled.onto(&m.Usage)
	p.RequestMetricsEnabled.onto(&m.Request)
	p.CRN.onto(&m.CRN)
	return &m
}

// settings are the changes that the patch asks for.
func (p *patch) settings() ([]objects.Setting, error) {
	var list []objects.Setting
	add := func(action iam.Action, change objects.Change) {
		list = append(list, objects.Setting{Action: action, Change: change})
	}
	if p.Protection.given && p.Protection.value != nil {
		return nil, objects.ErrNotImplement.On("protection_management", "")
	}
	if p.Quota.given {
		var quota int64
		p.Quota.onto(&quota)
		add(objects.ActionBucketPutQuota, objects.SetQuota(quota))
	}
	if p.Firewall.given {
		add(objects.ActionBucketPutFirewall, func(b *objects.Bucket, now time.Time) error {
			return objects.SetFirewall(p.Firewall.value.onto(b.Firewall))(b, now)
		})
	}
	if p.Activity.given {
		add(objects.ActionBucketPutActivityTracking, func(b *objects.Bucket, now time.Time) error {
			return objects.SetActivity(p.Activity.value.onto(b.Activity))(b, now)
		})
	}
	if p.Metrics.given {
		add(objects.ActionBucketPutMetricsMonitoring, func(b *objects.Bucket, now time.Time) error {
			return objects.SetMetrics(p.Metrics.value.onto(b.Metrics))(b, now)
		})
	}
	return list, nil
}

// readPatch reads the body of a change, which must be an object.
func readPatch(body []byte) (p patch, err error) {
	if body = bytes.TrimSpace(body); len(body) == 0 || body[0] != '{' {
		return p, errPatch.On("", "the body must be a JSON object")
	}
	err = httpface.Decode(body, &p, httpface.AnyFields)
	return p, err
}

func (s *server) patch(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	name := c.Path("bucket")
	settings, err := func() ([]objects.Setting, error) {
		body, err := c.Body()
		if err != nil {
			return nil, err
		}
		p, err := readPatch(body)
		if err != nil {
			return nil, err
		}
		return p.settings()
	}()
	if err != nil {
		return answer{}, s.objects.Refuse(ctx, who, objects.ActionBucketPutQuota, name, "", err)
	}
	match := strings.Trim(c.R.Header.Get("If-Match"), `"`)
	if len(settings) == 0 { // nothing to change, for who may look
		b, err := s.objects.Bucket(ctx, who, objects.ActionBucketGetBasic, name)
		if err == nil && match != "" && match != "*" && match != b.ETag() {
			err = objects.ErrPrecondition
		}
		return answer{Status: http.StatusNoContent}, err
	}
	b, err := s.objects.ConfigureAll(ctx, who, name, match, settings)
	if err != nil {
		return answer{}, err
	}
	return answer{Header: http.Header{"Etag": {`"` + b.ETag() + `"`}}}, nil
}
