package main

import (
	"context"
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

// authorizationFlags say which service may use what. Nothing is wider than it was asked for: a scope
// that is left out is the one instance that the environment names, and a key has to be named.
type authorizationFlags struct {
	sourceService, sourceInstance, sourceAccount string
	targetService, targetInstance, targetKey     string
	everyInstance, everyKey                      bool
	description                                  string
	roles                                        []string
}

func newAuthorizationCreateCommand(p *program) *cobra.Command {
	var f authorizationFlags
	cmd := &cobra.Command{
		Use:   "create (--target-key KEY | --all-keys)",
		Short: "Let a service use another",
		Long: "Let a service use another: one instance of it, one key. The instances are those of the environment or\n" +
			"the only ones there are, unless they are named. More is only allowed when it is asked for: --all-keys\n" +
			"allows every key of the target instance, --all-instances every instance of both services.",
		Example: "  strongroom authorization create --target-key 0192f3c4-…\n" +
			"  strongroom authorization create --source-instance my-storage --target-instance payments-keys --all-keys",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if f.everyInstance && (f.sourceInstance != "" || f.targetInstance != "" || f.targetKey != "") {
				return usageErrorf("--all-instances leaves nothing to be named")
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			pol, err := f.policy(cmd.Context(), p, c)
			if err != nil {
				return err
			}
			err = pol.grant(cmd.Context(), c, f.roles, url.Values{
				"service_name":        {f.targetService},
				"source_service_name": {f.sourceService},
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
	f.register(cmd)
	return cmd
}

func (f *authorizationFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.sourceService, "source-service", crn.ObjectStorage, "service that wants to use another")
	flags.StringVar(&f.sourceInstance, "source-instance", "", "instance of it: GUID, CRN or name (default: STRONGROOM_COS_INSTANCE_ID, else the only one)")
	flags.StringVar(&f.sourceAccount, "source-account", "", "account of it (default: yours); its instance is then named by GUID or CRN")
	flags.StringVar(&f.targetService, "target-service", crn.KeyProtect, "service that is to be used")
	flags.StringVar(&f.targetInstance, "target-instance", "", "instance of it: GUID, CRN or name (default: STRONGROOM_KMS_INSTANCE_ID, else the only one)")
	flags.StringVar(&f.targetKey, "target-key", "", "the key that may be used, by ID")
	flags.BoolVar(&f.everyKey, "all-keys", false, "every key of the target instance may be used")
	flags.BoolVar(&f.everyInstance, "all-instances", false, "every instance of the source service may use every instance of the target service")
	flags.StringArrayVar(&f.roles, "role", []string{"Reader"}, "role by name; may be given several times")
	flags.StringVar(&f.description, "description", "", "what the authorization is for")
	oneOf(cmd, "source-service", crn.ObjectStorage)
	oneOf(cmd, "target-service", crn.KeyProtect)
	cmd.MarkFlagsOneRequired("target-key", "all-keys", "all-instances")
	cmd.MarkFlagsMutuallyExclusive("target-key", "all-keys")
}

// policy makes the authorization, as narrow as the flags let it be.
func (f *authorizationFlags) policy(ctx context.Context, p *program, c *connection) (policy, error) {
	account, err := c.account(ctx)
	if err != nil {
		return policy{}, err
	}
	pol := policy{Type: policyAuthorization.wire, Description: f.description}
	pol.Subject.equals("accountId", firstOf(f.sourceAccount, account))
	pol.Subject.equals("serviceName", f.sourceService)
	pol.Resource.equals("accountId", account)
	pol.Resource.equals("serviceName", f.targetService)
	if f.everyInstance {
		return pol, nil
	}
	source, err := p.storageInstance(ctx, c, f.sourceInstance)
	if err != nil {
		return policy{}, err
	}
	target, err := keyInstance(ctx, c, firstOf(f.targetInstance, c.settings.instance))
	if err != nil {
		return policy{}, err
	}
	pol.Subject.equals("serviceInstance", source)
	pol.Resource.equals("serviceInstance", target)
	if f.targetKey != "" {
		pol.Resource.equals("resourceType", resourceType(f.targetService))
		pol.Resource.equals("resource", f.targetKey)
	}
	return pol, nil
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
