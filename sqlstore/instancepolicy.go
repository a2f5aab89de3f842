package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/kms"
)

// instancePolicy is the stored form of a policy of an instance.
type instancePolicy struct {
	Type      kms.InstancePolicyType `json:"type"`
	Enabled   bool                   `json:"enabled"`
	Months    int                    `json:"months,omitempty"`
	Days      int                    `json:"days,omitempty"`
	Network   kms.Network            `json:"network,omitempty"`
	Sources   []netip.Prefix         `json:"sources,omitempty"`
	Material  *materialAccess        `json:"material,omitempty"`
	Created   int64                  `json:"created"` // microseconds
	CreatedBy iam.IdentityID         `json:"createdBy"`
	Updated   int64                  `json:"updated"`
	UpdatedBy iam.IdentityID         `json:"updatedBy"`
}

type materialAccess struct {
	CreateRoot     bool `json:"createRoot"`
	CreateStandard bool `json:"createStandard"`
	ImportRoot     bool `json:"importRoot"`
	ImportStandard bool `json:"importStandard"`
	EnforceToken   bool `json:"enforceToken"`
}

// InstancePolicies implements kms.Store.
func (s *Keys) InstancePolicies(ctx context.Context, in kms.InstanceID) (kms.InstancePolicies, error) {
	p := kms.InstancePolicies{Instance: in}
	var (
		text string
		mac  []byte
	)
	err := absent(s.db.queryRow(ctx, `SELECT policies, revision, mac FROM instance_policies WHERE instance = $1`, string(in)).
		Scan(&text, &p.Revision, &mac))
	if errors.Is(err, ErrNotFound) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	if err := s.db.check(mac, "instance_policies", string(in), string(in), text, p.Revision); err != nil {
		return kms.InstancePolicies{}, err
	}
	var list []instancePolicy
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return kms.InstancePolicies{}, fmt.Errorf("reading the policies of instance %s: %w", in, err)
	}
	for _, stored := range list {
		p.List = append(p.List, stored.policy())
	}
	return p, nil
}

// PutInstancePolicies implements kms.Store.
func (s *Keys) PutInstancePolicies(ctx context.Context, p kms.InstancePolicies, instanceRevision int64, ev *audit.Event) error {
	list := make([]instancePolicy, len(p.List))
	for i := range p.List {
		list[i] = instancePolicyOf(&p.List[i])
	}
	text, err := json.Marshal(list)
	if err != nil {
		return fmt.Errorf("encoding the policies of instance %s: %w", p.Instance, err)
	}
	in, next := string(p.Instance), p.Revision+1
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := t.instanceActive(ctx, p.Instance, instanceRevision); err != nil {
			return err
		}
		n, err := t.exec(ctx, `
			INSERT INTO instance_policies (instance, policies, revision, mac) VALUES ($1, $2, $3, $4)
			ON CONFLICT (instance) DO UPDATE SET policies = excluded.policies, revision = excluded.revision, mac = excluded.mac
			WHERE instance_policies.revision = $5`,
			in, string(text), next, s.db.sum("instance_policies", in, string(text), next), p.Revision)
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrStale
		}
		t.changed(kms.ChangePolicies, in, in)
		return t.record(ctx, ev)
	})
}

func instancePolicyOf(p *kms.InstancePolicy) instancePolicy {
	out := instancePolicy{
		Type: p.Type, Enabled: p.Enabled, Months: p.Interval.Months, Days: p.Interval.Days, Network: p.Network,
		Sources: p.Sources, Created: micros(p.Created), CreatedBy: p.CreatedBy, Updated: micros(p.Updated), UpdatedBy: p.UpdatedBy,
	}
	if p.Type == kms.InstanceMaterial {
		m := materialAccess(p.Material)
		out.Material = &m
	}
	return out
}

func (p instancePolicy) policy() kms.InstancePolicy {
	out := kms.InstancePolicy{
		InstanceRule: kms.InstanceRule{
			Type: p.Type, Enabled: p.Enabled, Interval: kms.Interval{Months: p.Months, Days: p.Days},
			Network: p.Network, Sources: p.Sources,
		},
		Created: fromMicros(p.Created), CreatedBy: p.CreatedBy, Updated: fromMicros(p.Updated), UpdatedBy: p.UpdatedBy,
	}
	if p.Material != nil {
		out.Material = kms.MaterialAccess(*p.Material)
	}
	return out
}
