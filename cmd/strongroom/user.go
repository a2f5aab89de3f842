package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
)

func newUserCommand(p *program) *cobra.Command {
	people := noun[user]{argument: "USER", list: listUsers, find: findUser, columns: userColumns()}
	return newGroup("user", "People of the account",
		"People of the account. They have no password: make an API key for one with\n"+
			"\"strongroom apikey create NAME --for EMAIL\". A user is named by e-mail address or IAM ID.",
		newUserCreateCommand(p),
		people.listCommand(p, "List the users of the account"),
		people.showCommand(p, "Show a user"),
		newUserStateCommand(p, "disable", "Refuse everything that a user asks, until enabled again", "DISABLED"),
		newUserStateCommand(p, "enable", "Let a disabled user work again", "ACTIVE"),
		newUserDeleteCommand(p))
}

// user is a member of the account as this program shows it.
type user struct {
	IAMID string `json:"iam_id"`
	Email string `json:"email"`
	First string `json:"firstname"`
	Last  string `json:"lastname"`
	State string `json:"state"`
	Added string `json:"added_on"`
}

func (u user) refs() (id, name string) { return u.IAMID, u.Email }

func userColumns() []column[user] {
	return []column[user]{
		{"IAM ID", func(u user) string { return u.IAMID }},
		{"EMAIL", func(u user) string { return u.Email }},
		{"NAME", func(u user) string { return strings.TrimSpace(u.First + " " + u.Last) }},
		{"STATE", func(u user) string { return u.State }},
		{"ADDED", func(u user) string { return shortTime(u.Added) }},
	}
}

// users is the path of the account's users, or of one of them.
func users(ctx context.Context, c *connection, iamID ...string) (string, error) {
	account, err := c.account(ctx)
	if err != nil {
		return "", err
	}
	return path("/v2/accounts", append([]string{account, "users"}, iamID...)...), nil
}

func listUsers(ctx context.Context, c *connection) ([]record[user], error) {
	collection, err := users(ctx, c)
	if err != nil {
		return nil, err
	}
	found, err := list[user](ctx, c.client, collection, nil, "resources")
	if err != nil {
		return nil, fmt.Errorf("listing users: %w", err)
	}
	return found, nil
}

func findUser(ctx context.Context, c *connection, ref string) (record[user], error) {
	all, err := listUsers(ctx, c)
	if err != nil {
		return record[user]{}, err
	}
	return find("user", ref, all)
}

func newUserCreateCommand(p *program) *cobra.Command {
	var first, last, role string
	cmd := &cobra.Command{
		Use:     "create EMAIL",
		Short:   "Add a user to the account",
		Example: "  strongroom user create ada@example.com --first-name Ada --last-name Lovelace",
		Args:    arguments("EMAIL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !strings.Contains(args[0], "@") {
				return usageErrorf("%q is no e-mail address", args[0])
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			collection, err := users(cmd.Context(), c)
			if err != nil {
				return err
			}
			member := map[string]string{"email": args[0], "account_role": role}
			if first != "" {
				member["first_name"] = first
			}
			if last != "" {
				member["last_name"] = last
			}
			var answer struct {
				Resources []record[invited] `json:"resources"`
			}
			err = c.do(cmd.Context(), request{
				method: http.MethodPost,
				path:   collection,
				body:   map[string]any{"users": []any{member}},
			}, &answer)
			if err != nil {
				return fmt.Errorf("creating user %s: %w", args[0], err)
			}
			if len(answer.Resources) != 1 {
				return errors.New("the server did not say whom it added")
			}
			return printOne(p, answer.Resources[0], []column[invited]{
				{"IAM ID", func(u invited) string { return u.IAMID }},
				{"EMAIL", func(u invited) string { return u.Email }},
				{"STATE", func(u invited) string { return u.State }},
			})
		},
	}
	cmd.Flags().StringVar(&first, "first-name", "", "given name")
	cmd.Flags().StringVar(&last, "last-name", "", "family name")
	cmd.Flags().StringVar(&role, "account-role", "Member", "role in the account")
	return cmd
}

// invited is a user in the answer to their creation, where the IAM ID has another name.
type invited struct {
	IAMID string `json:"id"`
	Email string `json:"email"`
	State string `json:"state"`
}

// newUserStateCommand returns the command that puts a user into state.
func newUserStateCommand(p *program, verb, short, state string) *cobra.Command {
	return &cobra.Command{
		Use:   verb + " USER",
		Short: short,
		Args:  arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, found, err := p.user(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			target, err := users(cmd.Context(), c, found.IAMID)
			if err != nil {
				return err
			}
			r := request{method: http.MethodPatch, path: target, body: map[string]string{"state": state}}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("changing user %s: %w", args[0], err)
			}
			return p.done("user %s is %sd", found.Email, verb)
		},
	}
}

func newUserDeleteCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "delete USER",
		Short: "Remove a user from the account, with their API keys and policies",
		Args:  arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, found, err := p.user(cmd.Context(), args[0])
			if err != nil {
				return err
			}
			target, err := users(cmd.Context(), c, found.IAMID)
			if err != nil {
				return err
			}
			if err := c.do(cmd.Context(), request{method: http.MethodDelete, path: target}, nil); err != nil {
				return fmt.Errorf("deleting user %s: %w", args[0], err)
			}
			return p.done("user %s is deleted", found.Email)
		},
	}
}

// user connects and finds a user.
func (p *program) user(ctx context.Context, ref string) (*connection, user, error) {
	c, err := p.connect()
	if err != nil {
		return nil, user{}, err
	}
	found, err := findUser(ctx, c, ref)
	return c, found.fields, err
}
