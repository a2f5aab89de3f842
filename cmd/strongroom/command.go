package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// newGroup returns a command that only holds others. Cobra would answer a mistyped subcommand with
// the help page and success; a script must see a failure and a person what was probably meant.
func newGroup(use, short, long string, commands ...*cobra.Command) *cobra.Command {
	group := &cobra.Command{
		Use:           use,
		Short:         short,
		Long:          long,
		Args:          cobra.ArbitraryArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return cmd.Help()
			}
			return unknownCommand(cmd, args[0])
		},
	}
	group.AddCommand(commands...)
	return group
}

func unknownCommand(cmd *cobra.Command, name string) error {
	var known []string
	for _, sub := range cmd.Commands() {
		if sub.IsAvailableCommand() {
			known = append(known, sub.Name())
			known = append(known, sub.Aliases...)
		}
	}
	hint := fmt.Sprintf("%q lists the commands", cmd.CommandPath()+" --help")
	if near := closest(name, known); len(near) > 0 {
		hint = "did you mean " + quoteAll(near) + "?"
	}
	return &failure{
		exit: exitUsage,
		hint: hint,
		err:  fmt.Errorf("%s has no command %q", cmd.CommandPath(), name),
	}
}

// arguments accepts exactly one non-empty argument for each name. An empty one is refused because
// an empty identifier in a path would name the whole collection.
func arguments(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s needs %s", cmd.CommandPath(), strings.Join(names[len(args):], " and "))
		}
		if len(args) > len(names) {
			return fmt.Errorf("%s does not take the argument %q", cmd.CommandPath(), args[len(names)])
		}
		return refuseEmpty(names, args)
	}
}

// argumentsAndMore is arguments with at least one of the last name.
func argumentsAndMore(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return fmt.Errorf("%s needs %s", cmd.CommandPath(), strings.Join(names[len(args):], " and "))
		}
		return refuseEmpty(names, args)
	}
}

func refuseEmpty(names, args []string) error {
	if i := slices.Index(args, ""); i >= 0 {
		return fmt.Errorf("%s is empty", names[min(i, len(names)-1)])
	}
	return nil
}

// runError marks an error that a command's own code returned.
type runError struct{ error }

func (e runError) Unwrap() error { return e.error }

// markRuns makes every command below cmd mark its errors. What is left unmarked was found before a
// command ran, so it is about the way the program was called.
func markRuns(cmd *cobra.Command) {
	if inner := cmd.RunE; inner != nil {
		cmd.RunE = func(cmd *cobra.Command, args []string) error {
			if err := inner(cmd, args); err != nil {
				return runError{err}
			}
			return nil
		}
	}
	for _, sub := range cmd.Commands() {
		markRuns(sub)
	}
}

func isUsageError(err error) bool {
	var ran runError
	return !errors.As(err, &ran)
}

// oneOf completes a flag with fixed values and no file names.
func oneOf(cmd *cobra.Command, flag string, values ...string) {
	err := cmd.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag does not exist: a mistake in this program
	}
}
