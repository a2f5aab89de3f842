package main

import (
	"fmt"
	"net/url"

	"github.com/spf13/cobra"
)

func newRegistrationCommand(p *program) *cobra.Command {
	var instance string
	group := newGroup("registration", "What keys protect in other services", "",
		newRegistrationListCommand(p, &instance))
	instanceFlag(group, &instance)
	return group
}

// registrationInfo is a registration as this program shows it.
type registrationInfo struct {
	Key     string `json:"keyId"`
	KeyName string `json:"keyName"`
	CRN     string `json:"resourceCrn"`
	Prevent bool   `json:"preventKeyDeletion"`
	Updated string `json:"lastUpdated"`
	Version struct {
		ID string `json:"id"`
	} `json:"keyVersion"`
}

func newRegistrationListCommand(p *program, instance *string) *cobra.Command {
	var key, resource string
	var retained bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the resources that keys protect",
		Example: "  strongroom registration list --key payments\n" +
			"  strongroom registration list --resource 'crn:v1:bluemix:public:cloud-object-storage:global:a/*:*:bucket:*'",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			where := path(keyCollection, "registrations")
			if key != "" {
				id, err := s.find(cmd.Context(), key)
				if err != nil {
					return err
				}
				where = path(keyCollection, id, "registrations")
			}
			query := url.Values{}
			if resource != "" {
				query.Set("urlEncodedResourceCRNQuery", resource)
			}
			if retained {
				query.Set("preventKeyDeletion", "true")
			}
			found, err := listPages[registrationInfo](cmd.Context(), s, where, query)
			if err != nil {
				return fmt.Errorf("listing registrations: %w", err)
			}
			return printList(p, found, []column[registrationInfo]{
				{"KEY", func(r registrationInfo) string { return r.Key }},
				{"KEY NAME", func(r registrationInfo) string { return r.KeyName }},
				{"VERSION", func(r registrationInfo) string { return r.Version.ID }},
				{"RETAINED", func(r registrationInfo) string { return yes(r.Prevent) }},
				{"UPDATED", func(r registrationInfo) string { return shortTime(r.Updated) }},
				{"RESOURCE", func(r registrationInfo) string { return r.CRN }},
			})
		},
	}
	cmd.Flags().StringVar(&key, "key", "", "only what this `KEY` protects")
	cmd.Flags().StringVar(&resource, "resource", "", "only resources whose CRN matches; * stands for a segment")
	cmd.Flags().BoolVar(&retained, "retained", false, "only resources that keep their key from being deleted")
	return cmd
}
