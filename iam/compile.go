package iam

import "fmt"

// policySet is the compiled form of the policies of one subject, or of all
// authorizations of an account. A decision looks only at the policies that name
// what it is about, or name nothing narrower: their number, not that of the
// whole set, is what a decision costs.
type policySet struct {
	buckets map[bucketKey]*bucket
}

// bucketKey says what a policy names literally. Policies that name a service by
// a pattern, or none, are under the empty key.
type bucketKey struct {
	source   string // GUID of the instance that is authorized; empty for access policies
	service  string
	instance string // empty without a service
}

// bucket divides the policies of one key by the narrowest thing they name.
type bucket struct {
	wide       []*compiledPolicy
	byRing     map[string][]*compiledPolicy
	byResource map[string][]*compiledPolicy
}

// compiledPolicy is one policy in the form that decisions need.
type compiledPolicy struct {
	actions  *actionSet // of its built-in roles; shared by policies with the same roles
	custom   []string   // CRNs of the account's own roles
	resource []term
	subject  []term // of an authorization
	rule     *ruleNode
	tagged   bool // wants access tags, which nothing carries: never matches
}

// term is a compiled attribute.
type term struct {
	name    string
	key     attributeKey
	matcher matcher
}

// attributeKey is the number of an attribute, so that decisions do not compare
// names.
type attributeKey uint8

const (
	keyUnknown attributeKey = iota
	keyAccount
	keyService
	keyServiceType
	keyServiceGroup
	keyInstance
	keyRegion
	keyResourceGroup
	keyType
	keyResource
	keyKeyRing
)

var attributeKeys = map[string]attributeKey{
	AttrAccount: keyAccount, AttrService: keyService, AttrServiceType: keyServiceType,
	AttrServiceGroup: keyServiceGroup, AttrInstance: keyInstance, AttrRegion: keyRegion,
	AttrResourceGroup: keyResourceGroup, AttrType: keyType, AttrResource: keyResource, AttrKeyRing: keyKeyRing,
}

// attribute returns what an object is in the terms of policies; empty is absent.
func (o *Object) attribute(key attributeKey) string {
	switch key {
	case keyAccount:
		return string(o.Account)
	case keyService:
		return o.Service
	case keyServiceType:
		return serviceTypeOf(o.Service)
	case keyServiceGroup:
		return serviceGroupOf(o.Service)
	case keyInstance:
		return o.Instance
	case keyRegion:
		return o.Region
	case keyResourceGroup:
		return o.ResourceGroup
	case keyType:
		return o.Type
	case keyResource:
		return o.Resource
	case keyKeyRing:
		return o.KeyRing
	}
	return ""
}

// compilePolicies puts policies, which were checked when they were stored, into
// the form for decisions.
func compilePolicies(policies []Policy) (*policySet, error) {
	s := &policySet{buckets: make(map[bucketKey]*bucket)}
	shared := map[actionSet]*actionSet{}
	for i := range policies {
		p := &policies[i]
		c, err := compilePolicy(p, shared)
		if err != nil {
			return nil, fmt.Errorf("compiling policy %s: %w", p.ID, err)
		}
		s.add(p, c)
	}
	return s, nil
}

func compilePolicy(p *Policy, shared map[actionSet]*actionSet) (*compiledPolicy, error) {
	c := &compiledPolicy{resource: compileTerms(p.Resource), tagged: len(p.Tags) > 0}
	var actions actionSet
	for _, id := range p.Roles {
		if r, ok := catalog.roles[id]; ok {
			actions.merge(&r.actions)
		} else {
			c.custom = append(c.custom, id)
		}
	}
	if p.Type == PolicyAuthorization {
		c.subject = compileTerms(p.Subject)
		actions.add(catalog.numbers[lookUpInstance])
	}
	if c.actions = shared[actions]; c.actions == nil {
		c.actions = &actions
		shared[actions] = c.actions
	}
	if p.Rule != nil {
		var err error
		if c.rule, err = compileRule(p.Rule); err != nil {
			return nil, err
		}
	}
	return c, nil
}

func compileTerms(list []Attribute) []term {
	terms := make([]term, len(list))
	for i, a := range list {
		terms[i] = term{name: a.Key, key: attributeKeys[a.Key], matcher: compileMatcher(a.Operator, a.Value)}
	}
	return terms
}

// add files a policy under what it names literally.
func (s *policySet) add(p *Policy, c *compiledPolicy) {
	key := bucketKey{service: p.Exact(AttrService)}
	if key.service != "" {
		key.instance = p.Exact(AttrInstance)
	}
	if p.Type == PolicyAuthorization {
		key.source = exact(p.Subject, AttrInstance)
	}
	b := s.buckets[key]
	if b == nil {
		b = &bucket{}
		s.buckets[key] = b
	}
	if resource := p.Exact(AttrResource); resource != "" {
		file(&b.byResource, resource, c)
	} else if ring := p.Exact(AttrKeyRing); ring != "" {
		file(&b.byRing, ring, c)
	} else {
		b.wide = append(b.wide, c)
	}
}

func file(in *map[string][]*compiledPolicy, under string, c *compiledPolicy) {
	if *in == nil {
		*in = make(map[string][]*compiledPolicy)
	}
	(*in)[under] = append((*in)[under], c)
}

// keysFor lists the buckets that can hold a policy on an instance of a service,
// the narrowest first. The number of valid ones is returned.
func keysFor(source, service, instance string) (keys [3]bucketKey, n int) {
	if service != "" && instance != "" {
		keys[n] = bucketKey{source, service, instance}
		n++
	}
	if service != "" {
		keys[n] = bucketKey{source, service, ""}
		n++
	}
	keys[n] = bucketKey{source, "", ""}
	return keys, n + 1
}

// all calls visit with every policy of the bucket until it returns false.
func (b *bucket) all(visit func(*compiledPolicy) bool) {
	for _, c := range b.wide {
		if !visit(c) {
			return
		}
	}
	for _, by := range []map[string][]*compiledPolicy{b.byRing, b.byResource} {
		for _, list := range by {
			for _, c := range list {
				if !visit(c) {
					return
				}
			}
		}
	}
}
