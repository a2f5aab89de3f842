package sqlstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"strongroom/audit"
	"strongroom/iam"
)

// Access keeps policies, custom roles and access groups. It implements
// iam.AccessStore.
type Access struct{ db *DB }

// Access returns the store of iam.Access.
func (db *DB) Access() *Access { return &Access{db} }

const policyColumns = `id, account, type, state, document, revision, created_at, created_by, modified_at, modified_by, mac`

// policyDocument is the stored form of what a policy says.
type policyDocument struct {
	Description string            `json:"description,omitempty"`
	Subject     []policyAttribute `json:"subject"`
	Resource    []policyAttribute `json:"resource"`
	Tags        []policyAttribute `json:"tags,omitempty"`
	Roles       []string          `json:"roles"`
	Pattern     string            `json:"pattern,omitempty"`
	Rule        *policyCondition  `json:"rule,omitempty"`
}

type policyAttribute struct {
	Key      string   `json:"key,omitempty"`
	Operator string   `json:"operator"`
	Texts    []string `json:"texts,omitempty"`
	List     bool     `json:"list,omitempty"`
	Bare     bool     `json:"bare,omitempty"`
}

type policyCondition struct {
	policyAttribute
	Conditions []policyCondition `json:"conditions,omitempty"`
}

func storedAttributes(list []iam.Attribute) []policyAttribute {
	var all []policyAttribute
	for _, a := range list {
		all = append(all, policyAttribute{a.Key, string(a.Operator), a.Value.Texts, a.Value.List, a.Value.Bare})
	}
	return all
}

func (a policyAttribute) value() iam.Value {
	return iam.Value{Texts: a.Texts, List: a.List, Bare: a.Bare}
}

func readAttributes(list []policyAttribute) []iam.Attribute {
	var all []iam.Attribute
	for _, a := range list {
		all = append(all, iam.Attribute{Key: a.Key, Operator: iam.Operator(a.Operator), Value: a.value()})
	}
	return all
}

func storedCondition(c *iam.Condition) *policyCondition {
	if c == nil {
		return nil
	}
	p := &policyCondition{policyAttribute: policyAttribute{c.Key, string(c.Operator), c.Value.Texts, c.Value.List, c.Value.Bare}}
	for i := range c.Conditions {
		p.Conditions = append(p.Conditions, *storedCondition(&c.Conditions[i]))
	}
	return p
}

func readCondition(p *policyCondition) *iam.Condition {
	if p == nil {
		return nil
	}
	c := &iam.Condition{Operator: iam.Operator(p.Operator), Key: p.Key, Value: p.value()}
	for i := range p.Conditions {
		c.Conditions = append(c.Conditions, *readCondition(&p.Conditions[i]))
	}
	return c
}

func encodePolicy(p *iam.Policy) ([]byte, error) {
	return json.Marshal(policyDocument{
		Description: p.Description, Subject: storedAttributes(p.Subject), Resource: storedAttributes(p.Resource),
		Tags: storedAttributes(p.Tags), Roles: p.Roles, Pattern: p.Pattern, Rule: storedCondition(p.Rule),
	})
}

// policyMAC covers the whole row but the columns that are derived from it.
func policyMAC(p *iam.Policy, document []byte) []any {
	return []any{
		string(p.ID), string(p.Account), string(p.Type), p.SubjectID(), string(p.State), document, p.Revision,
		p.CreatedAt, string(p.CreatedBy), p.ModifiedAt, string(p.ModifiedBy),
	}
}

func (s *Access) scanPolicy(row scanner) (iam.Policy, error) {
	var (
		p                 iam.Policy
		created, modified int64
		document, mac     []byte
	)
	err := row.Scan(&p.ID, &p.Account, &p.Type, &p.State, &document, &p.Revision, &created, &p.CreatedBy, &modified, &p.ModifiedBy, &mac)
	if err != nil {
		return iam.Policy{}, absent(err)
	}
	p.CreatedAt, p.ModifiedAt = fromMicros(created), fromMicros(modified)
	var d policyDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return iam.Policy{}, fmt.Errorf("reading policy %s: %w", p.ID, err)
	}
	p.Description, p.Subject, p.Resource = d.Description, readAttributes(d.Subject), readAttributes(d.Resource)
	p.Tags, p.Roles, p.Pattern, p.Rule = readAttributes(d.Tags), d.Roles, d.Pattern, readCondition(d.Rule)
	return p, s.db.check(mac, "policies", string(p.ID), policyMAC(&p, document)...)
}

// Policy returns one policy of an account, also a deleted one.
func (s *Access) Policy(ctx context.Context, account iam.AccountID, id iam.PolicyID) (iam.Policy, error) {
	return s.scanPolicy(s.db.queryRow(ctx, `SELECT `+policyColumns+` FROM policies WHERE id = $1 AND account = $2`,
		string(id), string(account)))
}

