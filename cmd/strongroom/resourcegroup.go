package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

func newResourceGroupCommand(p *program) *cobra.Command {
	return newGroup("resource-group", "Resource groups, which instances are sorted into", "",
		newResourceGroupCreateCommand(p), resourceGroups().listCommand(p, "List resource groups"),
		resourceGroups().showCommand(p, "Show a resource group"), resourceGroups().deleteCommand(p, "Delete a resource group"))
}

const resourceGroupCollection = "/v2/resource_groups"

// resourceGroup is a resource group as this program shows it.
type resourceGroup struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	State   string `json:"state"`
	Default bool   `json:"default"`
	Created string `json:"created_at"`
	CRN     string `json:"crn"`
}

func (g resourceGroup) refs() (id, name string) { return g.ID, g.Name }

func resourceGroupColumns() []column[resourceGroup] {
	return []column[resourceGroup]{
		{"ID", func(g resourceGroup) string { return g.ID }},
		{"NAME", func(g resourceGroup) string { return g.Name }},
		{"DEFAULT", func(g resourceGroup) string { return yes(g.Default) }},
		{"STATE", func(g resourceGroup) string { return g.State }},
		{"CREATED", func(g resourceGroup) string { return shortTime(g.Created) }},
	}
}

func resourceGroups() noun[resourceGroup] {
	return noun[resourceGroup]{
		kind: "resource group", argument: "GROUP", list: listResourceGroups, find: findResourceGroup,
		path:    func(g resourceGroup) string { return path(resourceGroupCollection, g.ID) },
		name:    func(g resourceGroup) string { return g.Name },
		columns: resourceGroupColumns(),
		details: append(resourceGroupColumns(),
			column[resourceGroup]{"CRN", func(g resourceGroup) string { return g.CRN }}),
	}
}

func listResourceGroups(ctx context.Context, c *connection) ([]record[resourceGroup], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := list[resourceGroup](ctx, c.client, resourceGroupCollection, url.Values{"account_id": {account}}, "resources")
	if err != nil {
		return nil, fmt.Errorf("listing resource groups: %w", err)
	}
	return groups, nil
}

func findResourceGroup(ctx context.Context, c *connection, ref string) (record[resourceGroup], error) {
	groups, err := listResourceGroups(ctx, c)
	if err != nil {
		return record[resourceGroup]{}, err
	}
	return find("resource group", ref, groups)
}

// resourceGroupID returns the ID of the group that ref names, or of the default group when it is
// empty.
func resourceGroupID(ctx context.Context, c *connection, ref string) (string, error) {
	if ref != "" {
		group, err := findResourceGroup(ctx, c, ref)
		return group.fields.ID, err
	}
	groups, err := listResourceGroups(ctx, c)
	if err != nil {
		return "", err
	}
	for _, group := range groups {
		if group.fields.Default {
			return group.fields.ID, nil
		}
	}
	return "", withHint(errors.New("you see no default resource group"), "name one with --resource-group")
}

func newResourceGroupCreateCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "create NAME",
		Short: "Make a resource group",
		Args:  arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			account, err := c.account(cmd.Context())
			if err != nil {
				return err
			}
			made, err := create[resourceGroup](cmd.Context(), c.client, resourceGroupCollection, nil,
				map[string]string{"name": args[0], "account_id": account})
			if err != nil {
				return fmt.Errorf("creating resource group %q: %w", args[0], err)
			}
			// The answer names the group only; the group itself is what people and programs want.
			group, err := read[resourceGroup](cmd.Context(), c.client, path(resourceGroupCollection, made.fields.ID), nil)
			if err != nil {
				return fmt.Errorf("reading the new resource group %s: %w", made.fields.ID, err)
			}
			return printOne(p, group, resourceGroupColumns())
		},
	}
}
