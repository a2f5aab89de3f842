package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"strongroom/crn"
)

func newPolicyCommand(p *program) *cobra.Command {
	return newGroup("policy", "Policies, which say who may do what",
		"Policies give a user, a service ID or an access group a role on a service, an instance, or a part of one.",
		newPolicyCreateCommand(p), newPolicyListCommand(p), newPolicyShowCommand(p, policyAccess), newPolicyDeleteCommand(p, policyAccess))
}

const policyCollection = "/v2/policies"

// policyType tells what a policy is about: the service keeps both kinds in one place.
type policyType struct {
	wire string // value of "type"
	name string // for people
}

var (
	policyAccess        = policyType{"access", "policy"}
	policyAuthorization = policyType{"authorization", "authorization"}
)

// attribute is one condition on a subject or a resource.
type attribute struct {
	Key      string          `json:"key"`
	Operator string          `json:"operator"`
	Value    json.RawMessage `json:"value"`
}

// String renders the attribute as people write it.
func (a attribute) String() string {
	value := string(a.Value)
	var text string
	if json.Unmarshal(a.Value, &text) == nil {
		value = text
	}
	sign := "="
	switch a.Operator {
	case "stringEquals", "":
	case "stringMatch":
		sign = "~"
	default:
		sign = " " + a.Operator + " "
	}
	return a.Key + sign + value
}

// attributes are the conditions of a policy's subject or resource.
type attributes struct {
	Attributes []attribute `json:"attributes"`
}

// add adds a condition, unless value is empty.
func (as *attributes) add(key, operator, value string) {
	if value == "" {
		return
	}
	raw, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string always encodes
	}
	as.Attributes = append(as.Attributes, attribute{Key: key, Operator: operator, Value: raw})
}

// equals adds a condition of equality, unless value is empty.
func (as *attributes) equals(key, value string) { as.add(key, "stringEquals", value) }

// text renders all conditions but those on the account, which is always the caller's.
func (as attributes) text() string {
	var parts []string
	for _, a := range as.Attributes {
		if a.Key != "accountId" {
			parts = append(parts, a.String())
		}
	}
	return strings.Join(parts, " ")
}

// policy is a policy of either type, on the wire and as this program shows it.
type policy struct {
	ID          string     `json:"id,omitempty"`
	Type        string     `json:"type"`
	Description string     `json:"description,omitempty"`
	Subject     attributes `json:"subject"`
	Resource    attributes `json:"resource"`
	Control     struct {
		Grant struct {
			Roles []grantedRole `json:"roles"`
		} `json:"grant"`
	} `json:"control"`
	Pattern string          `json:"pattern,omitempty"`
	Rule    json.RawMessage `json:"rule,omitempty"`
	State   string          `json:"state,omitempty"`
	Created string          `json:"created_at,omitempty"`
	By      string          `json:"created_by_id,omitempty"`
}

// grantedRole is a role that a policy gives.
type grantedRole struct {
	ID string `json:"role_id"`
}

// grant adds roles, each by name or CRN.
func (pol *policy) grant(ctx context.Context, c *connection, roles []string, query url.Values) error {
	for _, ref := range roles {
		found, err := findRole(ctx, c, ref, query)
		if err != nil {
			return err
		}
		pol.Control.Grant.Roles = append(pol.Control.Grant.Roles, grantedRole{ID: found.CRN})
	}
	return nil
}