// PoliciesOf returns what decides about a subject: its active access policies,
// or for the empty subject the account's active authorizations.
func (s *Access) PoliciesOf(ctx context.Context, account iam.AccountID, subject string) ([]iam.Policy, error) {
	rows, err := s.db.query(ctx, `SELECT `+policyColumns+` FROM policies
		WHERE account = $1 AND subject = $2 AND state = 'active'`, string(account), subject)
	return collect(rows, err, func(row scanner) (iam.Policy, error) {
		p, err := s.scanPolicy(row)
		if err == nil && (p.SubjectID() != subject || p.State != iam.PolicyActive) {
			// The MAC holds what the policy says; the column it was found by says otherwise.
			err = fmt.Errorf("policy %q: %w", p.ID, errForged)
		}
		return p, err
	})
}

// policyOrder is the column of each order of a list.
var policyOrder = map[iam.PolicySort]string{
	iam.PolicyByCreated: "created_at", iam.PolicyByCreator: "created_by", iam.PolicyByModified: "modified_at",
	iam.PolicyByModifier: "modified_by", iam.PolicyByID: "id", iam.PolicyByType: "type", iam.PolicyByState: "state",
}

// Policies returns a page of an account's policies.
func (s *Access) Policies(ctx context.Context, account iam.AccountID, r iam.PolicyRange) ([]iam.Policy, error) {
	column, ok := policyOrder[r.Sort]
	if !ok {
		return nil, fmt.Errorf("listing policies: no order %q", r.Sort)
	}
	var w where
	w.and(`account = ?`, string(account))
	w.and(`state = ?`, string(r.State))
	given(&w, `subject = ?`, r.Subject, r.Subject)
	given(&w, `type = ?`, r.Type, string(r.Type))
	given(&w, `service = ?`, r.Service, r.Service)
	given(&w, `service_type = ?`, r.ServiceType, r.ServiceType)
	given(&w, `service_group = ?`, r.ServiceGroup, r.ServiceGroup)
	given(&w, `EXISTS (SELECT 1 FROM policy_tags WHERE policy = policies.id AND name = ?)`, r.TagName, r.TagName)
	given(&w, `EXISTS (SELECT 1 FROM policy_tags WHERE policy = policies.id AND value = ?)`, r.TagValue, r.TagValue)
	after, direction := ">", ""
	if r.Descending {
		after, direction = "<", " DESC"
	}
	if r.Resume {
		w.and(`(`+column+`, id) `+after+` (?, ?)`, r.At, string(r.ID))
	}
	w.args = append(w.args, r.Limit)
	rows, err := s.db.query(ctx, `SELECT `+policyColumns+` FROM policies WHERE `+strings.Join(w.conditions, " AND ")+
		` ORDER BY `+column+direction+`, id`+direction+fmt.Sprintf(` LIMIT $%d`, len(w.args)), w.args...)
	return collect(rows, err, s.scanPolicy)
}

// CreatePolicy stores a new policy, unless unique is set and another says the same.
func (s *Access) CreatePolicy(ctx context.Context, p iam.Policy, unique bool, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		if err := forgetPolicies(ctx, t, p.Account); err != nil {
			return err
		}
		fingerprint := ""
		if unique {
			fingerprint = p.Fingerprint()
			if err := refuseAlike(ctx, t, &p, fingerprint); err != nil {
				return err
			}
		}
		document, err := encodePolicy(&p)
		if err != nil {
			return err
		}
		n, err := t.exec(ctx, `INSERT INTO policies (id, account, type, subject, service, service_type, service_group, state,
			fingerprint, document, revision, created_at, created_by, modified_at, modified_by, mac)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (id) DO NOTHING`,
			string(p.ID), string(p.Account), string(p.Type), p.SubjectID(), p.Exact(iam.AttrService), p.ServiceType(),
			p.Exact(iam.AttrServiceGroup), string(p.State), fingerprint, document, p.Revision, micros(p.CreatedAt), string(p.CreatedBy),
			micros(p.ModifiedAt), string(p.ModifiedBy), s.db.sum("policies", policyMAC(&p, document)...))
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrExists
		}
		if err := writeParts(ctx, t, &p); err != nil {
			return err
		}
		t.changed(iam.ChangePolicy, string(p.Account), p.SubjectID())
		return t.record(ctx, ev)
	})
}

