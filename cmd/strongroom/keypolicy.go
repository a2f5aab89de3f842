package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newKeyPolicyCommand(p *program, instance *string) *cobra.Command {
	return newGroup("policy", "When a key is rotated by itself, and who may delete it", "",
		newKeyPolicyShowCommand(p, instance), newKeyPolicySetCommand(p, instance))
}

// keyPolicyType is the media type of a policy of a key.
const keyPolicyType = "application/vnd.ibm.kms.policy+json"

// keyPolicyInfo is a policy of a key as this program shows it.
type keyPolicyInfo struct {
	Rotation  *rotationInfo `json:"rotation"`
	DualAuth  *switchInfo   `json:"dualAuthDelete"`
	Updated   string        `json:"lastUpdateDate"`
	UpdatedBy string        `json:"updatedBy"`
}

type rotationInfo struct {
	Enabled bool `json:"enabled"`
	Months  int  `json:"interval_month"`
	Days    int  `json:"interval_day"`
}

type switchInfo struct {
	Enabled bool `json:"enabled"`
}

// String says how often, and whether at all.
func (r rotationInfo) String() string {
	every := strconv.Itoa(r.Months) + "mo"
	if r.Days > 0 {
		every = strconv.Itoa(r.Days) + "d"
	}
	if !r.Enabled {
		return "off (" + every + ")"
	}
	return "every " + every
}

func (i keyPolicyInfo) kind() string {
	if i.Rotation != nil {
		return "rotation"
	}
	return "dual authorization"
}

func (i keyPolicyInfo) rule() string {
	switch {
	case i.Rotation != nil:
		return i.Rotation.String()
	case i.DualAuth != nil && i.DualAuth.Enabled:
		return "on"
	}
	return "off"
}

func newKeyPolicyShowCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "show KEY",
		Short: "Show the policies of a key",
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			return s.printPolicies(cmd.Context(), p, request{method: http.MethodGet, path: path(keyCollection, id, "policies")})
		},
	}
}

// printPolicies shows the policies that a request answers with.
func (s *keyService) printPolicies(ctx context.Context, p *program, r request) error {
	var answer collection[keyPolicyInfo]
	if err := s.call(ctx, r, &answer); err != nil {
		return fmt.Errorf("policies of the key: %w", err)
	}
	return printList(p, answer.Resources, []column[keyPolicyInfo]{
		{"POLICY", keyPolicyInfo.kind},
		{"RULE", keyPolicyInfo.rule},
		{"UPDATED", func(i keyPolicyInfo) string { return shortTime(i.Updated) }},
		{"UPDATED BY", func(i keyPolicyInfo) string { return i.UpdatedBy }},
	})
}

func newKeyPolicySetCommand(p *program, instance *string) *cobra.Command {
	var rotate rotationFlags
	var dual bool
	cmd := &cobra.Command{
		Use:   "set KEY",
		Short: "Set policies of a key",
		Long: "Set policies of a key; what is not named stays as it is. That two people must agree on its deletion\n" +
			"cannot be taken back.",
		Example: "  strongroom key policy set payments --rotate-every 14d\n" +
			"  strongroom key policy set payments --no-rotation\n" +
			"  strongroom key policy set payments --dual-auth",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			rotation, err := rotate.policy()
			if err != nil {
				return err
			}
			resources := []any{}
			if rotation != nil {
				resources = append(resources, map[string]any{"type": keyPolicyType, "rotation": rotation})
			}
			if cmd.Flags().Changed("dual-auth") {
				resources = append(resources, map[string]any{"type": keyPolicyType, "dualAuthDelete": map[string]bool{"enabled": dual}})
			}
			if len(resources) == 0 {
				return usageErrorf("nothing to set: use --rotate-every, --no-rotation or --dual-auth")
			}
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			return s.printPolicies(cmd.Context(), p, request{
				method: http.MethodPut, path: path(keyCollection, id, "policies"), body: enveloped(keyPolicyType, resources),
			})
		},
	}
	rotate.register(cmd)
	cmd.Flags().BoolVar(&dual, "dual-auth", false, "two people must agree on the deletion of the key")
	return cmd
}

// enveloped puts resources into the envelope of Key Protect.
func enveloped(kind string, resources []any) map[string]any {
	return map[string]any{
		"metadata":  map[string]any{"collectionType": kind, "collectionTotal": len(resources)},
		"resources": resources,
	}
}

// rotationFlags say how often a key is rotated by itself.
type rotationFlags struct {
	every string
	off   bool
}

func (f *rotationFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.every, "rotate-every", "", "`INTERVAL` of rotations, in days (14d) or months of 30 days (3mo)")
	cmd.Flags().BoolVar(&f.off, "no-rotation", false, "do not rotate by itself")
	cmd.MarkFlagsMutuallyExclusive("rotate-every", "no-rotation")
}

// policy returns what is to be sent, or nil if nothing was said.
func (f *rotationFlags) policy() (map[string]any, error) {
	if f.off {
		return map[string]any{"enabled": false}, nil
	}
	if f.every == "" {
		return nil, nil
	}
	member, n, err := parseInterval(f.every)
	if err != nil {
		return nil, withHint(usageErrorf("--rotate-every is %q, which is no interval", f.every), "write 14d for days or 3mo for months")
	}
	return map[string]any{"enabled": true, member: n}, nil
}

var errInterval = errors.New("not an interval")

// parseInterval reads "14d" or "3mo", and names the member that carries it.
func parseInterval(s string) (member string, n int, err error) {
	for suffix, name := range map[string]string{"d": "interval_day", "mo": "interval_month"} {
		digits, ok := strings.CutSuffix(s, suffix)
		if !ok {
			continue
		}
		if n, err := strconv.Atoi(digits); err == nil && n > 0 {
			return name, n, nil
		}
	}
	return "", 0, errInterval
}
