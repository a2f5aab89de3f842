package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newGroupCommand(p *program) *cobra.Command {
	return newGroup("group", "Access groups, whose members share policies",
		"Access groups, whose members share the policies of the group. A group is named by its ID or name, a\n"+
			"member by e-mail address, service ID or IAM ID.",
		newGroupCreateCommand(p), accessGroups().listCommand(p, "List access groups"), accessGroups().showCommand(p, "Show an access group"),
		newGroupMembersCommand(p), newGroupAddMemberCommand(p), newGroupRemoveMemberCommand(p),
		newGroupDeleteCommand(p))
}

const groupCollection = "/v2/groups"

// accessGroup is an access group as this program shows it.
type accessGroup struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Created     string `json:"created_at"`
	CreatedBy   string `json:"created_by_id"`
}

func (g accessGroup) refs() (id, name string) { return g.ID, g.Name }

func accessGroupColumns() []column[accessGroup] {
	return []column[accessGroup]{
		{"ID", func(g accessGroup) string { return g.ID }},
		{"NAME", func(g accessGroup) string { return g.Name }},
		{"CREATED", func(g accessGroup) string { return shortTime(g.Created) }},
		{"DESCRIPTION", func(g accessGroup) string { return g.Description }},
	}
}

func accessGroups() noun[accessGroup] {
	return noun[accessGroup]{
		argument: "GROUP", list: listAccessGroups, find: findAccessGroup, columns: accessGroupColumns(),
		details: append(accessGroupColumns(),
			column[accessGroup]{"CREATED BY", func(g accessGroup) string { return g.CreatedBy }}),
	}
}

func listAccessGroups(ctx context.Context, c *connection) ([]record[accessGroup], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	groups, err := list[accessGroup](ctx, c.client, groupCollection, url.Values{"account_id": {account}}, "groups")
	if err != nil {
		return nil, fmt.Errorf("listing access groups: %w", err)
	}
	return groups, nil
}

func findAccessGroup(ctx context.Context, c *connection, ref string) (record[accessGroup], error) {
	if strings.HasPrefix(ref, "AccessGroupId-") {
		found, err := read[accessGroup](ctx, c.client, path(groupCollection, ref), nil)
		if err != nil {
			return found, fmt.Errorf("reading access group %s: %w", ref, err)
		}
		return found, nil
	}
	groups, err := listAccessGroups(ctx, c)
	if err != nil {
		return record[accessGroup]{}, err
	}
	return find("access group", ref, groups)
}

func newGroupCreateCommand(p *program) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an access group",
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
			body := map[string]string{"name": args[0]}
			if description != "" {
				body["description"] = description
			}
			made, err := create[accessGroup](cmd.Context(), c.client, groupCollection, url.Values{"account_id": {account}}, body)
			if err != nil {
				return fmt.Errorf("creating access group %q: %w", args[0], err)
			}
			return printOne(p, made, accessGroupColumns())
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what the group is for")
	return cmd
}

// member is one member of an access group.
type member struct {
	IAMID string `json:"iam_id"`
	Type  string `json:"type"`
	Name  string `json:"name"`
	Email string `json:"email"`
	Added string `json:"created_at"`
}

func newGroupMembersCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "members GROUP",
		Short: "List the members of an access group",
		Args:  arguments("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, group, err := p.accessGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			members, err := list[member](cmd.Context(), c.client, path(groupCollection, group.ID, "members"),
				url.Values{"verbose": {"true"}}, "members")
			if err != nil {
				return fmt.Errorf("listing members of %s: %w", args[0], err)
			}
			return printList(p, members, []column[member]{
				{"IAM ID", func(m member) string { return m.IAMID }},
				{"TYPE", func(m member) string { return m.Type }},
				{"NAME", func(m member) string { return firstOf(m.Email, m.Name) }},
				{"ADDED", func(m member) string { return shortTime(m.Added) }},
			})
		},
	}
}

func newGroupAddMemberCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:     "add-member GROUP IDENTITY...",
		Short:   "Add users and service IDs to an access group",
		Example: "  strongroom group add-member operators ada@example.com build-server",
		Args:    argumentsAndMore("GROUP", "IDENTITY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, group, err := p.accessGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			var members []map[string]string
			for _, ref := range args[1:] {
				id, err := identityID(cmd.Context(), c, ref)
				if err != nil {
					return err
				}
				members = append(members, map[string]string{"iam_id": id, "type": memberType(id)})
			}
			var answer memberResults
			err = c.do(cmd.Context(), request{
				method: http.MethodPut,
				path:   path(groupCollection, group.ID, "members"),
				body:   map[string]any{"members": members},
			}, &answer)
			if err == nil {
				err = answer.refusal()
			}
			if err != nil {
				return fmt.Errorf("adding to %s: %w", args[0], err)
			}
			return p.done("%s added to %s", strings.Join(args[1:], ", "), group.Name)
		},
	}
}

// memberType is the kind of an identity as access groups call it.
func memberType(iamID string) string {
	switch {
	case strings.HasPrefix(iamID, "iam-"+serviceIDPrefix):
		return "service"
	case strings.HasPrefix(iamID, "iam-Profile-"):
		return "profile"
	}
	return "user"
}

// memberResults says for each member whether it was added.
type memberResults struct {
	Members []struct {
		IAMID  string `json:"iam_id"`
		Status int    `json:"status_code"`
		Errors []struct {
			Code    string `json:"code"`
			Message string `json:"message"`
		} `json:"errors"`
	} `json:"members"`
}

// refusal returns the first refusal among the results, or nil.
func (r memberResults) refusal() error {
	for _, m := range r.Members {
		if m.Status < 400 && len(m.Errors) == 0 {
			continue
		}
		e := &apiError{status: m.Status, message: statusText(m.Status)}
		if len(m.Errors) > 0 {
			e.code, e.message = m.Errors[0].Code, m.Errors[0].Message
		}
		return fmt.Errorf("%s: %w", m.IAMID, e)
	}
	return nil
}

func newGroupRemoveMemberCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "remove-member GROUP IDENTITY...",
		Short: "Remove users and service IDs from an access group",
		Args:  argumentsAndMore("GROUP", "IDENTITY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, group, err := p.accessGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			for _, ref := range args[1:] {
				id, err := identityID(cmd.Context(), c, ref)
				if err != nil {
					return err
				}
				r := request{method: http.MethodDelete, path: path(groupCollection, group.ID, "members", id)}
				if err := c.do(cmd.Context(), r, nil); err != nil {
					return fmt.Errorf("removing %s from %s: %w", ref, args[0], err)
				}
			}
			return p.done("%s removed from %s", strings.Join(args[1:], ", "), group.Name)
		},
	}
}

func newGroupDeleteCommand(p *program) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete GROUP",
		Short: "Delete an access group",
		Args:  arguments("GROUP"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, group, err := p.accessGroup(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			r := request{method: http.MethodDelete, path: path(groupCollection, group.ID)}
			if force {
				r.query = url.Values{"force": {"true"}}
			}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("deleting access group %s: %w", args[0], err)
			}
			return p.done("access group %s is deleted", group.Name)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete it although it has members")
	return cmd
}

// accessGroup connects and finds an access group.
func (p *program) accessGroup(ctx context.Context, ref string) (*connection, accessGroup, error) {
	c, err := p.connect()
	if err != nil {
		return nil, accessGroup{}, err
	}
	found, err := findAccessGroup(ctx, c, ref)
	return c, found.fields, err
}
