package kms

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"strongroom/audit"
	"strongroom/fault"
	"strongroom/iam"
)

// InstancePolicyType says what a policy of an instance is about.
type InstancePolicyType string

// The types, with their names on the wire.
const (
	InstanceDualAuth InstancePolicyType = "dualAuthDelete"        // new keys need two people to be deleted
	InstanceRotation InstancePolicyType = "rotation"              // new generated root keys are rotated
	InstanceMetrics  InstancePolicyType = "metrics"               // figures of the instance are shown
	InstanceNetwork  InstancePolicyType = "allowedNetwork"        // from which networks requests may come
	InstanceIP       InstancePolicyType = "allowedIP"             // from which addresses
	InstanceMaterial InstancePolicyType = "keyCreateImportAccess" // which keys may be made
)

// InstancePolicyTypes lists all types.
func InstancePolicyTypes() []InstancePolicyType {
	return []InstancePolicyType{
		InstanceNetwork, InstanceDualAuth, InstanceIP, InstanceMaterial, InstanceMetrics, InstanceRotation,
	}
}

// InstanceRule is what a policy of an instance says. The fields of other types than its own, and
// all fields of a policy that is not enabled, are zero.
type InstanceRule struct {
	Type     InstancePolicyType
	Enabled  bool
	Interval Interval       // of InstanceRotation
	Network  Network        // of InstanceNetwork
	Sources  []netip.Prefix // of InstanceIP
	Material MaterialAccess // of InstanceMaterial
}

// InstancePolicy is a policy of an instance.
type InstancePolicy struct {
	InstanceRule
	Created   time.Time
	CreatedBy iam.IdentityID
	Updated   time.Time
	UpdatedBy iam.IdentityID
}

// InstancePolicies are all policies that were ever set in an instance, by their types. Treat them
// as immutable: they are shared by everybody who reads them from the cache.
type InstancePolicies struct {
	Instance InstanceID
	List     []InstancePolicy
	Revision int64 // grows by one with each change; zero if none was ever set
}

// InstancePolicyStore keeps the policies of instances. What it promises is said at [KeyStore].
type InstancePolicyStore interface {
	// InstancePolicies returns the policies of an instance, also when there are none.
	InstancePolicies(ctx context.Context, in InstanceID) (InstancePolicies, error)
	// PutInstancePolicies writes them. The Revision is the one that was read and is increased. It
	// fails with kind Stale when the stored one is another, and unless the instance is active and
	// at the given revision.
	PutInstancePolicies(ctx context.Context, p InstancePolicies, instanceRevision int64, ev *audit.Event) error
}

// Network says from where requests may come.
type Network string

// The networks, with their names on the wire.
const (
	PublicAndPrivate Network = "public-and-private"
	PrivateOnly      Network = "private-only" // addresses that are not routed in the internet
)

// MaterialAccess says which keys may be made. The zero value allows nothing.
type MaterialAccess struct {
	CreateRoot, CreateStandard bool // whether material may be drawn
	ImportRoot, ImportStandard bool // whether material may be brought
	EnforceToken               bool // material must come under an import token, also when a key is rotated
}

// OpenMaterialAccess is the access where no policy says otherwise.
func OpenMaterialAccess() MaterialAccess {
	return MaterialAccess{CreateRoot: true, CreateStandard: true, ImportRoot: true, ImportStandard: true}
}

// maxSources is how many address ranges an instance can have.
const maxSources = 1000

// check holds the rules of a policy.
func (r InstanceRule) check() error {
	if !slices.Contains(InstancePolicyTypes(), r.Type) {
		return ErrField.On("policy_type", "a type of instance policy")
	}
	if !r.Enabled {
		return nil
	}
	switch r.Type {
	case InstanceRotation:
		return r.Interval.check()
	case InstanceNetwork:
		if r.Network != PublicAndPrivate && r.Network != PrivateOnly {
			return ErrField.On("allowed_network", "public-and-private or private-only")
		}
	case InstanceIP:
		if len(r.Sources) < 1 || len(r.Sources) > maxSources {
			return ErrField.On("allowed_ip", "a list of 1 to 1000 address ranges in CIDR notation")
		}
	}
	return nil
}

// of returns the policy of a type if it is enabled, or nil.
func (p *InstancePolicies) of(t InstancePolicyType) *InstancePolicy {
	for i := range p.List {
		if p.List[i].Type == t && p.List[i].Enabled {
			return &p.List[i]
		}
	}
	return nil
}

