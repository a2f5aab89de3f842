package model_test

import (
	"net/http"
	"net/netip"
	"slices"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"strongroom/kms"
)

var (
	mismatch  = outcome{http.StatusBadRequest, "BODY_QUERY_PARAM_MISMATCH_ERR"}
	onePolicy = outcome{http.StatusBadRequest, "NUM_COLLECTION_RESOURCE_ERR"}
)

// Types of policies of an instance.
const (
	dualType     = "dualAuthDelete"
	rotationType = "rotation"
	metricsType  = "metrics"
	networkType  = "allowedNetwork"
	ipType       = "allowedIP"
	accessType   = "keyCreateImportAccess"
)

// instancePolicy is a policy of the instance.
type instancePolicy struct {
	stamp
	instanceRule
}

// instanceRule is what a policy of the instance says.
type instanceRule struct {
	kind     string
	enabled  bool
	interval *interval // of the rotation, not shown enabled; nil means none
	network  string
	sources  []string
	access   access
	flaw     string // what is wrong with the request for it
}

// What can be wrong with the request for a policy.
const (
	needless  = "attributes that such a policy does not have"
	missing   = "no attributes"
	unordered = "attributes out of their range"
)

// access says which keys may be made.
type access struct{ createRoot, createStandard, importRoot, importStandard, token bool }

func openAccess() access { return access{true, true, true, true, false} }

func (a access) attributes() map[string]any {
	return map[string]any{
		"create_root_key": a.createRoot, "create_standard_key": a.createStandard,
		"import_root_key": a.importRoot, "import_standard_key": a.importStandard, "enforce_token": a.token,
	}
}

// admits says whether a key may be made of some material, or of none.
func (a access) admits(extractable bool, b *brought) bool {
	switch {
	case b == nil && extractable:
		return a.createStandard
	case b == nil:
		return a.createRoot
	case a.token && !b.secure():
		return false
	case extractable:
		return a.importStandard
	}
	return a.importRoot
}

// enabled returns the policy of a type that has an effect, or nil.
func (m *model) enabled(kind string) *instancePolicy {
	if p := m.policies[kind]; p != nil && p.enabled {
		return p
	}
	return nil
}

func (m *model) access() access {
	if p := m.enabled(accessType); p != nil {
		return p.access
	}
	return openAccess()
}

// admits says whether a request may come from where it comes.
func (m *model) admits(c caller) bool {
	from := netip.MustParseAddr(c.from).Unmap()
	within := func(r string) bool { return netip.MustParsePrefix(r).Contains(from) }
	ip, network := m.enabled(ipType), m.enabled(networkType)
	switch {
	case c.name == service:
		return true
	case network != nil && network.network == "private-only" && !slices.ContainsFunc([]string{"10.0.0.0/8", "fd00::/8"}, within):
		return false
	}
	return ip == nil || slices.ContainsFunc(ip.sources, within)
}

// applyDefaults gives a new key the policies that the instance has for it.
func (m *model) applyDefaults(k *modelKey) {
	if m.enabled(dualType) != nil {
		k.dual = &dualPolicy{stamp: m.stamped(nil, k.createdBy), enabled: true}
	}
	if p := m.enabled(rotationType); p != nil && !k.extractable && !k.imported {
		change := setRotation{enabled: true, interval: p.interval}
		k.rotation = &rotationPolicy{stamp: m.stamped(nil, k.createdBy), interval: change.applied(interval{})}
	}
}

// readable foretells what is said of a rule before anything is known of others.
func (r instanceRule) readable(only string) *outcome {
	bare := r.kind == dualType || r.kind == metricsType
	switch {
	case only != "" && only != r.kind:
		return &mismatch
	case r.flaw == needless && bare:
		return &badBody
	case r.flaw == needless && !r.enabled && (r.kind == rotationType || r.kind == accessType):
		return &badField
	case r.flaw == unordered && r.enabled && (r.kind == ipType || r.kind == rotationType):
		return &badField
	}
	return nil
}

// valid says whether the rule holds what its type needs.
func (r instanceRule) valid() bool {
	switch {
	case !r.enabled:
		return true
	case r.kind == rotationType:
		return r.interval != nil
	case r.kind == networkType:
		return r.network == "public-and-private" || r.network == "private-only"
	case r.kind == ipType:
		return len(r.sources) > 0
	}
	return true
}

