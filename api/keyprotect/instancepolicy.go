package keyprotect

import (
	"bytes"
	"context"
	"encoding/json"
	"net/netip"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// instancePolicy is a policy of an instance on the wire.
type instancePolicy struct {
	CreationDate string                 `json:"creationDate"`
	CreatedBy    iam.IdentityID         `json:"createdBy"`
	UpdatedBy    iam.IdentityID         `json:"updatedBy"`
	LastUpdated  string                 `json:"lastUpdated"`
	Type         kms.InstancePolicyType `json:"policy_type"`
	Data         instancePolicyData     `json:"policy_data"`
}

type instancePolicyData struct {
	Enabled    bool `json:"enabled"`
	Attributes any  `json:"attributes,omitempty"`
}

// Attributes of the types that have some. Pointers tell what is left out, which takes its default.
type (
	intervalAttributes struct {
		IntervalMonth *int `json:"interval_month,omitempty"`
		IntervalDay   *int `json:"interval_day,omitempty"`
	}
	networkAttributes struct {
		AllowedNetwork *string `json:"allowed_network,omitempty"`
	}
	ipAttributes struct {
		AllowedIP []string `json:"allowed_ip,omitempty"`
	}
	materialAttributes struct {
		CreateRootKey     *bool `json:"create_root_key"`
		CreateStandardKey *bool `json:"create_standard_key"`
		ImportRootKey     *bool `json:"import_root_key"`
		ImportStandardKey *bool `json:"import_standard_key"`
		EnforceToken      *bool `json:"enforce_token"`
	}
)

// attributesOf returns the attributes of a policy as they are shown; nil for none. Those of the
// access to material are always there, as clients look at them without asking whether it is enabled.
func attributesOf(p *kms.InstancePolicy) any {
	switch {
	case p.Type == kms.InstanceMaterial:
		a := kms.OpenMaterialAccess()
		if p.Enabled {
			a = p.Material
		}
		return materialAttributes{&a.CreateRoot, &a.CreateStandard, &a.ImportRoot, &a.ImportStandard, &a.EnforceToken}
	case !p.Enabled:
		return nil
	case p.Type == kms.InstanceRotation:
		months := p.Interval.InMonths()
		a := intervalAttributes{IntervalMonth: &months}
		if p.Interval.Days > 0 {
			a.IntervalDay = &p.Interval.Days
		}
		return a
	case p.Type == kms.InstanceNetwork:
		network := string(p.Network)
		return networkAttributes{&network}
	case p.Type == kms.InstanceIP:
		a := ipAttributes{AllowedIP: make([]string, len(p.Sources))}
		for i, source := range p.Sources {
			a.AllowedIP[i] = source.String()
		}
		return a
	}
	return nil
}

func instancePolicyTypes() []string {
	var types []string
	for _, t := range kms.InstancePolicyTypes() {
		types = append(types, string(t))
	}
	return types
}

func parseInstancePolicyQuery(c *call) (string, error) {
	return policyQuery(c, instancePolicyTypes()...)
}

func (s *server) getInstancePolicies(ctx context.Context, who iam.Caller, ref kms.Ref, only string) (answer, error) {
	list, err := s.keys.InstancePolicies(ctx, who, ref.Instance)
	if err != nil {
		return answer{}, err
	}
	resources := []instancePolicy{}
	for i := range list {
		p := &list[i]
		if only != "" && only != string(p.Type) {
			continue
		}
		resources = append(resources, instancePolicy{
			CreationDate: date(p.Created), CreatedBy: p.CreatedBy, UpdatedBy: p.UpdatedBy, LastUpdated: date(p.Updated),
			Type: p.Type, Data: instancePolicyData{Enabled: p.Enabled, Attributes: attributesOf(p)},
		})
	}
	return collect(typePolicy, resources).send(), nil
}

// newInstancePolicies is the body that sets policies of an instance.
type newInstancePolicies struct {
	Metadata  *metadata           `json:"metadata"`
	Resources []newInstancePolicy `json:"resources"`
}

// newInstancePolicy is one of them. The last two members are another form of the policy for
// deletion, that of keys, which some of IBM's examples use where the query names the type.
type newInstancePolicy struct {
	PolicyType     string                 `json:"policy_type"`
	PolicyData     *newInstancePolicyData `json:"policy_data"`
	Type           string                 `json:"type"`
	DualAuthDelete *newDualAuth           `json:"dualAuthDelete"`
}

type newInstancePolicyData struct {
	Enabled    *bool           `json:"enabled"`
	Attributes json.RawMessage `json:"attributes"`
}

func parseInstancePolicies(c *call) ([]kms.InstanceRule, error) {
	only, err := parseInstancePolicyQuery(c)
	if err != nil {
		return nil, err
	}
	var body newInstancePolicies
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return nil, err
	}
	if err := checkPolicies(body.Metadata, len(body.Resources), only); err != nil {
		return nil, err
	}
	rules := make([]kms.InstanceRule, len(body.Resources))
	for i, p := range body.Resources {
		if rules[i], err = p.rule(only); err != nil {
			return nil, err
		}
	}
	return rules, nil
}

