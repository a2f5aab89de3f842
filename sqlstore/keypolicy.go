package sqlstore

import (
	"encoding/json"
	"fmt"

	"strongroom/iam"
	"strongroom/kms"
)

// keyPolicies is the stored form of the policies of a key, and of what they have led to.
type keyPolicies struct {
	Rotation *rotationPolicy `json:"rotation,omitempty"`
	DualAuth *dualAuthPolicy `json:"dualAuth,omitempty"`
	Deletion *deletion       `json:"deletion,omitempty"`
}

type policyStamp struct {
	ID        kms.PolicyID   `json:"id"`
	Created   int64          `json:"created"` // microseconds, like all times
	CreatedBy iam.IdentityID `json:"createdBy"`
	Updated   int64          `json:"updated"`
	UpdatedBy iam.IdentityID `json:"updatedBy"`
}

type rotationPolicy struct {
	policyStamp
	Enabled bool `json:"enabled"`
	Months  int  `json:"months,omitempty"`
	Days    int  `json:"days,omitempty"`
}

type dualAuthPolicy struct {
	policyStamp
	Enabled bool `json:"enabled"`
}

type deletion struct {
	By      iam.IdentityID `json:"by"`
	Expires int64          `json:"expires"`
}

// encodePolicies returns the policies of a key as they are stored: nothing if it has none.
func encodePolicies(k kms.Key) (string, error) {
	var p keyPolicies
	if r := k.Rotation; r != nil {
		p.Rotation = &rotationPolicy{stampOf(r.PolicyStamp), r.Enabled, r.Interval.Months, r.Interval.Days}
	}
	if d := k.DualAuth; d != nil {
		p.DualAuth = &dualAuthPolicy{stampOf(d.PolicyStamp), d.Enabled}
	}
	if d := k.Deletion; d != nil {
		p.Deletion = &deletion{d.By, micros(d.Expires)}
	}
	if p == (keyPolicies{}) {
		return "", nil
	}
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("encoding policies of key %s: %w", k.ID, err)
	}
	return string(text), nil
}

// decodePolicies reads the stored policies of a key into k.
func decodePolicies(text string, k *kms.Key) error {
	if text == "" {
		return nil
	}
	var p keyPolicies
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return fmt.Errorf("reading policies: %w", err)
	}
	if r := p.Rotation; r != nil {
		k.Rotation = &kms.RotationPolicy{
			PolicyStamp: r.stamp(), Enabled: r.Enabled, Interval: kms.Interval{Months: r.Months, Days: r.Days},
		}
	}
	if d := p.DualAuth; d != nil {
		k.DualAuth = &kms.DualAuthPolicy{PolicyStamp: d.stamp(), Enabled: d.Enabled}
	}
	if d := p.Deletion; d != nil {
		k.Deletion = &kms.DeletionAuthorization{By: d.By, Expires: fromMicros(d.Expires)}
	}
	return nil
}

func stampOf(s kms.PolicyStamp) policyStamp {
	return policyStamp{s.ID, micros(s.Created), s.CreatedBy, micros(s.Updated), s.UpdatedBy}
}

func (s policyStamp) stamp() kms.PolicyStamp {
	return kms.PolicyStamp{
		ID: s.ID, Created: fromMicros(s.Created), CreatedBy: s.CreatedBy, Updated: fromMicros(s.Updated), UpdatedBy: s.UpdatedBy,
	}
}
