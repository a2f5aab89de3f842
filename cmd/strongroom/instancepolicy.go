package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newInstancePolicyCommand(p *program) *cobra.Command {
	var instance string
	group := newGroup("policy", "Rules for all of a Key Protect instance",
		"Rules for all of a Key Protect instance. Those for keys hold for keys that are made from then on.",
		newInstancePolicyShowCommand(p, &instance), newInstancePolicySetCommand(p, &instance))
	instanceFlag(group, &instance)
	return group
}

// instanceFlag adds the flag that names the Key Protect instance.
func instanceFlag(cmd *cobra.Command, instance *string) {
	cmd.PersistentFlags().StringVar(instance, "instance", "",
		"Key Protect instance: GUID, CRN or name (default: STRONGROOM_KMS_INSTANCE_ID, else the only one there is)")
}

const instancePolicies = "/api/v2/instance/policies"

// instancePolicyInfo is a policy of an instance as this program shows it.
type instancePolicyInfo struct {
	Type string `json:"policy_type"`
	Data struct {
		Enabled    bool                       `json:"enabled"`
		Attributes map[string]json.RawMessage `json:"attributes"`
	} `json:"policy_data"`
	Updated   string `json:"lastUpdated"`
	UpdatedBy string `json:"updatedBy"`
}

// rule shows the attributes as they came, in the order of their names.
func (i instancePolicyInfo) rule() string {
	if !i.Data.Enabled {
		return "off"
	}
	rules := []string{"on"}
	for name, value := range i.Data.Attributes {
		rules = append(rules, name+"="+string(value))
	}
	slices.Sort(rules[1:])
	return strings.Join(rules, " ")
}

func newInstancePolicyShowCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Show the policies of the instance",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			var answer collection[instancePolicyInfo]
			if err := s.call(cmd.Context(), request{method: http.MethodGet, path: instancePolicies}, &answer); err != nil {
				return fmt.Errorf("reading the policies of the instance: %w", err)
			}
			return printList(p, answer.Resources, []column[instancePolicyInfo]{
				{"POLICY", func(i instancePolicyInfo) string { return i.Type }},
				{"RULE", instancePolicyInfo.rule},
				{"UPDATED", func(i instancePolicyInfo) string { return shortTime(i.Updated) }},
				{"UPDATED BY", func(i instancePolicyInfo) string { return i.UpdatedBy }},
			})
		},
	}
}

// instancePolicyFlags are the policies of an instance as flags.
type instancePolicyFlags struct {
	rotate            rotationFlags
	dual, metrics     bool
	network           string
	addresses, access []string
	token             bool
}

// keyAccess are the ways in which keys come to be, with the attributes that allow them.
func keyAccess() map[string]string {
	return map[string]string{
		"create-root": "create_root_key", "create-standard": "create_standard_key",
		"import-root": "import_root_key", "import-standard": "import_standard_key",
	}
}

func (f *instancePolicyFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	f.rotate.register(cmd)
	flags.BoolVar(&f.dual, "dual-auth", false, "two people must agree on the deletion of new keys")
	flags.BoolVar(&f.metrics, "metrics", false, "count the requests of this instance, for \"strongroom metrics\"")
	flags.StringVar(&f.network, "allowed-network", "", "public-and-private, private-only, or any for no rule")
	flags.StringSliceVar(&f.addresses, "allowed-ip", nil, "`ADDRESSES` from which requests may come, such as 192.0.2.0/24, or any for no rule")
	flags.StringSliceVar(&f.access, "key-access", nil,
		"`WAYS` in which keys may come to be: create-root, create-standard, import-root, import-standard, or any for no rule")
	flags.BoolVar(&f.token, "enforce-token", false, "with --key-access: root keys may be imported under an import token only, standard keys not at all")
	oneOf(cmd, "allowed-network", "public-and-private", "private-only", "any")
}

// policies returns the resources to be sent, one for each flag that was given.
func (f *instancePolicyFlags) policies(cmd *cobra.Command) ([]any, error) {
	var resources []any
	set := func(kind string, enabled bool, attributes any) {
		data := map[string]any{"enabled": enabled}
		if enabled && attributes != nil {
			data["attributes"] = attributes
		}
		resources = append(resources, map[string]any{"policy_type": kind, "policy_data": data})
	}
	rotation, err := f.rotate.policy()
	if err != nil {
		return nil, err
	}
	if rotation != nil {
		enabled := rotation["enabled"] == true
		delete(rotation, "enabled")
		set("rotation", enabled, rotation)
	}
	changed := cmd.Flags().Changed
	if changed("dual-auth") {
		set("dualAuthDelete", f.dual, nil)
	}
	if changed("metrics") {
		set("metrics", f.metrics, nil)
	}
	if f.network != "" {
		set("allowedNetwork", f.network != "any", map[string]string{"allowed_network": f.network})
	}
	if len(f.addresses) > 0 {
		set("allowedIP", !isAny(f.addresses), map[string][]string{"allowed_ip": f.addresses})
	}
	if len(f.access) > 0 {
		attributes := map[string]bool{"enforce_token": f.token}
		for name, attribute := range keyAccess() {
			attributes[attribute] = slices.Contains(f.access, name)
		}
		for _, name := range f.access {
			if _, ok := keyAccess()[name]; !ok && !isAny(f.access) {
				return nil, usageErrorf("--key-access does not know %s", strconv.Quote(name))
			}
		}
		set("keyCreateImportAccess", !isAny(f.access), attributes)
	} else if changed("enforce-token") {
		return nil, usageErrorf("--enforce-token needs --key-access, as both are one policy")
	}
	if len(resources) == 0 {
		return nil, usageErrorf("nothing to set: name a policy")
	}
	return resources, nil
}

func isAny(values []string) bool { return slices.Equal(values, []string{"any"}) }

func newInstancePolicySetCommand(p *program, instance *string) *cobra.Command {
	var flags instancePolicyFlags
	cmd := &cobra.Command{
		Use:   "set",
		Short: "Set policies of the instance",
		Long:  "Set policies of the instance; what is not named stays as it is.",
		Example: "  strongroom instance policy set --rotate-every 14d --dual-auth\n" +
			"  strongroom instance policy set --allowed-ip 192.0.2.0/24,2001:db8::/32\n" +
			"  strongroom instance policy set --key-access create-root,import-root --enforce-token",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			resources, err := flags.policies(cmd)
			if err != nil {
				return err
			}
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			err = s.call(cmd.Context(), request{
				method: http.MethodPut, path: instancePolicies, body: enveloped(keyPolicyType, resources),
			}, nil)
			if err != nil {
				return fmt.Errorf("setting the policies of the instance: %w", err)
			}
			return p.done("the policies are set")
		},
	}
	flags.register(cmd)
	return cmd
}
