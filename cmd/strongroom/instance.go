package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"strongroom/crn"
)

func newInstanceCommand(p *program) *cobra.Command {
	return newGroup("instance", "Instances: a key store or an object store of its own for each team",
		"Instances of Key Protect (kms) and Object Storage (cloud-object-storage). Each is isolated from the\n"+
			"others. An instance is named by its GUID, its CRN, or a name that only one has.",
		newInstanceCreateCommand(p), newInstanceListCommand(p), newInstanceShowCommand(p),
		newInstanceRenameCommand(p), newInstanceTagCommand(p), newInstanceDeleteCommand(p),
		newInstanceReclamationCommand(p, "reclaim", "Destroy a deleted instance now, for good", "is being destroyed"),
		newInstanceReclamationCommand(p, "restore", "Bring a deleted instance back", "is being restored"),
		newInstancePolicyCommand(p), newInstanceUnlockCommand(p))
}

const instanceCollection = "/v2/resource_instances"

// instanceInfo is an instance as this program shows it.
type instanceInfo struct {
	GUID      string `json:"guid"`
	CRN       string `json:"crn"`
	Name      string `json:"name"`
	State     string `json:"state"`
	Region    string `json:"region_id"`
	Group     string `json:"resource_group_id"`
	Created   string `json:"created_at"`
	CreatedBy string `json:"created_by"`
	Reclaimed string `json:"scheduled_reclaim_at"`
}

func (i instanceInfo) refs() (id, name string) { return i.GUID, i.Name }

// service returns the name of the service that the instance is of.
func (i instanceInfo) service() string {
	name, err := crn.Parse(i.CRN)
	if err != nil {
		return ""
	}
	return name.Service
}

func instanceColumns() []column[instanceInfo] {
	return []column[instanceInfo]{
		{"GUID", func(i instanceInfo) string { return i.GUID }},
		{"NAME", func(i instanceInfo) string { return i.Name }},
		{"SERVICE", instanceInfo.service},
		{"REGION", func(i instanceInfo) string { return i.Region }},
		{"STATE", func(i instanceInfo) string { return i.State }},
		{"CREATED", func(i instanceInfo) string { return shortTime(i.Created) }},
	}
}

func instanceDetails() []column[instanceInfo] {
	return append(instanceColumns(),
		column[instanceInfo]{"CREATED BY", func(i instanceInfo) string { return i.CreatedBy }},
		column[instanceInfo]{"RESOURCE GROUP", func(i instanceInfo) string { return i.Group }},
		column[instanceInfo]{"DESTROYED AT", func(i instanceInfo) string { return shortTime(i.Reclaimed) }},
		column[instanceInfo]{"CRN", func(i instanceInfo) string { return i.CRN }},
	)
}

// keyInstance returns the GUID of the Key Protect instance that ref names; when ref is empty, of the
// only one there is.
func keyInstance(ctx context.Context, c *connection, ref string) (string, error) {
	if guid := instanceGUID(ref); guid != "" {
		return guid, nil
	}
	instances, err := listInstances(ctx, c, crn.KeyProtect, url.Values{})
	if err != nil {
		return "", err
	}
	if ref != "" {
		instance, err := find("Key Protect instance", ref, instances)
		return instance.fields.GUID, err
	}
	if len(instances) != 1 {
		return "", withHint(usageErrorf("which Key Protect instance is not said, and you see %d of them", len(instances)),
			"use --instance or set STRONGROOM_KMS_INSTANCE_ID; \"strongroom instance list\" lists them")
	}
	return instances[0].fields.GUID, nil
}

// instanceGUID returns the GUID in ref, if it is one or a CRN with one, or "".
func instanceGUID(ref string) string {
	if isUUID(ref) {
		return ref
	}
	if name, err := crn.Parse(ref); err == nil {
		return name.Instance
	}
	return ""
}

// listInstances lists the instances of service, or of every service when that is empty.
func listInstances(ctx context.Context, c *connection, service string, query url.Values) ([]record[instanceInfo], error) {
	instances, err := list[instanceInfo](ctx, c.client, instanceCollection, query, "resources")
	if err != nil {
		return nil, fmt.Errorf("listing instances: %w", err)
	}
	if service == "" {
		return instances, nil
	}
	return slices.DeleteFunc(instances, func(i record[instanceInfo]) bool { return i.fields.service() != service }), nil
}

