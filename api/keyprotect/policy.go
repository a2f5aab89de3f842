package keyprotect

import (
	"context"
	"slices"

	"strongroom/crn"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// Types of the policies of keys, as members of a policy and in the query.
const (
	policyRotation = "rotation"
	policyDualAuth = "dualAuthDelete"
)

// policy is a policy of a key on the wire. One of the last two members is there.
type policy struct {
	ID             kms.PolicyID    `json:"id"`
	CRN            string          `json:"crn"`
	Type           string          `json:"type"`
	CreationDate   string          `json:"creationDate"`
	CreatedBy      iam.IdentityID  `json:"createdBy"`
	UpdatedBy      iam.IdentityID  `json:"updatedBy"`
	LastUpdateDate string          `json:"lastUpdateDate"`
	Rotation       *rotation       `json:"rotation,omitempty"`
	DualAuthDelete *dualAuthDelete `json:"dualAuthDelete,omitempty"`
}

// rotation is a rotation policy on the wire. The interval in days is ours; next to it there is
// always one in months, rounded up, for clients that know nothing else.
type rotation struct {
	Enabled       bool `json:"enabled"`
	IntervalMonth int  `json:"interval_month"`
	IntervalDay   int  `json:"interval_day,omitempty"`
}

func rotationOf(p *kms.RotationPolicy) *rotation {
	if p == nil {
		return nil
	}
	return &rotation{Enabled: p.Enabled, IntervalMonth: p.Interval.InMonths(), IntervalDay: p.Interval.Days}
}

// policies returns the policies of a key, or the one of a type.
func (s *server) policies(k *kms.Key, only string) []policy {
	stamped := func(p kms.PolicyStamp) policy {
		return policy{
			ID: p.ID, Type: typePolicy, CreationDate: date(p.Created), CreatedBy: p.CreatedBy,
			CRN:       crn.Of(crn.KeyProtect, s.region, string(k.Account), string(k.Instance), "policy", string(p.ID)).String(),
			UpdatedBy: p.UpdatedBy, LastUpdateDate: date(p.Updated),
		}
	}
	list := []policy{}
	if k.Rotation != nil && only != policyDualAuth {
		p := stamped(k.Rotation.PolicyStamp)
		p.Rotation = rotationOf(k.Rotation)
		list = append(list, p)
	}
	if k.DualAuth != nil && only != policyRotation {
		p := stamped(k.DualAuth.PolicyStamp)
		p.DualAuthDelete = &dualAuthDelete{Enabled: k.DualAuth.Enabled}
		list = append(list, p)
	}
	return list
}

// policyQuery reads the type of policy that a request is limited to, or "".
func policyQuery(c *call, types ...string) (string, error) {
	q := queryOf(c, "policy")
	only, ok := q.get("policy")
	if ok && !slices.Contains(types, only) {
		q.refuse("policy", "a type of policy")
	}
	return only, q.err
}

func parsePolicyQuery(c *call) (string, error) { return policyQuery(c, policyRotation, policyDualAuth) }

func (s *server) getPolicies(ctx context.Context, who iam.Caller, ref kms.Ref, only string) (answer, error) {
	k, err := s.keys.Policies(ctx, who, ref)
	if err != nil {
		return answer{}, err
	}
	return collect(typePolicy, s.policies(&k, only)).send(), nil
}

// newPolicies is the body that sets policies of a key: several resources with a policy each, or one
// with both.
type newPolicies struct {
	Metadata  *metadata   `json:"metadata"`
	Resources []newPolicy `json:"resources"`
}

type newPolicy struct {
	Type           string       `json:"type"`
	Rotation       *newRotation `json:"rotation"`
	DualAuthDelete *newDualAuth `json:"dualAuthDelete"`
}

type newRotation struct {
	Enabled       *bool `json:"enabled"`
	IntervalMonth *int  `json:"interval_month"`
	IntervalDay   *int  `json:"interval_day"`
}

func (r *newRotation) change() *kms.RotationChange {
	if r == nil {
		return nil
	}
	return &kms.RotationChange{Enabled: r.Enabled, Months: r.IntervalMonth, Days: r.IntervalDay}
}

type newDualAuth struct {
	Enabled *bool `json:"enabled"`
}

func (d *newDualAuth) change() (*bool, error) {
	if d != nil && d.Enabled == nil {
		return nil, kms.ErrField.On("enabled", "true or false")
	}
	if d == nil {
		return nil, nil
	}
	return d.Enabled, nil
}

// policiesRequest is a setting of policies that was understood.
type policiesRequest struct {
	change kms.PolicyChange
	only   string
}

func parsePolicies(c *call) (policiesRequest, error) {
	only, err := parsePolicyQuery(c)
	if err != nil {
		return policiesRequest{}, err
	}
	var body newPolicies
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return policiesRequest{}, err
	}
	if err := checkPolicies(body.Metadata, len(body.Resources), only); err != nil {
		return policiesRequest{}, err
	}
	req := policiesRequest{only: only}
	for _, p := range body.Resources {
		if err := p.addTo(&req.change); err != nil {
			return policiesRequest{}, err
		}
	}
	other := only == policyRotation && req.change.DualAuth != nil || only == policyDualAuth && req.change.Rotation != nil
	if other {
		return policiesRequest{}, errMismatch
	}
	return req, nil
}

// checkPolicies holds the rules of the envelope of policies.
func checkPolicies(m *metadata, resources int, only string) error {
	switch {
	case m == nil:
		return errBody.On("", "CollectionMetadata is empty")
	case resources == 0:
		return errBody.On("", "Resources is empty")
	case m.CollectionTotal != resources:
		return errTotal
	case m.CollectionType != typePolicy:
		return kms.ErrField.On("collectionType", typePolicy)
	case only != "" && resources > 1:
		return errOnePolicy
	}
	return nil
}

// addTo adds what the resource sets.
func (p newPolicy) addTo(c *kms.PolicyChange) error {
	dualAuth, err := p.DualAuthDelete.change()
	switch {
	case p.Type != "" && p.Type != typePolicy:
		return kms.ErrField.On("type", typePolicy)
	case p.Rotation == nil && p.DualAuthDelete == nil:
		return errBody.On("", "a resource holds no policy")
	case p.Rotation != nil && c.Rotation != nil || p.DualAuthDelete != nil && c.DualAuth != nil:
		return errBody.On("", "a policy is given more than once")
	case err != nil:
		return err
	}
	if p.Rotation != nil {
		c.Rotation = p.Rotation.change()
	}
	if dualAuth != nil {
		c.DualAuth = dualAuth
	}
	return nil
}

// putPolicies shows the policy that the query names, or all.
func (s *server) putPolicies(ctx context.Context, who iam.Caller, ref kms.Ref, req policiesRequest) (answer, error) {
	k, err := s.keys.SetPolicies(ctx, who, ref, req.change)
	if err != nil {
		return answer{}, err
	}
	return collect(typePolicy, s.policies(&k, req.only)).send(), nil
}
