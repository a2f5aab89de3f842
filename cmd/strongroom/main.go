// Strongroom, the key management service and object store, and the command line for the people who
// use it.
//
// A client command talks to a running server through its public HTTP interfaces, with the rights of
// the caller's API key and no others: it reads no database and holds no key material beyond the one
// request that needs it. Secrets reach it through files, standard input or the environment, never
// through arguments, and leave it through standard output or files that only the owner can read.
//
// An error is one line, with a hint on a second one where a single step helps; the exit code says
// what kind of error it was ("strongroom help exit-codes").
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], surroundings{
		stdin:  os.Stdin,
		stdout: os.Stdout,
		stderr: os.Stderr,
		getenv: os.Getenv,
		now:    time.Now,
	})
	stop()
	os.Exit(code)
}

// surroundings is everything that a run takes from the process it runs in.
type surroundings struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
}

// program is one run of the command line: where it runs, and the flags that every command shares.
type program struct {
	surroundings
	flags globalFlags
}

// run executes the command line args and returns the exit code of the process.
func run(ctx context.Context, args []string, s surroundings) int {
	p := &program{surroundings: s}
	root := newRootCommand(p)
	root.SetArgs(args)
	root.SetIn(s.stdin)
	root.SetOut(s.stdout)
	root.SetErr(s.stderr)
	markRuns(root)
	if err := root.ExecuteContext(ctx); err != nil {
		return report(s.stderr, err)
	}
	return exitOK
}

func newRootCommand(p *program) *cobra.Command {
	root := newGroup("strongroom", "Keys, and the data they protect",
		"Strongroom is a key management service with its own object store.\n\n"+
			"Most commands talk to a running server. Say which one, and who you are, with STRONGROOM_URL and\n"+
			"STRONGROOM_API_KEY (see \"strongroom help environment\"), or once with \"strongroom login\".")
	p.flags.register(root)
	root.AddGroup(
		&cobra.Group{ID: groupKeys, Title: "Keys:"},
		&cobra.Group{ID: groupObjects, Title: "Objects:"},
		&cobra.Group{ID: groupAccess, Title: "Access:"},
		&cobra.Group{ID: groupSession, Title: "Session:"},
		&cobra.Group{ID: groupServer, Title: "Server:"},
	)
	// The list of subcommands: one line each, in the order of the help page.
	add := func(group string, cmd *cobra.Command) {
		cmd.GroupID = group
		root.AddCommand(cmd)
	}
	add(groupKeys, newKeyCommand(p))
	add(groupKeys, newRingCommand(p))
	add(groupKeys, newRegistrationCommand(p))
	add(groupKeys, newInstanceCommand(p))
	add(groupKeys, newResourceGroupCommand(p))
	add(groupObjects, newBucketCommand(p))
	add(groupObjects, newObjectCommand(p))
	add(groupObjects, newNodeCommand(p))
	add(groupAccess, newUserCommand(p))
	add(groupAccess, newServiceIDCommand(p))
	add(groupAccess, newAPIKeyCommand(p))
	add(groupAccess, newGroupCommand(p))
	add(groupAccess, newPolicyCommand(p))
	add(groupAccess, newAuthorizationCommand(p))
	add(groupAccess, newRoleCommand(p))
	add(groupAccess, newCredentialCommand(p))
	add(groupSession, newLoginCommand(p))
	add(groupSession, newLogoutCommand(p))
	add(groupSession, newProfileCommand(p))
	add(groupSession, newTokenCommand(p))
	add(groupServer, newServeCommand(p))
	add(groupServer, newBootstrapCommand(p))
	add(groupServer, newBackupCommand(p))
	add(groupServer, newRestoreCommand(p))
	add(groupServer, newRollbackCommand(p))
	add(groupServer, newAccountCommand(p))
	add(groupServer, newAuditCommand(p))
	add(groupServer, newCustodyCommand(p))
	add(groupServer, newMetricsCommand(p))
	add(groupServer, newVersionCommand(p))
	root.AddCommand(newExitCodesTopic(), newEnvironmentTopic(), newCustodyAgentCommand())
	return root
}

// The groups of the help page.
const (
	groupKeys    = "keys"
	groupObjects = "objects"
	groupAccess  = "access"
	groupSession = "session"
	groupServer  = "server"
)