// findInstance returns the instance that ref names. Deleted ones are found by name only when query
// asks for their state.
func findInstance(ctx context.Context, c *connection, ref string, query url.Values) (record[instanceInfo], error) {
	if guid := instanceGUID(ref); guid != "" {
		instance, err := read[instanceInfo](ctx, c.client, path(instanceCollection, guid), nil)
		if err != nil {
			return instance, fmt.Errorf("reading instance %s: %w", ref, err)
		}
		return instance, nil
	}
	instances, err := listInstances(ctx, c, "", query)
	if err != nil {
		return record[instanceInfo]{}, err
	}
	return find("instance", ref, instances)
}

// plan is how an instance of a service is to be made.
type plan struct {
	id     string            // of the plan when none is named
	names  map[string]string // plan name to ID
	region string            // when none is named
}

// plans are the plans of the catalog, by service.
func plans() map[string]plan {
	const tiered, standardPlan = "eedd3585-90c6-4c8f-be3d-062069e99fc3", "744bfc56-d12c-4866-88d5-dac9139e0e5d"
	return map[string]plan{
		crn.KeyProtect: {id: tiered, names: map[string]string{"tiered-pricing": tiered}, region: "us-south"},
		crn.ObjectStorage: {id: standardPlan, region: "global", names: map[string]string{
			"standard":          standardPlan,
			"lite":              "2fdf0c08-2d32-4f46-84b5-32e0c92fffd8",
			"cos-one-rate-plan": "1e4e33e4-cfa6-4f12-9016-be594a6d5f87",
		}},
	}
}

// planID returns the ID of the plan that ref names, or of the service's usual one.
func (pl plan) planID(ref string) (string, error) {
	if ref == "" {
		return pl.id, nil
	}
	if id, ok := pl.names[ref]; ok {
		return id, nil
	}
	if isUUID(ref) {
		return ref, nil
	}
	var known []string
	for name := range pl.names {
		known = append(known, name)
	}
	return "", withHint(usageErrorf("there is no plan %q", ref), "plans of this service: %s", strings.Join(sorted(known), ", "))
}

func newInstanceCreateCommand(p *program) *cobra.Command {
	var service, planRef, region, group string
	var tags []string
	cmd := &cobra.Command{
		Use:     "create NAME --service SERVICE",
		Short:   "Make an instance",
		Example: "  strongroom instance create payments-keys --service kms",
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pl, ok := plans()[service]
			if !ok {
				return usageErrorf("--service is %q: it must be %s or %s", service, crn.KeyProtect, crn.ObjectStorage)
			}
			planID, err := pl.planID(planRef)
			if err != nil {
				return err
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			groupID, err := resourceGroupID(cmd.Context(), c, group)
			if err != nil {
				return err
			}
			if region == "" && service == crn.KeyProtect {
				region = c.settings.region
			}
			body := map[string]any{
				"name":             args[0],
				"target":           firstOf(region, pl.region),
				"resource_group":   groupID,
				"resource_plan_id": planID,
			}
			if len(tags) > 0 {
				body["tags"] = tags
			}
			made, err := create[instanceInfo](cmd.Context(), c.client, instanceCollection, nil, body)
			if err != nil {
				return fmt.Errorf("creating instance %q: %w", args[0], err)
			}
			return printOne(p, made, instanceDetails())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&service, "service", "", "kms or cloud-object-storage (required)")
	flags.StringVar(&planRef, "plan", "", "name or ID of the plan (default: tiered-pricing for kms, standard for cloud-object-storage)")
	flags.StringVar(&region, "region", "", "region (default: STRONGROOM_REGION, else us-south, for kms; global for cloud-object-storage)")
	flags.StringVar(&group, "resource-group", "", "name or ID of the resource group (default: the account's default)")
	flags.StringArrayVar(&tags, "tag", nil, "tag; may be given several times")
	oneOf(cmd, "service", crn.KeyProtect, crn.ObjectStorage)
	return cmd
}

func newInstanceListCommand(p *program) *cobra.Command {
	var service, state string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List instances",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			query := url.Values{}
			if state != "" {
				query.Set("state", state)
			}
			instances, err := listInstances(cmd.Context(), c, service, query)
			if err != nil {
				return err
			}
			return printList(p, instances, instanceColumns())
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only instances of this service")
	cmd.Flags().StringVar(&state, "state", "", "only instances in this state: active, provisioning, pending_reclamation or removed")
	oneOf(cmd, "service", crn.KeyProtect, crn.ObjectStorage)
	oneOf(cmd, "state", "active", "provisioning", "pending_reclamation", "removed")
	return cmd
}

func newInstanceShowCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "show INSTANCE",
		Short: "Show an instance",
		Args:  arguments("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			instance, err := findInstance(cmd.Context(), c, args[0], url.Values{})
			if err != nil {
				return err
			}
			return printOne(p, instance, instanceDetails())
		},
	}
}

func newInstanceRenameCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "rename INSTANCE NAME",
		Short: "Give an instance another name",
		Args:  arguments("INSTANCE", "NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			instance, err := findInstance(cmd.Context(), c, args[0], url.Values{})
			if err != nil {
				return err
			}
			var renamed record[instanceInfo]
			err = c.do(cmd.Context(), request{
				method: http.MethodPatch,
				path:   path(instanceCollection, instance.fields.GUID),
				body:   map[string]string{"name": args[1]},
			}, &renamed)
			if err != nil {
				return fmt.Errorf("renaming instance %s: %w", args[0], err)
			}
			return printOne(p, renamed, instanceDetails())
		},
	}
}

func newInstanceTagCommand(p *program) *cobra.Command {
	var remove bool
	cmd := &cobra.Command{
		Use:   "tag INSTANCE TAG...",
		Short: "Attach tags to an instance, or remove them",
		Args:  argumentsAndMore("INSTANCE", "TAG"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			instance, err := findInstance(cmd.Context(), c, args[0], url.Values{})
			if err != nil {
				return err
			}
			verb, done := "attach", "attached to"
			if remove {
				verb, done = "detach", "removed from"
			}
			var answer struct {
				Results []struct {
					IsError bool   `json:"is_error"`
					Message string `json:"message"`
				} `json:"results"`
			}
			err = c.do(cmd.Context(), request{
				method: http.MethodPost,
				path:   "/v3/tags/" + verb,
				body: map[string]any{
					"resources": []map[string]string{{"resource_id": instance.fields.CRN}},
					"tag_names": args[1:],
				},
			}, &answer)
			if err != nil {
				return fmt.Errorf("tagging instance %s: %w", args[0], err)
			}
			for _, result := range answer.Results {
				if result.IsError {
					return fmt.Errorf("tagging instance %s: %s", args[0], firstOf(result.Message, "the server refused"))
				}
			}
			return p.done("%s %s %s", strings.Join(args[1:], ", "), done, instance.fields.Name)
		},
	}
	cmd.Flags().BoolVar(&remove, "remove", false, "remove the tags instead")
	return cmd
}

func newInstanceDeleteCommand(p *program) *cobra.Command {
	var recursive bool
	cmd := &cobra.Command{
		Use:   "delete INSTANCE",
		Short: "Delete an instance",
		Long: "Delete an instance. It can be restored for seven days, unless \"strongroom instance reclaim\" destroys\n" +
			"it before. With --recursive, its credentials are deleted with it.",
		Args: arguments("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			instance, err := findInstance(cmd.Context(), c, args[0], url.Values{})
			if err != nil {
				return err
			}
			r := request{method: http.MethodDelete, path: path(instanceCollection, instance.fields.GUID)}
			if recursive {
				r.query = url.Values{"recursive": {"true"}}
			}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("deleting instance %s: %w", args[0], err)
			}
			return p.done("instance %s is deleted", instance.fields.Name)
		},
	}
	cmd.Flags().BoolVar(&recursive, "recursive", false, "delete its credentials too")
	return cmd
}

// reclamation is the destruction that a deleted instance waits for.
type reclamation struct {
	ID string `json:"id"`
}

// newInstanceReclamationCommand returns the command that performs action on what a deleted instance
// waits for.
func newInstanceReclamationCommand(p *program, action, short, done string) *cobra.Command {
	return &cobra.Command{
		Use:   action + " INSTANCE",
		Short: short,
		Args:  arguments("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			instance, err := findInstance(cmd.Context(), c, args[0], url.Values{"state": {"pending_reclamation"}})
			if err != nil {
				return err
			}
			account, err := c.account(cmd.Context())
			if err != nil {
				return err
			}
			waiting, err := list[reclamation](cmd.Context(), c.client, "/v1/reclamations",
				url.Values{"account_id": {account}, "resource_instance_id": {instance.fields.GUID}}, "resources")
			if err != nil {
				return fmt.Errorf("looking for the deletion of instance %s: %w", args[0], err)
			}
			if len(waiting) == 0 {
				return &failure{
					exit: exitConflict,
					hint: "delete it first with \"strongroom instance delete\"",
					err:  errors.New("the instance is not waiting to be destroyed"),
				}
			}
			var answer record[reclamation]
			err = c.do(cmd.Context(), request{
				method: http.MethodPost,
				path:   path("/v1/reclamations", waiting[0].fields.ID, "actions", action),
				body:   map[string]string{},
			}, &answer)
			if err != nil {
				return fmt.Errorf("%s of instance %s: %w", action, args[0], err)
			}
			if p.flags.output == outputJSON {
				return p.printJSON(answer)
			}
			return p.done("instance %s %s", instance.fields.Name, done)
		},
	}
}