// admit reports whether a request may come from where it comes. Services among themselves, and
// what the server does by itself, come from everywhere.
func (p *InstancePolicies) admit(who iam.Caller) bool {
	ip, network := p.of(InstanceIP), p.of(InstanceNetwork)
	if ip == nil && (network == nil || network.Network != PrivateOnly) || who.Kind == iam.KindInstance || who.Trail == nil {
		return true
	}
	from, err := netip.ParseAddr(who.Trail.Address)
	if err != nil {
		return false
	}
	from = from.Unmap().WithZone("")
	if network != nil && network.Network == PrivateOnly && !isPrivate(from) {
		return false
	}
	return ip == nil || slices.ContainsFunc(ip.Sources, func(r netip.Prefix) bool { return r.Contains(from) })
}

// sharedSpace is between carriers and their customers, and not routed in the internet (RFC 6598).
var sharedSpace = netip.MustParsePrefix("100.64.0.0/10")

func isPrivate(a netip.Addr) bool {
	return a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || sharedSpace.Contains(a)
}

// admitKey returns nil if a key may be made: of material that is brought or not, and that comes
// under an import token or not.
func (p *InstancePolicies) admitKey(extractable, imported, secure bool) error {
	set := p.of(InstanceMaterial)
	if set == nil {
		return nil
	}
	a := set.Material
	allowed := a.CreateRoot
	switch {
	case imported && extractable:
		allowed = a.ImportStandard
	case imported:
		allowed = a.ImportRoot
	case extractable:
		allowed = a.CreateStandard
	}
	if !allowed || imported && a.EnforceToken && !secure {
		return ErrMaterialAccess
	}
	return nil
}

// admitRotation returns nil if a root key may be rotated to material that is brought.
func (p *InstancePolicies) admitRotation(secure bool) error {
	if set := p.of(InstanceMaterial); set != nil && set.Material.EnforceToken && !secure {
		return ErrMaterialAccess
	}
	return nil
}

// defaults are the policies that a new key gets.
func (p *InstancePolicies) defaults(k *Key) PolicyChange {
	var c PolicyChange
	if p.of(InstanceDualAuth) != nil {
		yes := true
		c.DualAuth = &yes
	}
	if r := p.of(InstanceRotation); r != nil && !k.Extractable && !k.Imported {
		c.Rotation = r.Interval.change()
	}
	return c
}

// policiesOf returns the policies of an instance.
func (s *Service) policiesOf(ctx context.Context, in InstanceID, from source) (*InstancePolicies, error) {
	read := func(ctx context.Context) (*InstancePolicies, error) {
		p, err := s.store.InstancePolicies(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("reading the policies of instance %s: %w", in, err)
		}
		return &p, nil
	}
	if from == cached {
		return s.policies.Get(ctx, in, read)
	}
	return read(ctx)
}

// screen reads the policies of the instance of a visit, and refuses a caller from where none may
// call.
func (s *Service) screen(ctx context.Context, who iam.Caller, v *visit, from source) {
	var err error
	v.policies, err = s.policiesOf(ctx, v.instance.ID, from)
	switch {
	case err != nil:
		v.cause = unreadable(err, from)
	case !v.policies.admit(who):
		v.cause = iam.ErrForbidden
	}
}

// InstancePolicies returns the policies that were ever set in an instance.
func (s *Service) InstancePolicies(ctx context.Context, who iam.Caller, in InstanceID) ([]InstancePolicy, error) {
	return s.viewInstance(ctx, who, in, ActionInstancePolicyRead)
}

// AllowedPort reports whether requests to an instance are restricted to some addresses, in which
// case clients are told the port to use.
func (s *Service) AllowedPort(ctx context.Context, who iam.Caller, in InstanceID) (bool, error) {
	list, err := s.viewInstance(ctx, who, in, ActionAllowedPort)
	p := InstancePolicies{List: list}
	return p.of(InstanceIP) != nil, err
}

func (s *Service) viewInstance(ctx context.Context, who iam.Caller, in InstanceID, action iam.Action) (list []InstancePolicy, err error) {
	err = s.steady(func(from source) error {
		v := s.approachInstance(ctx, who, Ref{Instance: in}, action)
		return s.doorFor(v, nil).Read(ctx, who, action, v.object, v.event, func() error {
			p, err := s.policiesOf(ctx, in, from)
			if err == nil {
				list = p.List
			}
			return err
		})
	})
	return list, err
}

