package main

import (
	"github.com/spf13/cobra"

	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/agent"
)

// newCustodyAgentCommand returns the command that the server runs for each token.
func newCustodyAgentCommand() *cobra.Command {
	return &cobra.Command{
		Use:    pkcs11.AgentCommand,
		Short:  "Work with a token for the server that starts this",
		Long:   "Load a vendor's PKCS#11 library and work with a token for the server, which starts this command itself.",
		Hidden: true,
		Args:   arguments(),
		RunE:   func(*cobra.Command, []string) error { return agent.Main() },
	}
}
