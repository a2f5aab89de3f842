package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

func newRingCommand(p *program) *cobra.Command {
	var instance string
	group := newGroup("ring", "Key rings: parts of an instance that access is given to",
		"Key rings are parts of an instance. Access can be given to all keys of a ring: see\n"+
			"\"strongroom policy create --ring\". Every instance has the ring \"default\".",
		newRingCreateCommand(p, &instance), newRingListCommand(p, &instance), newRingDeleteCommand(p, &instance))
	instanceFlag(group, &instance)
	return group
}

const ringCollection = "/api/v2/key_rings"

// ringInfo is a key ring as this program shows it.
type ringInfo struct {
	ID        string `json:"id"`
	Created   string `json:"creationDate"`
	CreatedBy string `json:"createdBy"`
}

func newRingCreateCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "create RING",
		Short: "Make a key ring",
		Args:  arguments("RING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			err = s.call(cmd.Context(), request{method: http.MethodPost, path: path(ringCollection, args[0])}, nil)
			if err != nil {
				return fmt.Errorf("creating key ring %s: %w", args[0], err)
			}
			return p.done("key ring %s is made", args[0])
		},
	}
}

func newRingListCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List key rings",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			rings, err := listPages[ringInfo](cmd.Context(), s, ringCollection, url.Values{})
			if err != nil {
				return fmt.Errorf("listing key rings: %w", err)
			}
			return printList(p, rings, []column[ringInfo]{
				{"ID", func(r ringInfo) string { return r.ID }},
				{"CREATED", func(r ringInfo) string { return shortTime(r.Created) }},
				{"CREATED BY", func(r ringInfo) string { return r.CreatedBy }},
			})
		},
	}
}

func newRingDeleteCommand(p *program, instance *string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete RING",
		Short: "Remove a key ring that holds no keys",
		Long: "Remove a key ring that holds no keys. With --force, deleted keys do not count: they move to the\n" +
			"default ring.",
		Args: arguments("RING"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			err = s.call(cmd.Context(), request{
				method: http.MethodDelete, path: path(ringCollection, args[0]), query: url.Values{"force": {strconv.FormatBool(force)}},
			}, nil)
			if err != nil {
				return fmt.Errorf("deleting key ring %s: %w", args[0], err)
			}
			return p.done("key ring %s is deleted", args[0])
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "move deleted keys to the default ring")
	return cmd
}