// SetInstancePolicies sets policies of an instance, each of another type; others stay as they are.
// They hold for the next request that is made when SetInstancePolicies returns, and leave the keys
// alone that exist.
func (s *Service) SetInstancePolicies(ctx context.Context, who iam.Caller, in InstanceID, rules []InstanceRule) error {
	v := s.approachInstance(ctx, who, Ref{Instance: in}, ActionInstancePolicyWrite)
	return s.doorFor(v, nil).Change(ctx, who, ActionInstancePolicyWrite, v.object, v.event, func() error {
		for i, r := range rules {
			if err := r.check(); err != nil {
				return err
			}
			if slices.ContainsFunc(rules[:i], func(earlier InstanceRule) bool { return earlier.Type == r.Type }) {
				return ErrField.On("policy_type", "given only once")
			}
		}
		return s.putPolicies(ctx, who, v, rules)
	})
}

func (s *Service) putPolicies(ctx context.Context, who iam.Caller, v *visit, rules []InstanceRule) error {
	for range tries {
		was, err := s.policiesOf(ctx, v.instance.ID, authoritative)
		if err != nil {
			return err
		}
		next := InstancePolicies{Instance: v.instance.ID, List: slices.Clone(was.List), Revision: was.Revision}
		for _, r := range rules {
			v.tellRule(was, r)
			next.List = with(next.List, r, who.Identity, v.now)
		}
		err = s.store.PutInstancePolicies(ctx, next, v.instance.Revision, v.event)
		if fault.KindOf(err) != fault.Stale {
			return err
		}
		if v.instance, err = s.instances.Instance(ctx, v.instance.ID); err != nil {
			if fault.KindOf(err) == fault.NotFound {
				return iam.ErrForbidden
			}
			return err
		}
	}
	return ErrUnavailable
}

// with returns the list, which it may change, with a rule in the place of the one of its type.
func with(list []InstancePolicy, r InstanceRule, by iam.IdentityID, now time.Time) []InstancePolicy {
	next := InstancePolicy{InstanceRule: r, Created: now, CreatedBy: by, Updated: now, UpdatedBy: by}
	i := slices.IndexFunc(list, func(p InstancePolicy) bool { return p.Type == r.Type })
	if i < 0 {
		return append(list, next)
	}
	next.Created, next.CreatedBy = list[i].Created, list[i].CreatedBy
	list[i] = next
	return list
}

// tellRule adds to the event what a policy was and what it is to be.
func (v *visit) tellRule(was *InstancePolicies, next InstanceRule) {
	old := InstanceRule{Type: next.Type}
	if p := was.of(next.Type); p != nil {
		old = p.InstanceRule
	}
	for prefix, r := range map[string]InstanceRule{"initialValue.": old, "newValue.": next} {
		for name, value := range r.describe() {
			v.event.RequestData[prefix+name] = value
		}
	}
}

// describe returns a policy in the words of events.
func (r InstanceRule) describe() map[string]any {
	switch r.Type {
	case InstanceNetwork:
		return map[string]any{"policyAllowedNetworkEnabled": r.Enabled, "policyAllowedNetworkAttribute": string(r.Network)}
	case InstanceDualAuth:
		return map[string]any{"policyDualAuthDeleteEnabled": r.Enabled}
	case InstanceIP:
		return map[string]any{"policyAllowedIPEnabled": r.Enabled, "policyAllowedIPAttribute": r.sourcesText()}
	case InstanceMaterial:
		a := r.Material
		if !r.Enabled {
			a = OpenMaterialAccess()
		}
		return map[string]any{
			"PolicyKCIAEnabled": r.Enabled, "PolicyKCIAAttrCRK": a.CreateRoot, "PolicyKCIAAttrCSK": a.CreateStandard,
			"PolicyKCIAAttrIRK": a.ImportRoot, "PolicyKCIAAttrISK": a.ImportStandard, "PolicyKCIAAttrET": a.EnforceToken,
		}
	case InstanceRotation:
		p := RotationPolicy{Enabled: r.Enabled, Interval: r.Interval}
		return map[string]any{"policyRotation": p.describe()}
	}
	return map[string]any{"policyMetricsEnabled": r.Enabled}
}

// sourcesText lists the address ranges, so many of them as an event can hold.
func (r InstanceRule) sourcesText() string {
	const most = 100
	text := ""
	for i, source := range r.Sources {
		if i == most {
			return fmt.Sprintf("%s and %d more", text, len(r.Sources)-most)
		}
		if i > 0 {
			text += ","
		}
		text += source.String()
	}
	return text
}
