package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"strongroom/crn"
)

func newAuthorizationCommand(p *program) *cobra.Command {
	return newGroup("authorization", "Authorizations, which let one service use another",
		"Authorizations let one service use another for its own work: an object store reads and writes\n"+
			"buckets with your root key only while it is authorized to use that key.",
		newAuthorizationCreateCommand(p), newAuthorizationListCommand(p),
		newPolicyShowCommand(p, policyAuthorization), newPolicyDeleteCommand(p, policyAuthorization))
}

func newAuthorizationCreateCommand(p *program) *cobra.Command {
	var (
		sourceService, sourceInstance, sourceAccount string
		targetService, targetInstance, targetKey     string
		description                                  string
		roles                                        []string
	)
	cmd := &cobra.Command{
		Use:   "create [--source-instance INSTANCE] [--target-instance INSTANCE]",
		Short: "Let a service use another",
		Long: "Let a service use another. Without an instance, every instance of the service in the account is\n" +
			"meant.",
		Example: "  strongroom authorization create --source-instance my-storage --target-instance payments-keys",
		Args:    arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if targetKey != "" && targetService != crn.KeyProtect {
				return usageErrorf("--target-key is for --target-service %s", crn.KeyProtect)
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			account, err := c.account(cmd.Context())
			if err != nil {
				return err
			}
			pol := policy{Type: policyAuthorization.wire, Description: description}
			pol.Subject.equals("accountId", firstOf(sourceAccount, account))
			pol.Subject.equals("serviceName", sourceService)
			if sourceInstance != "" {
				guid, err := serviceInstance(cmd.Context(), c, sourceService, sourceInstance)
				if err != nil {
					return err
				}
				pol.Subject.equals("serviceInstance", guid)
			}
			pol.Resource.equals("accountId", account)
			pol.Resource.equals("serviceName", targetService)
			if targetInstance != "" {
				guid, err := serviceInstance(cmd.Context(), c, targetService, targetInstance)
				if err != nil {
					return err
				}
				pol.Resource.equals("serviceInstance", guid)
			}
			if targetKey != "" {
				pol.Resource.equals("resourceType", resourceType(targetService))
				pol.Resource.equals("resource", targetKey)
			}
			err = pol.grant(cmd.Context(), c, roles, url.Values{
				"service_name":        {targetService},
				"source_service_name": {sourceService},
				"policy_type":         {policyAuthorization.wire},
			})
			if err != nil {
				return err
			}
			made, err := create[policy](cmd.Context(), c.client, policyCollection, nil, pol)
			if err != nil {
				return fmt.Errorf("creating an authorization: %w", err)
			}
			return printOne(p, made, policyDetails())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&sourceService, "source-service", crn.ObjectStorage, "service that wants to use another")
	flags.StringVar(&sourceInstance, "source-instance", "", "instance of it: GUID, CRN or name (default: all)")
	flags.StringVar(&sourceAccount, "source-account", "", "account of it (default: yours)")
	flags.StringVar(&targetService, "target-service", crn.KeyProtect, "service that is to be used")
	flags.StringVar(&targetInstance, "target-instance", "", "instance of it: GUID, CRN or name (default: all)")
	flags.StringVar(&targetKey, "target-key", "", "key of it, by ID (default: all)")
	flags.StringArrayVar(&roles, "role", []string{"Reader"}, "role by name; may be given several times")
	flags.StringVar(&description, "description", "", "what the authorization is for")
	oneOf(cmd, "source-service", crn.ObjectStorage)
	oneOf(cmd, "target-service", crn.KeyProtect)
	return cmd
}

func newAuthorizationListCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List authorizations",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := listPolicies(cmd.Context(), c, policyAuthorization, url.Values{})
			if err != nil {
				return err
			}
			columns := policyColumns()
			columns[1].title, columns[3].title = "SOURCE", "TARGET"
			return printList(p, found, columns)
		},
	}
}
