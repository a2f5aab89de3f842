package s3

import (
	"context"
	"encoding/xml"
	"maps"
	"slices"
	"time"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type lifecycleConfiguration struct {
	XMLName xml.Name `xml:"LifecycleConfiguration"`
	xmlns
	Rules []lifecycleRule `xml:"Rule"`
}

type lifecycleRule struct {
	ID     string `xml:",omitempty"`
	Status string
	Prefix *string          `xml:",omitempty"` // as documents had it before there were filters
	Filter *lifecycleFilter `xml:",omitempty"`

	Expiration                     *expiration           `xml:",omitempty"`
	NoncurrentVersionExpiration    *noncurrentExpiration `xml:",omitempty"`
	AbortIncompleteMultipartUpload *abortUpload          `xml:",omitempty"`
	Transition                     []transition          `xml:",omitempty"`
	NoncurrentVersionTransition    *struct{}             `xml:",omitempty"`
}

// lifecycleFilter has at most one member.
type lifecycleFilter struct {
	Prefix                *string       `xml:",omitempty"`
	Tag                   *tag          `xml:",omitempty"`
	ObjectSizeGreaterThan *int64        `xml:",omitempty"`
	ObjectSizeLessThan    *int64        `xml:",omitempty"`
	And                   *lifecycleAnd `xml:",omitempty"`
}

type lifecycleAnd struct {
	Prefix                *string `xml:",omitempty"`
	Tags                  []tag   `xml:"Tag,omitempty"`
	ObjectSizeGreaterThan *int64  `xml:",omitempty"`
	ObjectSizeLessThan    *int64  `xml:",omitempty"`
}

type expiration struct {
	Days                      *int     `xml:",omitempty"`
	Date                      string   `xml:",omitempty"`
	ExpiredObjectDeleteMarker *boolean `xml:",omitempty"`
}

type noncurrentExpiration struct {
	NoncurrentDays          *int `xml:",omitempty"`
	NewerNoncurrentVersions *int `xml:",omitempty"`
}

type abortUpload struct{ DaysAfterInitiation int }

type transition struct {
	Days         *int   `xml:",omitempty"`
	Date         string `xml:",omitempty"`
	StorageClass string
}

func (f *face) getLifecycle(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		if len(b.Lifecycle) == 0 {
			return nil, errNoLifecycle
		}
		return newLifecycle(b.Lifecycle), nil
	})
}

func (f *face) putLifecycle(ctx context.Context, q *request) (httpface.Answer, error) {
	var in lifecycleConfiguration
	if err := q.readDigestedXML(&in); err != nil {
		return httpface.Answer{}, err
	}
	rules, err := in.rules()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetLifecycle(rules))
}

func (f *face) deleteLifecycle(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.configure(ctx, q, objects.SetLifecycle(nil))
}

func (in *lifecycleConfiguration) rules() ([]objects.LifecycleRule, error) {
	if len(in.Rules) == 0 {
		return nil, errXML.On("LifecycleConfiguration", "it has no rule")
	}
	rules := make([]objects.LifecycleRule, len(in.Rules))
	for i := range in.Rules {
		r, err := in.Rules[i].rule()
		if err != nil {
			return nil, err
		}
		rules[i] = r
	}
	return rules, nil
}

func (in *lifecycleRule) rule() (r objects.LifecycleRule, err error) {
	r.ID, r.Enabled = in.ID, in.Status == "Enabled"
	switch {
	case in.Status != "Enabled" && in.Status != "Disabled":
		return r, errXML.On("Status", "it must be Enabled or Disabled")
	case in.NoncurrentVersionTransition != nil:
		return r, objects.ErrNotImplement.On("NoncurrentVersionTransition", "")
	}
	if err = in.filter(&r); err != nil {
		return r, err
	}
	if err = in.Expiration.onto(&r); err != nil {
		return r, err
	}
	if e := in.NoncurrentVersionExpiration; e != nil {
		if e.NoncurrentDays == nil || *e.NoncurrentDays < 1 {
			return r, errParameter.On("NoncurrentDays", "it must be positive")
		}
		r.NoncurrentDays = *e.NoncurrentDays
		if e.NewerNoncurrentVersions != nil {
			if r.NoncurrentKeep = *e.NewerNoncurrentVersions; r.NoncurrentKeep < 1 {
				return r, errParameter.On("NewerNoncurrentVersions", "it must be positive")
			}
		}
	}
	if a := in.AbortIncompleteMultipartUpload; a != nil {
		if a.DaysAfterInitiation < 1 {
			return r, errParameter.On("DaysAfterInitiation", "it must be positive")
		}
		r.AbortDays = a.DaysAfterInitiation
	}
	return r, in.transition(&r)
}

// filter reads what the rule is about: a filter or, as of old, a prefix.
func (in *lifecycleRule) filter(r *objects.LifecycleRule) error {
	f := in.Filter
	switch {
	case in.Prefix != nil && f != nil:
		return errXML.On("Filter", "a rule has either a filter or a prefix")
	case in.Prefix != nil:
		r.Legacy, r.Prefix = true, *in.Prefix
		return nil
	case f == nil:
		return errXML.On("Filter", "a rule needs one")
	}
	members := 0
	for _, given := range []bool{f.Prefix != nil, f.Tag != nil, f.ObjectSizeGreaterThan != nil, f.ObjectSizeLessThan != nil, f.And != nil} {
		if given {
			members++
		}
	}
	if members > 1 {
		return errXML.On("Filter", "several conditions need an And")
	}
	all := lifecycleAnd{Prefix: f.Prefix, ObjectSizeGreaterThan: f.ObjectSizeGreaterThan, ObjectSizeLessThan: f.ObjectSizeLessThan}
	if f.Tag != nil {
		all.Tags = []tag{*f.Tag}
	}
	if f.And != nil {
		all = *f.And
	}
	if all.Prefix != nil {
		r.Prefix = *all.Prefix
	}
	r.Above, r.Below = all.ObjectSizeGreaterThan, all.ObjectSizeLessThan
	if len(all.Tags) == 0 {
		return nil
	}
	var err error
	r.Tags, err = tagMap(all.Tags)
	return err
}