// roles names the roles that the policy gives, by the last part of their CRNs.
func (pol policy) roles() string {
	var names []string
	for _, r := range pol.Control.Grant.Roles {
		name := r.ID
		if parsed, err := crn.Parse(r.ID); err == nil {
			name = parsed.Resource
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

func policyColumns() []column[policy] {
	return []column[policy]{
		{"ID", func(pol policy) string { return pol.ID }},
		{"SUBJECT", func(pol policy) string { return pol.Subject.text() }},
		{"ROLES", policy.roles},
		{"RESOURCE", func(pol policy) string { return pol.Resource.text() }},
		{"STATE", func(pol policy) string { return pol.State }},
	}
}

func policyDetails() []column[policy] {
	return append(policyColumns(),
		column[policy]{"DESCRIPTION", func(pol policy) string { return pol.Description }},
		column[policy]{"CREATED", func(pol policy) string { return shortTime(pol.Created) }},
		column[policy]{"CREATED BY", func(pol policy) string { return pol.By }},
		column[policy]{"PATTERN", func(pol policy) string { return pol.Pattern }},
		column[policy]{"RULE", func(pol policy) string { return string(pol.Rule) }},
	)
}

// policyFlags say what a new policy is about.
type policyFlags struct {
	subject, group               string
	roles                        []string
	service, instance, ring, key string
	bucket, match, resourceGroup string
	serviceType, region          string
	from, until, description     string
}

func newPolicyCreateCommand(p *program) *cobra.Command {
	var f policyFlags
	cmd := &cobra.Command{
		Use:   "create (--for IDENTITY | --group GROUP) --role ROLE [--service SERVICE]",
		Short: "Give a role on something",
		Long: "Give a user, a service ID or an access group a role on a service, an instance of it, or a key ring,\n" +
			"key or bucket of that. Roles are those of \"strongroom role list --service SERVICE\".",
		Example: "  strongroom policy create --for build-server --role Writer --service kms --instance payments-keys\n" +
			"  strongroom policy create --group auditors --role Reader --service kms --until 720h\n" +
			"  strongroom policy create --for ada@example.com --role Viewer --resource-group Default",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			pol := policy{Type: policyAccess.wire, Description: f.description}
			if err := f.window(p, &pol); err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			if err := f.setSubject(cmd.Context(), c, &pol.Subject); err != nil {
				return err
			}
			if err := f.setResource(cmd.Context(), c, &pol.Resource); err != nil {
				return err
			}
			if err := pol.grant(cmd.Context(), c, f.roles, f.roleQuery()); err != nil {
				return err
			}
			made, err := create[policy](cmd.Context(), c.client, policyCollection, nil, pol)
			if err != nil {
				return fmt.Errorf("creating a policy: %w", err)
			}
			return printOne(p, made, policyDetails())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.subject, "for", "", "user or service ID: e-mail address, name or ID")
	flags.StringVar(&f.group, "group", "", "access group: name or ID")
	flags.StringArrayVar(&f.roles, "role", nil, "role by name; may be given several times (required)")
	flags.StringVar(&f.service, "service", "", "service, such as kms or cloud-object-storage")
	flags.StringVar(&f.serviceType, "service-type", "", "all services of a type: service or platform_service")
	flags.StringVar(&f.instance, "instance", "", "instance: GUID, CRN or name")
	flags.StringVar(&f.region, "region", "", "only instances in this region")
	flags.StringVar(&f.resourceGroup, "resource-group", "", "only what is in this resource group: name or ID")
	flags.StringVar(&f.ring, "ring", "", "key ring")
	flags.StringVar(&f.key, "key", "", "key, by ID")
	flags.StringVar(&f.bucket, "bucket", "", "bucket")
	flags.StringVar(&f.match, "resource-match", "", "keys or buckets whose ID or name matches, where * is any text and ? any character")
	flags.StringVar(&f.from, "from", "", "`TIME` from which the policy holds")
	flags.StringVar(&f.until, "until", "", "`TIME` until which the policy holds, or from now on such as 720h")
	flags.StringVar(&f.description, "description", "", "what the policy is for")
	cmd.MarkFlagsMutuallyExclusive("for", "group")
	cmd.MarkFlagsMutuallyExclusive("key", "bucket", "resource-match")
	cmd.MarkFlagsMutuallyExclusive("service", "service-type")
	oneOf(cmd, "service", crn.KeyProtect, crn.ObjectStorage)
	oneOf(cmd, "service-type", "service", "platform_service")
	return cmd
}

func (f *policyFlags) check() error {
	switch {
	case f.subject == "" && f.group == "":
		return usageErrorf("--for or --group is required: the policy must be for somebody")
	case len(f.roles) == 0:
		return withHint(usageErrorf("--role is required"), "\"strongroom role list --service SERVICE\" lists the roles")
	case f.service == "" && f.serviceType == "" && f.resourceGroup == "":
		return usageErrorf("--service, --service-type or --resource-group is required: the policy must be about something")
	case (f.key != "" || f.ring != "") && f.service != crn.KeyProtect:
		return usageErrorf("--key and --ring are for --service %s", crn.KeyProtect)
	case f.bucket != "" && f.service != crn.ObjectStorage:
		return usageErrorf("--bucket is for --service %s", crn.ObjectStorage)
	case f.match != "" && resourceType(f.service) == "":
		return usageErrorf("--resource-match is for --service %s or %s", crn.KeyProtect, crn.ObjectStorage)
	}
	return nil
}

// resourceType is what the resources inside an instance of service are called.
func resourceType(service string) string {
	switch service {
	case crn.KeyProtect:
		return "key"
	case crn.ObjectStorage:
		return "bucket"
	}
	return ""
}

func (f *policyFlags) setSubject(ctx context.Context, c *connection, subject *attributes) error {
	if f.group != "" {
		group, err := findAccessGroup(ctx, c, f.group)
		subject.equals("access_group_id", group.fields.ID)
		return err
	}
	id, err := identityID(ctx, c, f.subject)
	subject.equals("iam_id", id)
	return err
}

func (f *policyFlags) setResource(ctx context.Context, c *connection, resource *attributes) error {
	account, err := c.account(ctx)
	if err != nil {
		return err
	}
	resource.equals("accountId", account)
	resource.equals("serviceName", f.service)
	resource.equals("serviceType", f.serviceType)
	if f.resourceGroup != "" {
		group, err := resourceGroupID(ctx, c, f.resourceGroup)
		if err != nil {
			return err
		}
		resource.equals("resourceGroupId", group)
	}
	if f.instance != "" {
		guid, err := serviceInstance(ctx, c, f.service, f.instance)
		if err != nil {
			return err
		}
		resource.equals("serviceInstance", guid)
	}
	resource.equals("region", f.region)
	resource.equals("keyRing", f.ring)
	if f.key != "" || f.bucket != "" || f.match != "" {
		resource.equals("resourceType", resourceType(f.service))
		resource.equals("resource", f.key+f.bucket) // one of them is empty
		resource.add("resource", "stringMatch", f.match)
	}
	return nil
}

// serviceInstance returns the GUID of the instance of service that ref names.
func serviceInstance(ctx context.Context, c *connection, service, ref string) (string, error) {
	if guid := instanceGUID(ref); guid != "" {
		return guid, nil
	}
	instances, err := listInstances(ctx, c, service, url.Values{})
	if err != nil {
		return "", err
	}
	instance, err := find("instance", ref, instances)
	return instance.fields.GUID, err
}

func (f *policyFlags) roleQuery() url.Values {
	query := url.Values{"policy_type": {policyAccess.wire}}
	if f.service != "" {
		query.Set("service_name", f.service)
	}
	return query
}

// window makes the policy hold only from and until the times that were given.
func (f *policyFlags) window(p *program, pol *policy) error {
	type condition struct {
		Key      string `json:"key"`
		Operator string `json:"operator"`
		Value    string `json:"value"`
	}
	var conditions []condition
	var from, until time.Time
	for _, bound := range []struct {
		flag, value, operator string
		at                    *time.Time
	}{
		{"--from", f.from, "dateTimeGreaterThanOrEquals", &from},
		{"--until", f.until, "dateTimeLessThanOrEquals", &until},
	} {
		if bound.value == "" {
			continue
		}
		var err error
		if *bound.at, err = p.flagTime(bound.flag, bound.value, 1); err != nil {
			return err
		}
		// The service wants a numeric zone.
		at := bound.at.Format("2006-01-02T15:04:05") + "+00:00"
		conditions = append(conditions, condition{"{{environment.attributes.current_date_time}}", bound.operator, at})
	}
	switch {
	case until.IsZero():
	case until.Before(p.now()):
		return usageErrorf("--until is %q, which is already over: the policy would never hold", f.until)
	case until.Before(from):
		return usageErrorf("--until is before --from: the policy would never hold")
	}
	var rule any
	switch len(conditions) {
	case 0:
		return nil
	case 1:
		rule = conditions[0]
	default:
		rule = map[string]any{"operator": "and", "conditions": conditions}
	}
	raw, err := json.Marshal(rule)
	if err != nil {
		return fmt.Errorf("encoding the time window: %w", err)
	}
	pol.Pattern, pol.Rule = "time-based-conditions:once", raw
	return nil
}

// listPolicies lists the policies of a type in the account, as far as query selects them.
func listPolicies(ctx context.Context, c *connection, kind policyType, query url.Values) ([]record[policy], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	query.Set("account_id", account)
	query.Set("type", kind.wire)
	query.Set("state", "active")
	policies, err := list[policy](ctx, c.client, policyCollection, query, "policies")
	if err != nil {
		return nil, fmt.Errorf("listing policies: %w", err)
	}
	return policies, nil
}

func newPolicyListCommand(p *program) *cobra.Command {
	var subject, group, service string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List policies",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			query := url.Values{}
			if subject != "" {
				id, err := identityID(cmd.Context(), c, subject)
				if err != nil {
					return err
				}
				query.Set("iam_id", id)
			}
			if group != "" {
				found, err := findAccessGroup(cmd.Context(), c, group)
				if err != nil {
					return err
				}
				query.Set("access_group_id", found.fields.ID)
			}
			if service != "" {
				query.Set("service_name", service)
			}
			policies, err := listPolicies(cmd.Context(), c, policyAccess, query)
			if err != nil {
				return err
			}
			return printList(p, policies, policyColumns())
		},
	}
	cmd.Flags().StringVar(&subject, "for", "", "only policies of this user or service ID")
	cmd.Flags().StringVar(&group, "group", "", "only policies of this access group")
	cmd.Flags().StringVar(&service, "service", "", "only policies about this service")
	cmd.MarkFlagsMutuallyExclusive("for", "group")
	return cmd
}

// newPolicyShowCommand returns the command that shows a policy of a type. Policies have no names.
func newPolicyShowCommand(p *program, kind policyType) *cobra.Command {
	return &cobra.Command{
		Use:   "show ID",
		Short: "Show the " + kind.name,
		Args:  arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := readPolicy(cmd.Context(), c, kind, args[0])
			if err != nil {
				return err
			}
			return printOne(p, found, policyDetails())
		},
	}
}

// readPolicy returns a policy that is of the type kind.
func readPolicy(ctx context.Context, c *connection, kind policyType, id string) (record[policy], error) {
	found, err := read[policy](ctx, c.client, path(policyCollection, id), nil)
	if err != nil {
		return found, fmt.Errorf("reading %s %s: %w", kind.name, id, err)
	}
	if found.fields.Type != kind.wire {
		return found, notFound(kind.name, id, nil)
	}
	return found, nil
}

func newPolicyDeleteCommand(p *program, kind policyType) *cobra.Command {
	return &cobra.Command{
		Use:   "delete ID",
		Short: "Delete the " + kind.name + "; what it allowed is refused at once",
		Args:  arguments("ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			if _, err := readPolicy(cmd.Context(), c, kind, args[0]); err != nil {
				return err
			}
			r := request{method: http.MethodDelete, path: path(policyCollection, args[0])}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("deleting %s %s: %w", kind.name, args[0], err)
			}
			return p.done("%s %s is deleted", kind.name, args[0])
		},
	}
}
