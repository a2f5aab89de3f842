package main

import (
	"strings"

	"github.com/spf13/cobra"

	"strongroom/server"
)

// unlocked is the answer of instance unlock-network to programs.
type unlocked struct {
	Instance string   `json:"instance"`
	Off      []string `json:"switched_off"` // types of policies
}

func newInstanceUnlockCommand(p *program) *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "unlock-network INSTANCE --data DIR",
		Short: "Let requests come from everywhere again, on the server's own machine",
		Long: "Switch the policies allowedIP and allowedNetwork of a Key Protect instance off. They also hold for\n" +
			"the request that would change them, so a wrong one can keep everybody out. This command works on the\n" +
			"data folder while the server is stopped, and is in the audit log of the instance's account. The\n" +
			"instance is named by its GUID or CRN.",
		Example: "  strongroom instance unlock-network 2e4b6a11-9f53-4c55-a1d5-0c9d6d3e8f10 --data data",
		Args:    arguments("INSTANCE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			guid := instanceGUID(args[0])
			if guid == "" {
				return usageErrorf("%q is neither the GUID nor the CRN of an instance", args[0])
			}
			c, err := flags.load()
			if err != nil {
				return err
			}
			off, err := server.UnlockNetwork(cmd.Context(), c, p.stderr, guid)
			if err != nil {
				return err
			}
			if p.flags.output == outputJSON {
				return p.printJSON(unlocked{Instance: guid, Off: off})
			}
			return p.done("switched off for instance %s: %s", guid, strings.Join(off, ", "))
		},
	}
	flags.register(cmd)
	return cmd
}