func (m *model) setInstancePolicies(c caller, only string, rules []instanceRule) outcome {
	switch {
	case !m.may(c, kms.ActionInstancePolicyWrite, ""):
		return unauthorized
	case only != "" && len(rules) > 1:
		return onePolicy
	}
	for _, r := range rules {
		if refused := r.readable(only); refused != nil {
			return *refused
		}
	}
	for i, r := range rules {
		if !r.valid() || slices.ContainsFunc(rules[:i], func(earlier instanceRule) bool { return earlier.kind == r.kind }) {
			return badField
		}
	}
	for _, r := range rules {
		var was *stamp
		if p := m.policies[r.kind]; p != nil {
			was = &p.stamp
		}
		m.policies[r.kind] = &instancePolicy{stamp: m.stamped(was, string(identityOf(c.name))), instanceRule: r}
	}
	return done
}

// instancePolicyView is a policy of the instance as it is shown.
type instancePolicyView struct {
	CreationDate string `json:"creationDate"`
	CreatedBy    string `json:"createdBy"`
	UpdatedBy    string `json:"updatedBy"`
	LastUpdated  string `json:"lastUpdated"`
	Type         string `json:"policy_type"`
	Data         struct {
		Enabled    bool           `json:"enabled"`
		Attributes map[string]any `json:"attributes"`
	} `json:"policy_data"`
}

func (p *instancePolicy) view() instancePolicyView {
	v := instancePolicyView{
		CreationDate: moment(p.created), CreatedBy: p.createdBy, UpdatedBy: p.updatedBy, LastUpdated: moment(p.updated),
		Type: p.kind,
	}
	v.Data.Enabled = p.enabled
	switch {
	case p.kind == accessType && !p.enabled:
		v.Data.Attributes = openAccess().attributes()
	case p.kind == accessType:
		v.Data.Attributes = p.access.attributes()
	case !p.enabled:
	case p.kind == networkType:
		v.Data.Attributes = map[string]any{"allowed_network": p.network}
	case p.kind == ipType:
		list := []any{}
		for _, source := range p.sources {
			list = append(list, source)
		}
		v.Data.Attributes = map[string]any{"allowed_ip": list}
	case p.kind == rotationType: // numbers as JSON has them
		shown := setRotation{interval: p.interval}.applied(interval{})
		v.Data.Attributes = map[string]any{"interval_month": float64(shown.Month)}
		if shown.Day > 0 {
			v.Data.Attributes["interval_day"] = float64(shown.Day)
		}
	}
	return v
}

// checkInstancePolicies compares the policies of the instance.
func (m *machine) checkInstancePolicies(t *rapid.T) {
	expected := []instancePolicyView{}
	for _, p := range m.model.policies {
		expected = append(expected, p.view())
	}
	r := request{caller: at("manager"), method: http.MethodGet, path: "/instance/policies"}
	byType := cmpopts.SortSlices(func(a, b instancePolicyView) bool { return a.Type < b.Type })
	if diff := cmp.Diff(expected, resources[instancePolicyView](m.do(t, r, ok)), byType); diff != "" {
		t.Fatalf("policies of the instance (-model +service):\n%s", diff)
	}
}

func (m *machine) setInstancePolicies(t *rapid.T) {
	rules := []instanceRule{somerule(t)}
	if rapid.IntRange(0, 2).Draw(t, "two") == 0 {
		rules = append(rules, somerule(t))
	}
	only := ""
	if rapid.Bool().Draw(t, "named") {
		only = rules[0].kind
		if rapid.IntRange(0, 7).Draw(t, "misnamed") == 0 {
			only = metricsType
		}
	}
	m.putInstancePolicies(t, oneOf(t, "manager"), only, rules)
}

// relax withdraws a policy that is in the way, so that the others get their turn.
func (m *machine) relax(t *rapid.T) {
	kind := rapid.SampledFrom([]string{ipType, networkType, accessType, dualType}).Draw(t, "type")
	m.putInstancePolicies(t, at("manager"), kind, []instanceRule{{kind: kind}})
}

func (m *machine) putInstancePolicies(t *rapid.T, c caller, only string, rules []instanceRule) {
	r := request{caller: c, method: http.MethodPut, path: "/instance/policies"}
	if only != "" {
		r.path += "?policy=" + only
	}
	var list []any
	for _, rule := range rules {
		list = append(list, rule.resource())
	}
	r.body = collection(policyType, list...)
	m.do(t, r, m.model.setInstancePolicies(c, only, rules))
}

