package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"strongroom/server"
)

func newBootstrapCommand(p *program) *cobra.Command {
	var flags serverFlags
	var reset bool
	cmd := &cobra.Command{
		Use:   "bootstrap --data DIR [--reset]",
		Short: "Prepare a data folder without serving, or replace lost credentials",
		Long: "Prepare a data folder as the first start of the server would, and end. With --reset, the keys in\n" +
			"DIR/credentials.env are withdrawn and new ones written: for a file that was lost or seen by\n" +
			"others. The server must not be running.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.load()
			if err != nil {
				return err
			}
			file, err := server.Bootstrap(cmd.Context(), c, p.stderr, reset)
			if err != nil {
				return err
			}
			fmt.Fprintf(p.stdout, "credentials are in %s\n", file)
			return nil
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&reset, "reset", false, "withdraw the keys of the credentials file and write new ones")
	return cmd
}
