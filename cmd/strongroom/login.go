package main

import (
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

const defaultProfile = "default"

func newLoginCommand(p *program) *cobra.Command {
	var keyFile, instance string
	cmd := &cobra.Command{
		Use:   "login",
		Short: "Exchange an API key for tokens, and keep them in a profile",
		Long: "Exchange an API key for tokens, and keep them in a profile for later commands.\n\n" +
			"The API key comes from --api-key-file, else from STRONGROOM_API_KEY, else from standard input,\n" +
			"where a terminal is asked for it. It is not kept: the profile holds the tokens, which end when\n" +
			"the key is disabled or deleted, or when they are not used for some days.",
		Example: "  strongroom login --url https://127.0.0.1:8443 --ca-file ca.pem --api-key-file key.txt\n" +
			"  strongroom login --profile production --url https://kms.example.com",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			store := p.profiles()
			prof, err := p.loginTarget(store)
			if err != nil {
				return err
			}
			key, err := p.readAPIKey(keyFile)
			if err != nil {
				return err
			}
			server, err := parseServerURL(prof.URL)
			if err != nil {
				return err
			}
			c, err := p.newClient(settings{url: server, caFile: prof.CAFile})
			if err != nil {
				return err
			}
			answer, err := c.requestToken(cmd.Context(), apiKeyGrant(key))
			if err != nil {
				return err
			}
			own, err := decodeClaims(answer.Access)
			if err != nil {
				return err
			}
			prof.keep(answer)
			prof.Who = firstOf(own.Subject, own.Name, own.IAMID)
			prof.Account = own.Account.ID
			prof.KMSInstance = firstOf(instance, prof.KMSInstance)
			if err := store.save(prof); err != nil {
				return err
			}
			if err := store.setCurrent(prof.name); err != nil {
				return err
			}
			return printOne(p, profileRecords([]*profile{prof}, prof.name)[0], profileColumns())
		},
	}
	cmd.Flags().StringVar(&keyFile, "api-key-file", "", "`FILE` with the API key, or - for standard input")
	cmd.Flags().StringVar(&instance, "instance", "", "Key Protect instance `ID` that key commands use by default")
	return cmd
}

// loginTarget returns the profile to log in to: new, or without the tokens it had.
func (p *program) loginTarget(store profileStore) (*profile, error) {
	current, err := store.current()
	if err != nil {
		return nil, err
	}
	name := firstOf(p.flags.profile, current, defaultProfile)
	old, err := store.load(name)
	if err != nil && codeOf(err) == exitUsage {
		return nil, err
	}
	if err != nil {
		old = &profile{} // new, damaged, or not to be trusted: made anew
	}
	address := firstOf(p.flags.url, p.getenv(envURL), old.URL)
	if p.flags.profile != "" {
		address = firstOf(p.flags.url, old.URL, p.getenv(envURL))
	}
	if address == "" {
		return nil, withHint(usageErrorf("no server is named"), "use --url or set STRONGROOM_URL")
	}
	server, err := parseServerURL(address)
	if err != nil {
		return nil, err
	}
	prof := &profile{name: name, URL: server.String()}
	caFile := firstOf(p.flags.caFile, p.getenv(envCAFile))
	if old.URL == prof.URL {
		caFile = firstOf(caFile, old.CAFile)
		prof.KMSInstance = old.KMSInstance
	}
	prof.KMSInstance = firstOf(p.getenv(envInstance), prof.KMSInstance)
	if caFile != "" {
		if prof.CAFile, err = filepath.Abs(caFile); err != nil {
			return nil, fmt.Errorf("locating the certificate authority: %w", err)
		}
	}
	return prof, nil
}

// readAPIKey reads an API key from where the caller wants it read.
func (p *program) readAPIKey(file string) (string, error) {
	if file != "" {
		return p.readSecretText(file)
	}
	if key := p.getenv(envAPIKey); key != "" {
		return key, nil
	}
	fd, ok := terminal(p.stdin)
	if !ok {
		return p.readSecretText(standard)
	}
	fmt.Fprint(p.stderr, "API key: ")
	key, err := term.ReadPassword(fd)
	fmt.Fprintln(p.stderr)
	if err != nil {
		return "", fmt.Errorf("reading the API key: %w", err)
	}
	if len(key) == 0 {
		return "", errors.New("no API key was given")
	}
	return string(key), nil
}

func newLogoutCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "logout",
		Short: "Forget the tokens of a profile",
		Long: "Forget the tokens of the current profile, or of the one named with --profile. The server and its\n" +
			"certificate authority stay in the profile for the next login.",
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			store := p.profiles()
			prof, err := store.choose(p.flags.profile)
			if err != nil {
				return err
			}
			if prof == nil {
				return p.done("not logged in")
			}
			prof.Access, prof.Refresh, prof.Ends = "", "", 0
			if err := store.save(prof); err != nil {
				return err
			}
			return p.done("logged out of %s (profile %s)", prof.URL, prof.name)
		},
	}
}
