package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type websiteConfiguration struct {
	XMLName xml.Name `xml:"WebsiteConfiguration"`
	xmlns
	IndexDocument         *websiteIndex    `xml:",omitempty"`
	ErrorDocument         *websiteError    `xml:",omitempty"`
	RedirectAllRequestsTo *websiteRedirect `xml:",omitempty"`
	RoutingRules          *websiteRules    `xml:",omitempty"`
}

type websiteIndex struct{ Suffix string }

type websiteError struct{ Key string }

type websiteRules struct {
	Rules []websiteRule `xml:"RoutingRule"`
}

type websiteRule struct {
	Condition *websiteCondition `xml:",omitempty"`
	Redirect  websiteRedirect
}

type websiteCondition struct {
	Status string `xml:"HttpErrorCodeReturnedEquals,omitempty"`
	Prefix string `xml:"KeyPrefixEquals,omitempty"`
}

type websiteRedirect struct {
	Host     string `xml:"HostName,omitempty"`
	Code     string `xml:"HttpRedirectCode,omitempty"`
	Protocol string `xml:",omitempty"`
	Prefix   string `xml:"ReplaceKeyPrefixWith,omitempty"`
	Key      string `xml:"ReplaceKeyWith,omitempty"`
}

func (f *face) getWebsite(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		if b.Website == nil {
			return nil, errNoWebsite
		}
		return newWebsite(b.Website), nil
	})
}

func (f *face) putWebsite(ctx context.Context, q *request) (httpface.Answer, error) {
	var in websiteConfiguration
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	if err := in.check(); err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetWebsite(in.website()))
}

func (f *face) deleteWebsite(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.configure(ctx, q, objects.SetWebsite(nil))
}

// check refuses elements that are there and say nothing, which what is stored cannot tell from none.
func (in *websiteConfiguration) check() error {
	if in.ErrorDocument != nil && in.ErrorDocument.Key == "" {
		return objects.ErrArgument.On("ErrorDocument", "it has no key")
	}
	if in.RoutingRules == nil {
		return nil
	}
	for _, r := range in.RoutingRules.Rules {
		if r.Condition != nil && *r.Condition == (websiteCondition{}) {
			return errXML.On("Condition", "it is empty")
		}
	}
	return nil
}

func (in *websiteConfiguration) website() *objects.Website {
	w := &objects.Website{}
	if in.IndexDocument != nil {
		w.Index = in.IndexDocument.Suffix
	}
	if in.ErrorDocument != nil {
		w.Error = in.ErrorDocument.Key
	}
	if in.RedirectAllRequestsTo != nil {
		all := in.RedirectAllRequestsTo.redirect()
		w.Redirect = &all
	}
	if in.RoutingRules != nil {
		for _, r := range in.RoutingRules.Rules {
			rule := objects.RoutingRule{Redirect: r.Redirect.redirect()}
			if r.Condition != nil {
				rule.Status, rule.Prefix = r.Condition.Status, r.Condition.Prefix
			}
			w.Rules = append(w.Rules, rule)
		}
	}
	return w
}

func newWebsite(w *objects.Website) *websiteConfiguration {
	out := &websiteConfiguration{xmlns: inNamespace()}
	if w.Index != "" {
		out.IndexDocument = &websiteIndex{w.Index}
	}
	if w.Error != "" {
		out.ErrorDocument = &websiteError{w.Error}
	}
	if w.Redirect != nil {
		all := newRedirect(*w.Redirect)
		out.RedirectAllRequestsTo = &all
	}
	if len(w.Rules) > 0 {
		out.RoutingRules = &websiteRules{}
	}
	for _, r := range w.Rules {
		rule := websiteRule{Redirect: newRedirect(r.Redirect)}
		if r.Status != "" || r.Prefix != "" {
			rule.Condition = &websiteCondition{r.Status, r.Prefix}
		}
		out.RoutingRules.Rules = append(out.RoutingRules.Rules, rule)
	}
	return out
}

func (r *websiteRedirect) redirect() objects.Redirect {
	return objects.Redirect{Host: r.Host, Protocol: r.Protocol, Prefix: r.Prefix, Key: r.Key, Code: r.Code}
}

func newRedirect(r objects.Redirect) websiteRedirect {
	return websiteRedirect{Host: r.Host, Code: r.Code, Protocol: r.Protocol, Prefix: r.Prefix, Key: r.Key}
}
