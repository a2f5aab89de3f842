package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"

	"github.com/spf13/cobra"

	"strongroom/crn"
)

func newCredentialCommand(p *program) *cobra.Command {
	return newGroup("credential", "Credentials of an instance, for applications and S3 tools",
		"Credentials of an instance: a service ID with a role on it, an API key for that, and with --hmac a\n"+
			"pair of keys for S3 tools. Deleting the credential ends them all.",
		newCredentialCreateCommand(p), newCredentialListCommand(p), newCredentialShowCommand(p), credentials().deleteCommand(p, "Delete a credential; its keys stop working at once"))
}

const credentialCollection = "/v2/resource_keys"

// credential is a resource key as this program shows it.
type credential struct {
	GUID    string          `json:"guid"`
	Name    string          `json:"name"`
	State   string          `json:"state"`
	Source  string          `json:"source_crn"`
	Created string          `json:"created_at"`
	CRN     string          `json:"crn"`
	Secrets json.RawMessage `json:"credentials"`
}

func (c credential) refs() (id, name string) { return c.GUID, c.Name }

// instance returns the GUID of the instance that the credential is for.
func (c credential) instance() string {
	source, err := crn.Parse(c.Source)
	if err != nil {
		return ""
	}
	return source.Instance
}

// part returns one of the secrets; inside names members from the outside in.
func (c credential) part(inside ...string) string {
	raw := c.Secrets
	for _, member := range inside {
		var members map[string]json.RawMessage
		if json.Unmarshal(raw, &members) != nil {
			return ""
		}
		raw = members[member]
	}
	var value string
	if json.Unmarshal(raw, &value) != nil {
		return ""
	}
	return value
}

func credentialColumns() []column[credential] {
	return []column[credential]{
		{"GUID", func(c credential) string { return c.GUID }},
		{"NAME", func(c credential) string { return c.Name }},
		{"INSTANCE", credential.instance},
		{"STATE", func(c credential) string { return c.State }},
		{"CREATED", func(c credential) string { return shortTime(c.Created) }},
		{"ROLE", func(c credential) string { return c.part("iam_role_crn") }},
		{"ACCESS KEY ID", func(c credential) string { return c.part("cos_hmac_keys", "access_key_id") }},
	}
}

func credentialDetails() []column[credential] {
	return append(credentialColumns(),
		column[credential]{"SERVICE ID", func(c credential) string { return c.part("iam_serviceid_crn") }},
		column[credential]{"CRN", func(c credential) string { return c.CRN }},
	)
}

// credentialSecrets are the columns that a person who makes a credential needs to see once.
func credentialSecrets() []column[credential] {
	return []column[credential]{
		{"SECRET ACCESS KEY", func(c credential) string { return c.part("cos_hmac_keys", "secret_access_key") }},
		{"API KEY", func(c credential) string { return c.part("apikey") }},
	}
}

