package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// newKeyActionCommand is a command that performs an action without a body on a key.
func newKeyActionCommand(p *program, instance *string, use, action, short, long, doing, done string) *cobra.Command {
	return &cobra.Command{
		Use:   use + " KEY",
		Short: short,
		Long:  long,
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			if err := s.act(cmd.Context(), id, action, nil, nil); err != nil {
				return fmt.Errorf("%s key %s: %w", doing, args[0], err)
			}
			return p.done("key %s %s", id, done)
		},
	}
}

// newKeyLifecycleCommands returns the steps of a key's life that need nothing but its name.
func newKeyLifecycleCommands(p *program, instance *string) []*cobra.Command {
	return []*cobra.Command{
		newKeyActionCommand(p, instance, "disable", "disable", "Suspend a root key",
			"Suspend a root key. From then on it neither wraps nor unwraps, until it is enabled.",
			"disabling", "is disabled"),
		newKeyActionCommand(p, instance, "enable", "enable", "Let a suspended root key work again", "",
			"enabling", "is enabled"),
		newKeyActionCommand(p, instance, "authorize-deletion", "setKeyForDeletion",
			"Authorize the deletion of a key that two people must agree on",
			"Authorize the deletion of a key with dual authorization. Within seven days somebody else can delete it.",
			"authorizing the deletion of", "can be deleted by somebody else within seven days"),
		newKeyActionCommand(p, instance, "withdraw-deletion", "unsetKeyForDeletion",
			"Withdraw the authorization to delete a key", "",
			"withdrawing the deletion of", "can no longer be deleted"),
		newKeyActionCommand(p, instance, "sync", "sync", "Ask the services that use a key to look at it again", "",
			"synchronizing", "is announced to the services that use it"),
		newKeyRestoreCommand(p, instance), newKeyPurgeCommand(p, instance), newKeyMoveCommand(p, instance),
	}
}

func newKeyRestoreCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "restore KEY",
		Short: "Bring a deleted key back",
		Long: "Bring a deleted key back, with its versions, policies and aliases. This is possible for 30 days, and\n" +
			"not after the key has expired.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeKey(cmd.Context(), *instance, args[0], "restoring", "is restored", func(id string) request {
				return request{method: http.MethodPost, path: path(keyCollection, id, "restore")}
			})
		},
	}
}

func newKeyPurgeCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "purge KEY",
		Short: "Remove a deleted key for good",
		Long: "Remove a deleted key for good; what it wrapped can never be opened again. It needs the role KeyPurge,\n" +
			"and some time since the deletion.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeKey(cmd.Context(), *instance, args[0], "purging", "is purged", func(id string) request {
				return request{
					method: http.MethodDelete, path: path(keyCollection, id, "purge"),
					header: http.Header{"Prefer": {"return=representation"}},
				}
			})
		},
	}
}

func newKeyMoveCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "move KEY RING",
		Short: "Move a key to another key ring",
		Long:  "Move a key to another key ring. Who had access by the old ring alone loses it at once.",
		Args:  arguments("KEY", "RING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.changeKey(cmd.Context(), *instance, args[0], "moving", "is in key ring "+args[1], func(id string) request {
				return request{
					method: http.MethodPatch, path: path(keyCollection, id), body: map[string]string{"keyRingID": args[1]},
				}
			})
		},
	}
}

// changeKey sends a request that answers with the key as it is then.
func (p *program) changeKey(ctx context.Context, instance, ref, doing, done string, of func(id string) request) error {
	s, id, err := p.key(ctx, instance, ref)
	if err != nil {
		return err
	}
	var answer collection[keyInfo]
	if err := s.call(ctx, of(id), &answer); err != nil {
		return fmt.Errorf("%s key %s: %w", doing, ref, err)
	}
	if p.flags.output == outputJSON && len(answer.Resources) == 1 {
		return p.printJSON(answer.Resources[0])
	}
	return p.done("key %s %s", id, done)
}
