package s3

import (
	"context"
	"encoding/xml"
	"net/http"
	"strconv"
	"strings"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

type corsConfiguration struct {
	XMLName xml.Name `xml:"CORSConfiguration"`
	xmlns
	Rules []corsRule `xml:"CORSRule"`
}

type corsRule struct {
	ID             string   `xml:",omitempty"`
	AllowedOrigins []string `xml:"AllowedOrigin"`
	AllowedMethods []string `xml:"AllowedMethod"`
	AllowedHeaders []string `xml:"AllowedHeader,omitempty"`
	ExposeHeaders  []string `xml:"ExposeHeader,omitempty"`
	MaxAgeSeconds  *int     `xml:",omitempty"`
}

func (f *face) getCORS(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		if len(b.CORS) == 0 {
			return nil, errNoCORS
		}
		return newCORS(b.CORS), nil
	})
}

func (f *face) putCORS(ctx context.Context, q *request) (httpface.Answer, error) {
	var in corsConfiguration
	if err := q.readDigestedXML(&in); err != nil {
		return httpface.Answer{}, err
	}
	rules, err := in.rules()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetCORS(rules))
}

func (f *face) deleteCORS(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.configure(ctx, q, objects.SetCORS(nil))
}

func (in *corsConfiguration) rules() ([]objects.CORSRule, error) {
	if len(in.Rules) == 0 {
		return nil, errXML.On("CORSConfiguration", "it has no rule")
	}
	rules := make([]objects.CORSRule, len(in.Rules))
	for i, r := range in.Rules {
		rules[i] = objects.CORSRule{
			ID: r.ID, Origins: r.AllowedOrigins, Methods: r.AllowedMethods, Headers: r.AllowedHeaders, Expose: r.ExposeHeaders, MaxAge: r.MaxAgeSeconds,
		}
	}
	return rules, nil
}

func newCORS(rules []objects.CORSRule) *corsConfiguration {
	out := &corsConfiguration{xmlns: inNamespace(), Rules: make([]corsRule, len(rules))}
	for i, r := range rules {
		out.Rules[i] = corsRule{r.ID, r.Origins, r.Methods, r.Headers, r.Expose, r.MaxAge}
	}
	return out
}

// varied are the request headers on which answers to other origins depend.
const varied = "Origin, Access-Control-Request-Headers, Access-Control-Allow-Methods"

// preflight answers a browser that asks whether a page may make a request. It needs no caller, and says
// nothing of buckets that have no rule for the page.
func (f *face) preflight(ctx context.Context, q *request) (httpface.Answer, error) {
	origin, method := q.header("Origin"), q.header("Access-Control-Request-Method")
	if origin == "" || method == "" {
		return httpface.Answer{}, errHeader.On("Origin", "a preflight needs it, and Access-Control-Request-Method")
	}
	var headers []string
	for name := range strings.SplitSeq(q.header("Access-Control-Request-Headers"), ",") {
		if name = strings.ToLower(strings.TrimSpace(name)); name != "" {
			headers = append(headers, name)
		}
	}
	rule, err := f.corsRule(ctx, q.bucket, origin, method, headers)
	if err != nil {
		return httpface.Answer{}, err
	}
	if rule == nil {
		return httpface.Answer{}, iam.ErrForbidden
	}
	h := http.Header{}
	allowOrigin(h, rule, origin)
	h.Set("Access-Control-Allow-Methods", strings.Join(rule.Methods, ", "))
	if len(headers) > 0 {
		h.Set("Access-Control-Allow-Headers", strings.Join(headers, ", "))
	}
	if rule.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(*rule.MaxAge))
	}
	return httpface.Answer{Header: h}, nil
}

// crossOrigin lets the page that made a request read its answer, be it a success or a failure, if a rule
// of the bucket does.
func (f *face) crossOrigin(ctx context.Context, q *request) {
	origin := q.header("Origin")
	if origin == "" || q.bucket == "" || q.R.Method == http.MethodOptions {
		return
	}
	rule, err := f.corsRule(ctx, q.bucket, origin, q.R.Method, nil)
	if err != nil || rule == nil {
		return // whatever is wrong, the request itself will meet it
	}
	h := http.Header{}
	allowOrigin(h, rule, origin)
	for name := range h {
		q.Header(name, h.Get(name))
	}
}

// corsRule returns the first rule of a bucket that fits; nil if there is none.
func (f *face) corsRule(ctx context.Context, bucket, origin, method string, headers []string) (*objects.CORSRule, error) {
	if bucket == "" {
		return nil, nil
	}
	rules, err := f.Objects.CORS(ctx, bucket)
	if err != nil {
		return nil, err
	}
	for i := range rules {
		if rules[i].Allows(origin, method, headers) {
			return &rules[i], nil
		}
	}
	return nil, nil
}

// allowOrigin writes the headers that preflights and requests have in common. Credentials go with an
// origin that is named, never with a rule for all of them.
func allowOrigin(h http.Header, rule *objects.CORSRule, origin string) {
	if rule.AnyOrigin() {
		h.Set("Access-Control-Allow-Origin", "*")
	} else {
		h.Set("Access-Control-Allow-Origin", origin)
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if len(rule.Expose) > 0 {
		h.Set("Access-Control-Expose-Headers", strings.Join(rule.Expose, ", "))
	}
	h.Set("Vary", varied)
}