// secretsJSON returns what --out holds: the credentials as the service gives them.
func (c credential) secretsJSON() ([]byte, error) {
	var out bytes.Buffer
	if len(c.Secrets) == 0 || json.Indent(&out, c.Secrets, "", "  ") != nil {
		return nil, errors.New("the server answered without credentials")
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

func newCredentialCreateCommand(p *program) *cobra.Command {
	var instance, role, out string
	var hmac bool
	cmd := &cobra.Command{
		Use:   "create NAME --instance INSTANCE",
		Short: "Make a credential",
		Long: "Make a credential of an instance. Its secrets are printed or, with --out, written as JSON to a\n" +
			"file that only you can read.",
		Example: "  strongroom credential create backup --instance my-storage --role Writer --hmac --out backup.json",
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if instance == "" {
				return usageErrorf("--instance is required")
			}
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			c, err := p.connect()
			if err != nil {
				return err
			}
			of, err := findInstance(cmd.Context(), c, instance, url.Values{})
			if err != nil {
				return err
			}
			body, err := credentialBody(cmd.Context(), c, args[0], of.fields, role, hmac)
			if err != nil {
				return err
			}
			made, err := create[credential](cmd.Context(), c.client, credentialCollection, nil, body)
			if err != nil {
				return fmt.Errorf("creating credential %q: %w", args[0], err)
			}
			if out == "" {
				return printOne(p, made, append(credentialDetails(), credentialSecrets()...))
			}
			return p.credentialTo(file, made)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&instance, "instance", "", "instance that the credential is for: GUID, CRN or name (required)")
	flags.StringVar(&role, "role", "Reader", "role on the instance, or NONE")
	flags.BoolVar(&hmac, "hmac", false, "make keys for S3 tools too; object storage only")
	flags.StringVar(&out, "out", "", "`FILE` for the secrets, or - for the secrets alone on standard output")
	return cmd
}

func credentialBody(ctx context.Context, c *connection, name string, of instanceInfo, role string, hmac bool) (map[string]any, error) {
	const noRole = "NONE"
	parameters := map[string]any{}
	if hmac {
		if of.service() != crn.ObjectStorage {
			return nil, usageErrorf("--hmac is for instances of %s, and %s is one of %s", crn.ObjectStorage, of.Name, of.service())
		}
		parameters["HMAC"] = true
	}
	body := map[string]any{"name": name, "source": of.CRN, "parameters": parameters, "role": noRole}
	if role != noRole {
		found, err := findRole(ctx, c, role, url.Values{"service_name": {of.service()}})
		if err != nil {
			return nil, err
		}
		body["role"] = found.CRN
		parameters["role_crn"] = found.CRN
	}
	return body, nil
}

// credentialTo writes the secrets of cred to file and shows the rest, unless file is standard output.
func (p *program) credentialTo(file *secretFile, cred record[credential]) error {
	secrets, err := cred.fields.secretsJSON()
	if err != nil {
		return err
	}
	if err := file.writeSecret(secrets); err != nil || !file.isFile() {
		return err
	}
	if cred.raw, err = blanked(cred.raw, "credentials"); err != nil {
		return err
	}
	return printOne(p, cred, credentialDetails())
}

func credentials() noun[credential] {
	return noun[credential]{
		kind: "credential", argument: "CREDENTIAL", find: findCredential,
		path: func(c credential) string { return path(credentialCollection, c.GUID) },
		name: func(c credential) string { return c.Name },
	}
}

func listCredentials(ctx context.Context, c *connection) ([]record[credential], error) {
	all, err := list[credential](ctx, c.client, credentialCollection, url.Values{}, "resources")
	if err != nil {
		return nil, fmt.Errorf("listing credentials: %w", err)
	}
	return all, nil
}

func findCredential(ctx context.Context, c *connection, ref string) (record[credential], error) {
	id := ref
	if name, err := crn.Parse(ref); err == nil {
		id = name.Resource
	}
	if isUUID(id) {
		found, err := read[credential](ctx, c.client, path(credentialCollection, id), nil)
		if err != nil {
			return found, fmt.Errorf("reading credential %s: %w", ref, err)
		}
		return found, nil
	}
	all, err := listCredentials(ctx, c)
	if err != nil {
		return record[credential]{}, err
	}
	return find("credential", ref, all)
}

func newCredentialListCommand(p *program) *cobra.Command {
	var instance string
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List credentials",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			all, err := listCredentials(cmd.Context(), c)
			if err != nil {
				return err
			}
			if instance == "" {
				return printList(p, all, credentialColumns())
			}
			of, err := findInstance(cmd.Context(), c, instance, url.Values{})
			if err != nil {
				return err
			}
			var some []record[credential]
			for _, cred := range all {
				if cred.fields.instance() == of.fields.GUID {
					some = append(some, cred)
				}
			}
			return printList(p, some, credentialColumns())
		},
	}
	cmd.Flags().StringVar(&instance, "instance", "", "only credentials of this instance: GUID, CRN or name")
	return cmd
}

func newCredentialShowCommand(p *program) *cobra.Command {
	var out string
	cmd := &cobra.Command{
		Use:   "show CREDENTIAL",
		Short: "Show a credential",
		Long: "Show a credential without its secrets. With --out they are written as JSON to a file that only you\n" +
			"can read; --output json prints the whole resource, with them.",
		Args: arguments("CREDENTIAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := findCredential(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			if out == "" {
				return printOne(p, found, credentialDetails())
			}
			return p.credentialTo(file, found)
		},
	}
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the secrets, or - for the secrets alone on standard output")
	return cmd
}
