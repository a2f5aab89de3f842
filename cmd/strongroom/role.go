package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newRoleCommand(p *program) *cobra.Command {
	return newGroup("role", "Roles, which policies give", "", newRoleListCommand(p))
}

// role is a role as this program shows it.
type role struct {
	CRN     string   `json:"crn"`
	Name    string   `json:"display_name"`
	Actions []string `json:"actions"`
}

// listRoles returns the roles that query selects, service roles before platform roles.
func listRoles(ctx context.Context, c *connection, query url.Values) ([]record[role], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	query.Set("account_id", account)
	var answer struct {
		Custom  []record[role] `json:"custom_roles"`
		Service []record[role] `json:"service_roles"`
		System  []record[role] `json:"system_roles"`
	}
	if err := c.get(ctx, "/v2/roles", query, &answer); err != nil {
		return nil, fmt.Errorf("listing roles: %w", err)
	}
	return slices.Concat(answer.Custom, answer.Service, answer.System), nil
}

// findRole returns the role that ref names: by its CRN, or by name without regard to case.
func findRole(ctx context.Context, c *connection, ref string, query url.Values) (role, error) {
	roles, err := listRoles(ctx, c, query)
	if err != nil {
		return role{}, err
	}
	var known []string
	for _, r := range roles {
		if r.fields.CRN == ref || strings.EqualFold(r.fields.Name, ref) {
			return r.fields, nil
		}
		known = append(known, r.fields.Name)
	}
	err = notFound("role", ref, known)
	if hintOf(err) == "" && len(known) > 0 {
		err = withHint(err, "roles are: %s", strings.Join(known, ", "))
	}
	return role{}, err
}

func newRoleListCommand(p *program) *cobra.Command {
	var service string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List roles and what they allow",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			query := url.Values{}
			if service != "" {
				query.Set("service_name", service)
			}
			roles, err := listRoles(cmd.Context(), c, query)
			if err != nil {
				return err
			}
			return printList(p, roles, []column[role]{
				{"NAME", func(r role) string { return r.Name }},
				{"ACTIONS", func(r role) string { return fmt.Sprint(len(r.Actions)) }},
				{"CRN", func(r role) string { return r.CRN }},
			})
		},
	}
	cmd.Flags().StringVar(&service, "service", "", "only roles of this service, such as kms")
	return cmd
}
