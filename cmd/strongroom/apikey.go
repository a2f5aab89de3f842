package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

func newAPIKeyCommand(p *program) *cobra.Command {
	keys := noun[apiKey]{argument: "API-KEY", find: describeAPIKey, columns: apiKeyDetails()}
	return newGroup("apikey", "API keys of users and service IDs",
		"API keys of users and service IDs. An API key is named by its ID, or by its name when only one has it.",
		newAPIKeyCreateCommand(p), newAPIKeyListCommand(p),
		keys.showCommand(p, "Show what is known of an API key; not its value"),
		newAPIKeySwitchCommand(p, apiKeySwitch{"lock", "Protect an API key against changes and deletion", "lock", true, "locked"}),
		newAPIKeySwitchCommand(p, apiKeySwitch{"unlock", "Let a locked API key be changed again", "lock", false, "unlocked"}),
		newAPIKeySwitchCommand(p, apiKeySwitch{"disable", "Refuse an API key and its tokens, until enabled again", "disable", true, "disabled"}),
		newAPIKeySwitchCommand(p, apiKeySwitch{"enable", "Let a disabled API key be used again", "disable", false, "enabled"}),
		newAPIKeyDeleteCommand(p))
}

const apiKeyCollection = "/v1/apikeys"

// apiKey is an API key as this program shows it.
type apiKey struct {
	ID          string `json:"id"`
	Name        string `json:"name"`
	Description string `json:"description"`
	IAMID       string `json:"iam_id"`
	Locked      bool   `json:"locked"`
	Disabled    bool   `json:"disabled"`
	Created     string `json:"created_at"`
	CreatedBy   string `json:"created_by"`
	Expires     string `json:"expires_at"`
	Value       string `json:"apikey"`
	CRN         string `json:"crn"`
	Activity    struct {
		Last string `json:"last_authn"`
	} `json:"activity"`
}

func (k apiKey) refs() (id, name string) { return k.ID, k.Name }

func apiKeyColumns() []column[apiKey] {
	return []column[apiKey]{
		{"ID", func(k apiKey) string { return k.ID }},
		{"NAME", func(k apiKey) string { return k.Name }},
		{"FOR", func(k apiKey) string { return k.IAMID }},
		{"LOCKED", func(k apiKey) string { return yes(k.Locked) }},
		{"DISABLED", func(k apiKey) string { return yes(k.Disabled) }},
		{"CREATED", func(k apiKey) string { return shortTime(k.Created) }},
		{"EXPIRES", func(k apiKey) string { return shortTime(k.Expires) }},
	}
}

func apiKeyDetails() []column[apiKey] {
	return append(apiKeyColumns(),
		column[apiKey]{"DESCRIPTION", func(k apiKey) string { return k.Description }},
		column[apiKey]{"CREATED BY", func(k apiKey) string { return k.CreatedBy }},
		column[apiKey]{"LAST USED", func(k apiKey) string { return shortTime(k.Activity.Last) }},
		column[apiKey]{"CRN", func(k apiKey) string { return k.CRN }},
	)
}

func newAPIKeyCreateCommand(p *program) *cobra.Command {
	var owner, description, expires, out string
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make an API key; its value is shown this once",
		Long: "Make an API key, for yourself or, with --for, for a user or a service ID. The server tells its\n" +
			"value this once: with --out it goes to a file that only you can read, and is not printed.",
		Example: "  strongroom apikey create laptop --out laptop.key\n" +
			"  strongroom apikey create ci --for build-server --expires 2160h --out ci.key",
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]string{"name": args[0]}
			if description != "" {
				body["description"] = description
			}
			if expires != "" {
				at, err := p.futureTime("--expires", expires)
				if err != nil {
					return err
				}
				body["expires_at"] = at
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
			body["iam_id"], body["account_id"], err = apiKeyOwner(cmd.Context(), c, owner)
			if err != nil {
				return err
			}
			made, err := create[apiKey](cmd.Context(), c.client, apiKeyCollection, nil, body)
			if err != nil {
				return fmt.Errorf("creating API key %q: %w", args[0], err)
			}
			if made.fields.Value == "" {
				return errors.New("the server answered without the value of the API key")
			}
			if out == standard {
				return file.writeSecret([]byte(made.fields.Value + "\n"))
			}
			if !file.isFile() {
				return printOne(p, made, append(apiKeyDetails(),
					column[apiKey]{"API KEY", func(k apiKey) string { return k.Value }}))
			}
			if err := file.writeSecret([]byte(made.fields.Value + "\n")); err != nil {
				return err
			}
			if made.raw, err = blanked(made.raw, "apikey"); err != nil {
				return err
			}
			return printOne(p, made, apiKeyDetails())
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&owner, "for", "", "user or service ID that the key is for: e-mail address, name or ID (default: you)")
	flags.StringVar(&description, "description", "", "what the key is for")
	flags.StringVar(&expires, "expires", "", "`TIME` at which the key ends, or from now on such as 720h (default: never)")
	flags.StringVar(&out, "out", "", "`FILE` for the value, or - for the value alone on standard output")
	return cmd
}

