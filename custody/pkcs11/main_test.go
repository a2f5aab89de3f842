package pkcs11_test

import (
	"fmt"
	"os"
	"testing"

	"strongroom/custody/pkcs11"
	"strongroom/custody/pkcs11/agent"
)

// TestMain lets the test be its own custody agent, and a process that serves.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == servingCommand {
		if err := serve(os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) == 2 && os.Args[1] == pkcs11.AgentCommand {
		if err := agent.Main(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}