// rule reads one policy, which must be of the type that the query names, if it names one.
func (p newInstancePolicy) rule(only string) (kms.InstanceRule, error) {
	if p.DualAuthDelete != nil && only == policyDualAuth && p.PolicyType == "" && p.PolicyData == nil {
		p.PolicyType, p.PolicyData = policyDualAuth, &newInstancePolicyData{Enabled: p.DualAuthDelete.Enabled}
	} else if p.DualAuthDelete != nil || p.Type != "" {
		return kms.InstanceRule{}, errBody.On("", "a policy of an instance has the members policy_type and policy_data")
	}
	r := kms.InstanceRule{Type: kms.InstancePolicyType(p.PolicyType)}
	switch {
	case only != "" && only != p.PolicyType:
		return r, errMismatch
	case p.PolicyData == nil:
		return r, errBody.On("", "policy_data is missing")
	case p.PolicyData.Enabled == nil:
		return r, kms.ErrField.On("enabled", "true or false")
	}
	r.Enabled = *p.PolicyData.Enabled
	return r, readAttributes(&r, p.PolicyData.Attributes)
}

// readAttributes reads the attributes of a policy. Those of a policy that is not enabled are
// refused, but for the two whose clients send some in any case.
func readAttributes(r *kms.InstanceRule, raw json.RawMessage) error {
	given := len(raw) > 0 && !bytes.Equal(raw, []byte("null")) && !bytes.Equal(bytes.TrimSpace(raw), []byte("{}"))
	switch r.Type {
	case kms.InstanceNetwork:
		return readNetwork(r, raw)
	case kms.InstanceIP:
		return readSources(r, raw)
	case kms.InstanceRotation, kms.InstanceMaterial:
		if given && !r.Enabled {
			return kms.ErrField.On("attributes", "left out, as the policy is not enabled")
		}
		if r.Type == kms.InstanceRotation {
			return readInterval(r, raw)
		}
		return readMaterial(r, raw)
	}
	if given {
		return errBody.On("", "a policy of this type has no attributes")
	}
	return nil
}

func readNetwork(r *kms.InstanceRule, raw json.RawMessage) error {
	var a networkAttributes
	if err := httpface.Decode(raw, &a, httpface.KnownFields); err != nil {
		return err
	}
	if r.Enabled && a.AllowedNetwork != nil {
		r.Network = kms.Network(*a.AllowedNetwork)
	}
	return nil
}

func readSources(r *kms.InstanceRule, raw json.RawMessage) error {
	var a ipAttributes
	if err := httpface.Decode(raw, &a, httpface.KnownFields); err != nil || !r.Enabled {
		return err
	}
	for _, text := range a.AllowedIP {
		source, err := netip.ParsePrefix(text)
		if alone, aerr := netip.ParseAddr(text); aerr == nil && alone.Zone() == "" {
			source, err = netip.PrefixFrom(alone, alone.BitLen()), nil
		}
		if err != nil || source.Addr().Is4In6() {
			return kms.ErrField.On("allowed_ip", "a list of IPv4 or IPv6 address ranges in CIDR notation")
		}
		r.Sources = append(r.Sources, source)
	}
	return nil
}

func readInterval(r *kms.InstanceRule, raw json.RawMessage) error {
	var a intervalAttributes
	if err := httpface.Decode(raw, &a, httpface.KnownFields); err != nil || !r.Enabled {
		return err
	}
	interval, err := kms.RotationChange{Months: a.IntervalMonth, Days: a.IntervalDay}.Interval()
	if err == nil && interval != nil {
		r.Interval = *interval
	}
	return err
}

func readMaterial(r *kms.InstanceRule, raw json.RawMessage) error {
	var a materialAttributes
	if err := httpface.Decode(raw, &a, httpface.KnownFields); err != nil || !r.Enabled {
		return err
	}
	r.Material = kms.OpenMaterialAccess()
	for field, given := range map[*bool]*bool{
		&r.Material.CreateRoot: a.CreateRootKey, &r.Material.CreateStandard: a.CreateStandardKey,
		&r.Material.ImportRoot: a.ImportRootKey, &r.Material.ImportStandard: a.ImportStandardKey,
		&r.Material.EnforceToken: a.EnforceToken,
	} {
		if given != nil {
			*field = *given
		}
	}
	return nil
}

func (s *server) putInstancePolicies(ctx context.Context, who iam.Caller, ref kms.Ref, rules []kms.InstanceRule) (answer, error) {
	return answer{}, s.keys.SetInstancePolicies(ctx, who, ref.Instance, rules)
}

// allowedPort tells who is restricted to some addresses which port to use.
type allowedPort struct {
	PrivateEndpointPort int `json:"private_endpoint_port"`
}

func parseNoQuery(c *call) (nothing, error) { return nothing{}, queryOf(c).err }

func (s *server) getAllowedPort(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
	restricted, err := s.keys.AllowedPort(ctx, who, ref.Instance)
	if err != nil {
		return answer{}, err
	}
	resources := []allowedPort{}
	if restricted {
		resources = append(resources, allowedPort{s.port})
	}
	return collect(typeAllowedIP, resources).send(), nil
}
