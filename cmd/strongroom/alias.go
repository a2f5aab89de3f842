package main

import (
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

func newKeyAliasCommand(p *program, instance *string) *cobra.Command {
	return newGroup("alias", "Other names of a key",
		"Other names of a key, by which every command and every request finds it. A key has at most five.",
		newKeyAliasChangeCommand(p, instance, "add", http.MethodPost, "Give a key another name", "is a name of"),
		newKeyAliasChangeCommand(p, instance, "remove", http.MethodDelete, "Take a name from a key", "is no longer a name of"))
}

func newKeyAliasChangeCommand(p *program, instance *string, use, method, short, done string) *cobra.Command {
	return &cobra.Command{
		Use:   use + " KEY ALIAS",
		Short: short,
		Args:  arguments("KEY", "ALIAS"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			r := request{method: method, path: path(keyCollection, id, "aliases", args[1])}
			if err := s.call(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("alias %s of key %s: %w", args[1], args[0], err)
			}
			return p.done("%s %s key %s", args[1], done, id)
		},
	}
}
