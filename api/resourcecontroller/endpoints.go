package resourcecontroller

import (
	"context"
	"net/url"
)

// places maps kinds of network to names of places to hosts.
type places map[string]map[string]string

type endpointsBody struct {
	Identity struct {
		Token  string `json:"iam-token"`
		Policy string `json:"iam-policy"`
	} `json:"identity-endpoints"`
	Service struct {
		CrossRegion map[string]places `json:"cross-region"`
		Regional    map[string]places `json:"regional"`
		SingleSite  map[string]places `json:"single-site"`
	} `json:"service-endpoints"`
	Configuration places `json:"resource-configuration-endpoints"`
}

// endpoints tells clients of the object store, which find its address in their
// service credential, which hosts there are.
func (s *server) endpoints(context.Context, *call) (answer, error) {
	control, store := hostOf(s.public), hostOf(s.s3)
	var b endpointsBody
	b.Identity.Token, b.Identity.Policy = control, control
	b.Service.CrossRegion, b.Service.SingleSite = map[string]places{}, map[string]places{}
	here := map[string]string{s.region: store}
	b.Service.Regional = map[string]places{s.region: {"public": here, "private": here, "direct": here}}
	b.Configuration = places{"global": {"public": control, "private": control, "direct": control}}
	return answer{Body: b}, nil
}

// hostOf is the host and port of a URL.
func hostOf(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}
