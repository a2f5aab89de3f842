package s3

import (
	"context"
	"encoding/xml"
	"strings"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type objectLockConfiguration struct {
	XMLName xml.Name `xml:"ObjectLockConfiguration"`
	xmlns
	ObjectLockEnabled string
	Rule              *objectLockRule
}

type objectLockRule struct {
	DefaultRetention *defaultRetention
}

type defaultRetention struct {
	Mode  string
	Days  *int
	Years *int
}

func (f *face) getObjectLock(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		if b.Lock == nil {
			return nil, errNoObjectLock
		}
		return newObjectLock(b.Lock), nil
	})
}

func (f *face) putObjectLock(ctx context.Context, q *request) (httpface.Answer, error) {
	var in objectLockConfiguration
	if err := q.readDigestedXML(&in); err != nil {
		return httpface.Answer{}, err
	}
	c, err := in.config()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetLock(c))
}

func newObjectLock(c *objects.LockConfig) *objectLockConfiguration {
	out := &objectLockConfiguration{xmlns: inNamespace(), ObjectLockEnabled: "Enabled"}
	if c.Mode == "" {
		return out
	}
	r := &defaultRetention{Mode: string(c.Mode)}
	if c.Days > 0 {
		r.Days = &c.Days
	} else {
		r.Years = &c.Years
	}
	out.Rule = &objectLockRule{r}
	return out
}

func (in *objectLockConfiguration) config() (c objects.LockConfig, err error) {
	if !strings.EqualFold(in.ObjectLockEnabled, "Enabled") { // the documentation has it in capitals
		return c, errXML.On("ObjectLockEnabled", "it must be Enabled")
	}
	if in.Rule == nil {
		return c, nil
	}
	r := in.Rule.DefaultRetention
	if r == nil || (r.Days == nil) == (r.Years == nil) || r.Mode == "" {
		return c, errXML.On("DefaultRetention", "it needs a mode, and either days or years")
	}
	c.Mode = objects.LockMode(r.Mode)
	period, into := r.Days, &c.Days
	if period == nil {
		period, into = r.Years, &c.Years
	}
	if *period < 1 {
		return c, errParameter.On("DefaultRetention", "the period must be positive")
	}
	*into = *period
	return c, nil
}