func somerule(t *rapid.T) instanceRule {
	r := instanceRule{
		kind: rapid.SampledFrom([]string{
			dualType, rotationType, rotationType, metricsType, networkType, ipType, accessType, accessType,
		}).Draw(t, "type"),
		enabled: rapid.IntRange(0, 2).Draw(t, "enabled") > 0,
		flaw:    rapid.SampledFrom([]string{"", "", "", "", "", needless, missing, unordered}).Draw(t, "flaw"),
	}
	if !r.enabled {
		return r
	}
	switch r.kind {
	case rotationType:
		r.interval = &interval{Month: rapid.IntRange(1, 12).Draw(t, "months")}
		if rapid.Bool().Draw(t, "in days") {
			r.interval = &interval{Day: rapid.IntRange(1, 360).Draw(t, "days")}
		}
	case networkType:
		r.network = rapid.SampledFrom([]string{"public-and-private", "private-only"}).Draw(t, "network")
	case ipType: // home is in each list, or nobody could ever change it again
		r.sources = rapid.SampledFrom([][]string{
			{"10.0.0.0/8"}, {"10.1.2.3/32", "2001:db8::/32"}, {"192.0.2.0/24", "fd00::/8", "10.1.0.0/16"},
		}).Draw(t, "sources")
	case accessType:
		r.access = openAccess()
		for _, flag := range []*bool{&r.access.createRoot, &r.access.createStandard, &r.access.importRoot, &r.access.importStandard, &r.access.token} {
			if rapid.IntRange(0, 3).Draw(t, "changed") == 0 {
				*flag = !*flag
			}
		}
	}
	switch {
	case r.flaw == missing:
		r.interval, r.network, r.sources, r.access = nil, "", nil, openAccess()
	case r.flaw == unordered && r.kind == networkType:
		r.network = "everywhere"
	}
	return r
}

// resource is the rule as a request has it, with its flaw. What is the default may be left out.
func (r instanceRule) resource() map[string]any {
	attributes := map[string]any{}
	switch {
	case !r.enabled:
	case r.kind == networkType && r.network != "":
		attributes["allowed_network"] = r.network
	case r.kind == ipType && len(r.sources) > 0:
		attributes["allowed_ip"] = r.sources
	case r.kind == rotationType && r.interval != nil:
		attributes = setRotation{interval: r.interval}.fields()
		delete(attributes, "enabled")
	case r.kind == accessType && r.flaw != missing:
		attributes = r.access.attributes()
		for name, value := range openAccess().attributes() {
			if attributes[name] == value {
				delete(attributes, name)
			}
		}
	}
	switch {
	case r.flaw == needless && !r.enabled || r.flaw == needless && (r.kind == dualType || r.kind == metricsType):
		attributes[map[string]string{
			networkType: "allowed_network", accessType: "enforce_token", rotationType: "interval_month",
		}[r.kind]] = map[string]any{networkType: "private-only", accessType: true, rotationType: 1}[r.kind]
		if r.kind == ipType {
			attributes = map[string]any{"allowed_ip": []string{"10.0.0.0/8"}}
		}
	case r.flaw == unordered && r.kind == ipType && r.enabled:
		attributes["allowed_ip"] = []string{"10.0.0.0/33"}
	case r.flaw == unordered && r.kind == rotationType && r.enabled:
		attributes = map[string]any{"interval_month": 13}
	}
	return map[string]any{"policy_type": r.kind, "policy_data": map[string]any{"enabled": r.enabled, "attributes": attributes}}
}

func (m *machine) allowedPort(t *rapid.T) {
	r := request{caller: someone(t), method: http.MethodGet, path: "/instance/allowed_ip_port"}
	if !m.model.may(r.caller, kms.ActionAllowedPort, "") {
		m.do(t, r, unauthorized)
		return
	}
	type port struct {
		Private int `json:"private_endpoint_port"`
	}
	expected := []port{}
	if m.model.enabled(ipType) != nil {
		expected = append(expected, port{443})
	}
	if diff := cmp.Diff(expected, resources[port](m.do(t, r, ok))); diff != "" {
		t.Fatalf("port (-model +service):\n%s", diff)
	}
}