// UpdatePolicy stores a policy over its predecessor.
func (s *Access) UpdatePolicy(ctx context.Context, p iam.Policy, ev *audit.Event) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var before string
		err := t.queryRow(ctx, `SELECT subject FROM policies WHERE id = $1 AND account = $2`, string(p.ID), string(p.Account)).Scan(&before)
		if err != nil {
			return absent(err)
		}
		fingerprint := ""
		if p.State == iam.PolicyActive {
			fingerprint = p.Fingerprint()
			if err := refuseAlike(ctx, t, &p, fingerprint); err != nil {
				return err
			}
		}
		document, err := encodePolicy(&p)
		if err != nil {
			return err
		}
		err = t.swap(ctx, `UPDATE policies SET subject = $1, service = $2, service_type = $3, service_group = $4, state = $5,
			fingerprint = $6, document = $7, revision = $8, modified_at = $9, modified_by = $10, mac = $11
			WHERE id = $12 AND revision = $13`,
			p.SubjectID(), p.Exact(iam.AttrService), p.ServiceType(), p.Exact(iam.AttrServiceGroup), string(p.State),
			fingerprint, document, p.Revision, micros(p.ModifiedAt), string(p.ModifiedBy),
			s.db.sum("policies", policyMAC(&p, document)...), string(p.ID), p.Revision-1)
		if err != nil {
			return err
		}
		if err := writeParts(ctx, t, &p); err != nil {
			return err
		}
		t.changed(iam.ChangePolicy, string(p.Account), before)
		if after := p.SubjectID(); after != before {
			t.changed(iam.ChangePolicy, string(p.Account), after)
		}
		return t.record(ctx, ev)
	})
}

// RemovePolicy removes a policy if there is one.
func (s *Access) RemovePolicy(ctx context.Context, account iam.AccountID, id iam.PolicyID) error {
	return s.db.update(ctx, func(ctx context.Context, t *tx) error {
		var subject string
		err := t.queryRow(ctx, `DELETE FROM policies WHERE id = $1 AND account = $2 RETURNING subject`,
			string(id), string(account)).Scan(&subject)
		if errors.Is(absent(err), ErrNotFound) {
			return nil
		}
		t.changed(iam.ChangePolicy, string(account), subject)
		return err
	})
}

// refuseAlike refuses a policy that says what another active one says. The index
// on fingerprints would refuse it too, but not say which.
func refuseAlike(ctx context.Context, t *tx, p *iam.Policy, fingerprint string) error {
	var id iam.PolicyID
	err := t.queryRow(ctx, `SELECT id FROM policies WHERE account = $1 AND fingerprint = $2 AND state = 'active' AND id <> $3`,
		string(p.Account), fingerprint, string(p.ID)).Scan(&id)
	switch err = absent(err); {
	case err == nil:
		return &iam.PolicyConflict{Fault: iam.ErrPolicyExists, Policy: id}
	case errors.Is(err, ErrNotFound):
		return nil
	}
	return err
}

// writeParts keeps the tables of what policies are found by.
func writeParts(ctx context.Context, t *tx, p *iam.Policy) error {
	for _, table := range []string{"policy_tags", "policy_roles"} {
		if _, err := t.exec(ctx, `DELETE FROM `+table+` WHERE policy = $1`, string(p.ID)); err != nil {
			return err
		}
	}
	for _, tag := range p.Tags {
		_, err := t.exec(ctx, `INSERT INTO policy_tags (policy, name, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			string(p.ID), tag.Key, strings.Join(tag.Value.Texts, ","))
		if err != nil {
			return err
		}
	}
	for _, role := range p.Roles {
		if _, builtIn := iam.RoleByCRN(role); builtIn {
			continue
		}
		_, err := t.exec(ctx, `INSERT INTO policy_roles (policy, role) VALUES ($1, $2) ON CONFLICT DO NOTHING`, string(p.ID), role)
		if err != nil {
			return err
		}
	}
	return nil
}

// forgetPolicies removes deleted policies that were kept long enough.
func forgetPolicies(ctx context.Context, t *tx, account iam.AccountID) error {
	_, err := t.exec(ctx, `DELETE FROM policies WHERE account = $1 AND state = 'deleted' AND modified_at < $2`,
		string(account), micros(t.now.Add(-iam.PolicyKept)))
	return err
}

// dropSubject removes an identity's policies, deleted ones too, and its group
// memberships in an account, as a part of removing the identity.
func dropSubject(ctx context.Context, t *tx, account, iamID string) error {
	policies, err := t.exec(ctx, `DELETE FROM policies WHERE account = $1 AND subject = $2`, account, iamID)
	if err != nil {
		return fmt.Errorf("removing the policies of %s: %w", iamID, err)
	}
	if policies > 0 {
		t.changed(iam.ChangePolicy, account, iamID)
	}
	memberships, err := t.exec(ctx, `DELETE FROM access_group_members WHERE account = $1 AND iam_id = $2`, account, iamID)
	if err != nil {
		return fmt.Errorf("removing the group memberships of %s: %w", iamID, err)
	}
	if memberships > 0 {
		t.changed(iam.ChangeMembership, account, iamID)
	}
	return nil
}

var _ iam.AccessStore = (*Access)(nil)