// apiKeyOwner returns the IAM ID and the account for a key of owner, who is the caller when empty.
func apiKeyOwner(ctx context.Context, c *connection, owner string) (iamID, account string, err error) {
	account, err = c.account(ctx)
	if err != nil {
		return "", "", err
	}
	if owner != "" {
		iamID, err = identityID(ctx, c, owner)
		return iamID, account, err
	}
	own, err := c.claims(ctx)
	return own.IAMID, account, err
}

// listAPIKeys lists the API keys of an identity or, when iamID is empty, of the account.
func listAPIKeys(ctx context.Context, c *connection, iamID string) ([]record[apiKey], error) {
	account, err := c.account(ctx)
	if err != nil {
		return nil, err
	}
	query := url.Values{"account_id": {account}, "pagesize": {pageSize}}
	if iamID != "" {
		query.Set("iam_id", iamID)
	} else {
		query.Set("scope", "account")
	}
	keys, err := list[apiKey](ctx, c.client, apiKeyCollection, query, "apikeys")
	if err != nil {
		return nil, fmt.Errorf("listing API keys: %w", err)
	}
	return keys, nil
}

func newAPIKeyListCommand(p *program) *cobra.Command {
	var owner string
	var all bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List API keys: yours, somebody's, or all of the account",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			iamID := ""
			if !all {
				if iamID, _, err = apiKeyOwner(cmd.Context(), c, owner); err != nil {
					return err
				}
			}
			keys, err := listAPIKeys(cmd.Context(), c, iamID)
			if err != nil {
				return err
			}
			return printList(p, keys, apiKeyColumns())
		},
	}
	cmd.Flags().StringVar(&owner, "for", "", "user or service ID whose keys to list (default: you)")
	cmd.Flags().BoolVar(&all, "all", false, "list the API keys of the whole account")
	cmd.MarkFlagsMutuallyExclusive("for", "all")
	return cmd
}

// findAPIKey returns the API key that ref names: by its ID, else by name among the caller's own, else
// by name in the account.
func findAPIKey(ctx context.Context, c *connection, ref string) (record[apiKey], error) {
	if strings.HasPrefix(ref, "ApiKey-") {
		found, err := read[apiKey](ctx, c.client, path(apiKeyCollection, ref), url.Values{"include_activity": {"true"}})
		if err != nil {
			return found, fmt.Errorf("reading API key %s: %w", ref, err)
		}
		return found, nil
	}
	own, err := c.claims(ctx)
	if err != nil {
		return record[apiKey]{}, err
	}
	keys, err := listAPIKeys(ctx, c, own.IAMID)
	if err != nil {
		return record[apiKey]{}, err
	}
	found, err := find("API key", ref, keys)
	if codeOf(err) != exitNotFound {
		return found, err
	}
	if keys, err = listAPIKeys(ctx, c, ""); err != nil {
		return record[apiKey]{}, err
	}
	return find("API key", ref, keys)
}

// describeAPIKey returns the API key that ref names with what only a read by ID tells: its last use.
func describeAPIKey(ctx context.Context, c *connection, ref string) (record[apiKey], error) {
	found, err := findAPIKey(ctx, c, ref)
	if err != nil || found.fields.ID == ref {
		return found, err
	}
	return findAPIKey(ctx, c, found.fields.ID)
}

// apiKeySwitch is a command that turns something of an API key on or off.
type apiKeySwitch struct {
	use, short string
	resource   string // what is posted to turn it on, and deleted to turn it off
	on         bool
	done       string
}

func newAPIKeySwitchCommand(p *program, s apiKeySwitch) *cobra.Command {
	return &cobra.Command{
		Use:   s.use + " API-KEY",
		Short: s.short,
		Args:  arguments("API-KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := findAPIKey(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			method := http.MethodDelete
			if s.on {
				method = http.MethodPost
			}
			r := request{method: method, path: path(apiKeyCollection, found.fields.ID, s.resource)}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				return fmt.Errorf("changing API key %s: %w", args[0], err)
			}
			return p.done("API key %s is %s", found.fields.Name, s.done)
		},
	}
}

func newAPIKeyDeleteCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "delete API-KEY",
		Short: "Delete an API key; its tokens end with it",
		Args:  arguments("API-KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			found, err := findAPIKey(cmd.Context(), c, args[0])
			if err != nil {
				return err
			}
			r := request{method: http.MethodDelete, path: path(apiKeyCollection, found.fields.ID)}
			if err := c.do(cmd.Context(), r, nil); err != nil {
				err = fmt.Errorf("deleting API key %s: %w", args[0], err)
				if found.fields.Locked {
					err = withHint(err, "it is locked: \"strongroom apikey unlock %s\"", found.fields.ID)
				}
				return err
			}
			return p.done("API key %s is deleted", found.fields.Name)
		},
	}
}
