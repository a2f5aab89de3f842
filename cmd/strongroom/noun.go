package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/spf13/cobra"
)

// noun is a kind of thing that people name by its ID or its name, and what list, show and delete are
// alike for.
type noun[T any] struct {
	kind     string // as "access group"
	argument string // as "GROUP"
	list     func(context.Context, *connection) ([]record[T], error)
	find     func(ctx context.Context, c *connection, ref string) (record[T], error)
	path     func(T) string // of one, on the server
	name     func(T) string // as people call one
	columns  []column[T]    // of a list
	details  []column[T]    // of one; nil for the columns
}

func (n noun[T]) listCommand(p *program, short string) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: short,
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			all, err := n.list(cmd.Context(), c)
			if err != nil {
				return err
			}
			return printList(p, all, n.columns)
		},
	}
}

func (n noun[T]) showCommand(p *program, short string) *cobra.Command {
	return &cobra.Command{
		Use:   "show " + n.argument,
		Short: short,
		Args:  arguments(n.argument),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := n.find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if n.details == nil {
				return printOne(p, found, n.columns)
			}
			return printOne(p, found, n.details)
		},
	}
}

func (n noun[T]) deleteCommand(p *program, short string) *cobra.Command {
	return &cobra.Command{
		Use:   "delete " + n.argument,
		Short: short,
		Args:  arguments(n.argument),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := n.find(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			r := request{method: http.MethodDelete, path: n.path(found.fields)}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("deleting %s %s: %w", n.kind, args[0], err)
			}
			return p.done("%s %s is deleted", n.kind, n.name(found.fields))
		},
	}
}
