package main

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newServiceIDCommand(p *program) *cobra.Command {
	return newGroup("service-id", "Identities of applications",
		"Identities of applications. Make an API key for one with\n"+
			"\"strongroom apikey create NAME --for SERVICE-ID\". A service ID is named by its ID or its name.",
		newServiceIDCreateCommand(p), serviceIDs().listCommand(p, "List service IDs"), serviceIDs().showCommand(p, "Show a service ID"),
		serviceIDs().deleteCommand(p, "Delete a service ID, with its API keys and policies"))
}

const (
	serviceIDCollection = "/v1/serviceids"
	serviceIDPrefix     = "ServiceId-"
)

// serviceID is a service ID as this program shows it.
type serviceID struct {
	ID          string `json:"id"`
	IAMID       string `json:"iam_id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	Locked      bool   `json:"locked"`
	Created     string `json:"created_at"`
	CRN         string `json:"crn"`
}

func (s serviceID) refs() (id, name string) { return s.ID, s.Name }

func serviceIDColumns() []column[serviceID] {
	return []column[serviceID]{
		{"ID", func(s serviceID) string { return s.ID }},
		{"NAME", func(s serviceID) string { return s.Name }},
		{"LOCKED", func(s serviceID) string { return yes(s.Locked) }},
		{"CREATED", func(s serviceID) string { return shortTime(s.Created) }},
		{"DESCRIPTION", func(s serviceID) string { return s.Description }},
	}
}

func serviceIDDetails() []column[serviceID] {
	return append(serviceIDColumns(),
		column[serviceID]{"IAM ID", func(s serviceID) string { return s.IAMID }},
		column[serviceID]{"CRN", func(s serviceID) string { return s.CRN }},
	)
}

func serviceIDs() noun[serviceID] {
	return noun[serviceID]{
		kind: "service ID", argument: "SERVICE-ID", list: listServiceIDs, find: findServiceID,
		path:    func(s serviceID) string { return path(serviceIDCollection, s.ID) },
		name:    func(s serviceID) string { return s.Name },
		columns: serviceIDColumns(), details: serviceIDDetails(),
	}
}

// pageSize is how many identities and API keys are asked for at once: the most that the service gives.
const pageSize = "100"

func listServiceIDs(ctx context.Context, c *connection) ([]record[serviceID], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	ids, err := list[serviceID](ctx, c.client, serviceIDCollection,
		url.Values{"account_id": {account}, "pagesize": {pageSize}}, "serviceids")
	if err != nil {
		return nil, fmt.Errorf("listing service IDs: %w", err)
	}
	return ids, nil
}

func findServiceID(ctx context.Context, c *connection, ref string) (record[serviceID], error) {
	if strings.HasPrefix(ref, serviceIDPrefix) {
		found, err := read[serviceID](ctx, c.client, path(serviceIDCollection, ref), nil)
		if err != nil {
			return found, fmt.Errorf("reading service ID %s: %w", ref, err)
		}
		return found, nil
	}
	ids, err := listServiceIDs(ctx, c)
	if err != nil {
		return record[serviceID]{}, err
	}
	return find("service ID", ref, ids)
}

// identityID returns the IAM ID of the identity that ref names: a user's e-mail address, a service
// ID's ID or name, or an IAM ID, which is left as it is.
func identityID(ctx context.Context, c *connection, ref string) (string, error) {
	switch {
	case strings.HasPrefix(ref, "iam-"), strings.HasPrefix(ref, "IBMid-"), strings.HasPrefix(ref, "crn-"):
		return ref, nil
	case strings.HasPrefix(ref, serviceIDPrefix):
		return "iam-" + ref, nil
	case strings.Contains(ref, "@"):
		found, err := findUser(ctx, c, ref)
		return found.fields.IAMID, err
	}
	found, err := findServiceID(ctx, c, ref)
	return found.fields.IAMID, err
}

func newServiceIDCreateCommand(p *program) *cobra.Command {
	var description string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a service ID",
		Args:  arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			account, err := c.account(cmd.Context())
			if err != nil {
				return err
			}
			body := map[string]string{"name": args[0], "account_id": account}
			if description != "" {
				body["description"] = description
			}
			made, err := create[serviceID](cmd.Context(), c.client, serviceIDCollection, nil, body)
			if err != nil {
				return fmt.Errorf("creating service ID %q: %w", args[0], err)
			}
			return printOne(p, made, serviceIDDetails())
		},
	}
	cmd.Flags().StringVar(&description, "description", "", "what the service ID is for")
	return cmd
}
