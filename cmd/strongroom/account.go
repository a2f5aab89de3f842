package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"strongroom/server"
)

// Accounts are made where the data is, by whoever runs the server: no caller of
// the APIs stands above accounts. The server must not be running.
func newAccountCommand(p *program) *cobra.Command {
	return newGroup("account", "Make and list accounts, on the server's own machine",
		"Accounts are made where the data is, while the server is stopped: nobody who comes over the\n"+
			"network stands above the accounts.",
		newAccountCreateCommand(p), newAccountListCommand(p))
}

// account is an account as this program shows it.
type account struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	Owner string `json:"owner_iam_id"`
	State string `json:"state"`
}

func accountColumns() []column[account] {
	return []column[account]{
		{"ID", func(a account) string { return a.ID }},
		{"NAME", func(a account) string { return a.Name }},
		{"OWNER", func(a account) string { return a.Owner }},
		{"STATE", func(a account) string { return a.State }},
	}
}

// madeAccount is the answer of account create to programs.
type madeAccount struct {
	ID            string `json:"id"`
	Owner         string `json:"owner_iam_id"`
	ResourceGroup string `json:"resource_group_id"`
	APIKey        string `json:"apikey"` // empty when it went to a file
}

func newAccountCreateCommand(p *program) *cobra.Command {
	var flags serverFlags
	var email, first, last, out string
	cmd := &cobra.Command{
		Use:   "create NAME --data DIR --owner-email EMAIL",
		Short: "Make an account with its owner, and an API key for the owner",
		Args:  arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if email == "" {
				return usageErrorf("no owner given; use --owner-email EMAIL")
			}
			c, err := flags.load()
			if err != nil {
				return err
			}
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			made, err := server.CreateAccount(cmd.Context(), c, p.stderr, server.NewAccount{
				Name: args[0], Email: email, FirstName: first, LastName: last,
			})
			if err != nil {
				return err
			}
			defer made.APIKey.Wipe()
			if p.flags.output == outputJSON {
				answer := madeAccount{ID: made.Account, Owner: made.Owner, ResourceGroup: made.ResourceGroup}
				if file.isFile() {
					err = file.writeSecret(append(made.APIKey.Reveal(), '\n'))
				} else {
					answer.APIKey = string(made.APIKey.Reveal())
				}
				return errors.Join(err, p.printJSON(answer))
			}
			fmt.Fprintf(p.stderr, "account %s, owner %s, resource group %s\n", made.Account, made.Owner, made.ResourceGroup)
			return file.writeSecret(append(made.APIKey.Reveal(), '\n'))
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&email, "owner-email", "", "e-mail `address` of the owner")
	cmd.Flags().StringVar(&first, "first-name", "", "given `name` of the owner")
	cmd.Flags().StringVar(&last, "last-name", "", "family `name` of the owner")
	cmd.Flags().StringVar(&out, "out", "", "write the owner's API key to this `file` instead of standard output")
	return cmd
}

func newAccountListCommand(p *program) *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "list --data DIR",
		Short: "List the accounts",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.load()
			if err != nil {
				return err
			}
			accounts, err := server.ListAccounts(cmd.Context(), c, p.stderr)
			if err != nil {
				return err
			}
			items := make([]record[account], len(accounts))
			for i, a := range accounts {
				items[i].fields = account(a)
				if items[i].raw, err = json.Marshal(items[i].fields); err != nil {
					return fmt.Errorf("encoding the output: %w", err)
				}
			}
			return printList(p, items, accountColumns())
		},
	}
	flags.register(cmd)
	return cmd
}
