package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type protectionConfiguration struct {
	XMLName xml.Name `xml:"ProtectionConfiguration"`
	xmlns
	Status                   string
	MinimumRetention         *retentionDays `xml:",omitempty"`
	DefaultRetention         *retentionDays `xml:",omitempty"`
	MaximumRetention         *retentionDays `xml:",omitempty"`
	EnablePermanentRetention *boolean       `xml:",omitempty"`
}

type retentionDays struct{ Days int }

func (f *face) getProtection(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		return newProtection(b.Protection), nil
	})
}

func (f *face) putProtection(ctx context.Context, q *request) (httpface.Answer, error) {
	var in protectionConfiguration
	if err := q.readDigestedXML(&in); err != nil {
		return httpface.Answer{}, err
	}
	p, err := in.protection()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetProtection(p))
}

// newProtection says a retention policy; that there is none is an answer, not a failure.
func newProtection(p *objects.Protection) *protectionConfiguration {
	if p == nil {
		return &protectionConfiguration{xmlns: inNamespace(), Status: "Disabled"}
	}
	permanent := boolean(p.Permanent)
	return &protectionConfiguration{
		xmlns: inNamespace(), Status: "Retention", MinimumRetention: &retentionDays{p.Minimum},
		DefaultRetention: &retentionDays{p.Default}, MaximumRetention: &retentionDays{p.Maximum},
		EnablePermanentRetention: &permanent,
	}
}

func (in *protectionConfiguration) protection() (p objects.Protection, err error) {
	if in.Status != "Retention" {
		return p, errXML.On("Status", "it must be Retention")
	}
	if in.MinimumRetention == nil || in.DefaultRetention == nil || in.MaximumRetention == nil {
		return p, errXML.On("ProtectionConfiguration", "minimum, default and maximum retention are needed")
	}
	return objects.Protection{
		Minimum: in.MinimumRetention.Days, Default: in.DefaultRetention.Days, Maximum: in.MaximumRetention.Days,
		Permanent: in.EnablePermanentRetention != nil && bool(*in.EnablePermanentRetention),
	}, nil
}
