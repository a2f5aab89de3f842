package main

import (
	"encoding/json"
	"fmt"
	"time"

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

// revocation is something that was revoked after the database was taken.
type revocation struct {
	Time    time.Time `json:"time"`
	Action  string    `json:"action"`
	Account string    `json:"account_id"`
	Target  string    `json:"target"`
	Name    string    `json:"target_name"`
	Actor   string    `json:"initiator"`
}

func revocationColumns() []column[revocation] {
	return []column[revocation]{
		{"TIME", func(r revocation) string { return r.Time.UTC().Format(time.RFC3339) }},
		{"ACTION", func(r revocation) string { return r.Action }},
		{"NAME", func(r revocation) string { return r.Name }},
		{"TARGET", func(r revocation) string { return r.Target }},
		{"BY", func(r revocation) string { return r.Actor }},
	}
}

func newRollbackAcceptCommand(p *program) *cobra.Command {
	var flags serverFlags
	var reason string
	cmd := &cobra.Command{
		Use:   "accept --data DIR --reason TEXT",
		Short: "Accept the older database; the audit log keeps the reason",
		Long: "Accept that the database is older than what is remembered of it, after the newest copy was looked\n" +
			"for in vain. What the audit log remembers to have been revoked or narrowed since is listed: do it\n" +
			"again. The server must not be running.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return usageErrorf("no reason given; use --reason TEXT")
			}
			c, err := flags.load()
			if err != nil {
				return err
			}
			since, err := server.AcceptRollback(cmd.Context(), c, p.stderr, reason)
			if err != nil {
				return err
			}
			fmt.Fprintln(p.stderr, "accepted; the audit log has the reason, and what the database lacks")
			items := make([]record[revocation], len(since))
			for i, r := range since {
				items[i].fields = revocation{r.Time, r.Action, r.Account, r.Target, r.TargetName, r.Actor}
				if items[i].raw, err = json.Marshal(items[i].fields); err != nil {
					return fmt.Errorf("encoding the output: %w", err)
				}
			}
			return printList(p, items, revocationColumns())
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&reason, "reason", "", "why this database is the one to go on with")
	return cmd
}