func (e *expiration) onto(r *objects.LifecycleRule) (err error) {
	if e == nil {
		return nil
	}
	given := 0
	if e.Days != nil {
		given++
		if r.ExpireDays = *e.Days; r.ExpireDays < 1 {
			return errParameter.On("Days", "it must be positive")
		}
	}
	if e.Date != "" {
		given++
		if r.ExpireDate, err = parseInstant(e.Date); err != nil {
			return err
		}
	}
	if e.ExpiredObjectDeleteMarker != nil {
		given++
		r.ExpireMarkers = bool(*e.ExpiredObjectDeleteMarker)
	}
	if given != 1 {
		return errXML.On("Expiration", "it needs exactly one of Days, Date and ExpiredObjectDeleteMarker")
	}
	return nil
}

func (in *lifecycleRule) transition(r *objects.LifecycleRule) (err error) {
	switch len(in.Transition) {
	case 0:
		return nil
	case 1:
	default:
		return errParameter.On("Transition", "a rule can have one")
	}
	t := &in.Transition[0]
	r.TransitionDays, r.TransitionStorage = t.Days, t.StorageClass
	if t.Date != "" {
		r.TransitionDate, err = parseInstant(t.Date)
	}
	return err
}

// newLifecycle says rules as they were given, each with an ID.
func newLifecycle(rules []objects.LifecycleRule) *lifecycleConfiguration {
	out := &lifecycleConfiguration{xmlns: inNamespace(), Rules: make([]lifecycleRule, len(rules))}
	for i := range rules {
		out.Rules[i] = newLifecycleRule(&rules[i])
	}
	return out
}

func newLifecycleRule(r *objects.LifecycleRule) lifecycleRule {
	out := lifecycleRule{ID: r.ID, Status: "Disabled"}
	if r.Enabled {
		out.Status = "Enabled"
	}
	if r.Legacy {
		out.Prefix = &r.Prefix
	} else {
		out.Filter = newLifecycleFilter(r)
	}
	switch {
	case r.ExpireDays > 0:
		out.Expiration = &expiration{Days: &r.ExpireDays}
	case !r.ExpireDate.IsZero():
		out.Expiration = &expiration{Date: day(r.ExpireDate)}
	case r.ExpireMarkers:
		yes := boolean(true)
		out.Expiration = &expiration{ExpiredObjectDeleteMarker: &yes}
	}
	if r.NoncurrentDays > 0 {
		out.NoncurrentVersionExpiration = &noncurrentExpiration{NoncurrentDays: &r.NoncurrentDays}
		if r.NoncurrentKeep > 0 {
			out.NoncurrentVersionExpiration.NewerNoncurrentVersions = &r.NoncurrentKeep
		}
	}
	if r.AbortDays > 0 {
		out.AbortIncompleteMultipartUpload = &abortUpload{r.AbortDays}
	}
	if r.TransitionStorage != "" {
		t := transition{Days: r.TransitionDays, StorageClass: r.TransitionStorage}
		if !r.TransitionDate.IsZero() {
			t.Date = day(r.TransitionDate)
		}
		out.Transition = []transition{t}
	}
	return out
}

func newLifecycleFilter(r *objects.LifecycleRule) *lifecycleFilter {
	conditions := len(r.Tags)
	for _, given := range []bool{r.Prefix != "", r.Above != nil, r.Below != nil} {
		if given {
			conditions++
		}
	}
	switch {
	case conditions > 1:
		and := &lifecycleAnd{Tags: tagList(r.Tags), ObjectSizeGreaterThan: r.Above, ObjectSizeLessThan: r.Below}
		if r.Prefix != "" {
			and.Prefix = &r.Prefix
		}
		return &lifecycleFilter{And: and}
	case len(r.Tags) == 1:
		return &lifecycleFilter{Tag: &tagList(r.Tags)[0]}
	case r.Above != nil || r.Below != nil:
		return &lifecycleFilter{ObjectSizeGreaterThan: r.Above, ObjectSizeLessThan: r.Below}
	}
	return &lifecycleFilter{Prefix: &r.Prefix}
}

// day is a date of a rule.
func day(t time.Time) string { return t.UTC().Format(instantLayout) }

// tagList is a set of tags in the order of their keys.
func tagList(tags map[string]string) []tag {
	list := make([]tag, 0, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, tag{key, tags[key]})
	}
	return list
}

// tagMap is the set that a list of tags names; no key may occur twice.
func tagMap(list []tag) (map[string]string, error) {
	tags := make(map[string]string, len(list))
	for _, t := range list {
		if _, twice := tags[t.Key]; twice {
			return nil, objects.ErrTag.On("Key", "one occurs twice")
		}
		tags[t.Key] = t.Value
	}
	return tags, nil
}
