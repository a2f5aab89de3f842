package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strongroom/server"
)

func newRollbackCommand(p *program) *cobra.Command {
	return newGroup("rollback", "Go on with a database that is older than what is remembered of it",
		"At every start the database is compared with the audit log, with the witness folder and with the\n"+
			"token. If one of them remembers more, an older copy of the database was put in its place: what\n"+
			"was revoked, deleted or disabled since may be in force again. The server then refuses to start.",
		newRollbackAcceptCommand(p))
}

func newRollbackAcceptCommand(p *program) *cobra.Command {
	var flags serverFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "accept --data DIR --reason TEXT",
		Short: "Accept the older database; the audit log keeps the reason",
		Long: "Accept that the database is older than what is remembered of it, after the newest copy was looked\n" +
			"for in vain. Look through the audit log for what was revoked since, and revoke it again. The server\n" +
			"must not be running.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return usageErrorf("no reason given; use --reason TEXT")
			}
			c, err := flags.load()
			if err != nil {
				return err
			}
			if err := server.AcceptRollback(cmd.Context(), c, p.stderr, reason); err != nil {
				return err
			}
			fmt.Fprintln(p.stdout, "accepted; the audit log has the reason, and what the database lacks")
			return nil
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why this database is the one to go on with")
	return cmd
}
