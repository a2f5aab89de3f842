package main

import "github.com/spf13/cobra"

// newCustodyCommand holds what the operator does with the modules that keep the keys.
func newCustodyCommand(p *program) *cobra.Command {
	return newGroup("custody", "Look after the modules that keep the keys",
		"Look after the crypto modules that keep the keys, software or a token (HSM), and after the masters in\n"+
			"them, under which everything else is sealed. For the operator of the server.",
		newCustodyStatusCommand(p), newCustodyRotateCommand(p), newCustodyMigrateCommand(p), newCustodyRetireCommand(p),
		newCustodyShreddingCommand(p), newCustodyInitCommand(p), newCustodyRecoverCommand(p), newCustodyDoctorCommand(p),
	)
}
