package main

import (
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
			for _, a := range accounts {
				fmt.Fprintf(p.stdout, "%s\t%s\t%s\t%s\n", a.ID, a.Name, a.Owner, a.State)
			}
			return nil
		},
	}
	flags.register(cmd)
	return cmd
}
