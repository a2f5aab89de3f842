package main

import (
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
)

// The environment variables that the client commands read.
const (
	envURL      = "STRONGROOM_URL"
	envAPIKey   = "STRONGROOM_API_KEY"
	envCAFile   = "STRONGROOM_CA_FILE"
	envInstance = "STRONGROOM_KMS_INSTANCE_ID"
	envAccount  = "STRONGROOM_ACCOUNT_ID"
	envRegion   = "STRONGROOM_REGION"
)

// defaultTimeout is how long a request may take when --timeout does not say.
const defaultTimeout = 30 * time.Second

func newEnvironmentTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "environment",
		Short: "How a command finds its server and who you are",
		Long: `A flag wins over the environment, and the environment over the profile that "strongroom login" wrote.

  STRONGROOM_URL              address of the server's control interface, https://host:port
  STRONGROOM_API_KEY          the API key to act with
  STRONGROOM_CA_FILE          PEM file with a certificate authority to trust beside the system's
  STRONGROOM_KMS_INSTANCE_ID  the Key Protect instance of key commands without --instance
  STRONGROOM_ACCOUNT_ID       the account, instead of the one of the API key
  STRONGROOM_REGION           the region of new instances without --region

A server's data folder holds credentials.env with all of these for its administrator:

  set -a; . DIR/credentials.env; set +a

A profile named with --profile counts as given by a flag: it brings its address, its tokens and its
defaults, and the environment is not looked at. Without --profile, the tokens of the current profile
are used only for the address that they came from. Profiles are kept in $XDG_CONFIG_HOME/strongroom
(~/.config/strongroom), readable by their owner alone; the API key is not among what is kept.`,
	}
}

// globalFlags are the flags of every command.
type globalFlags struct {
	url     string
	caFile  string
	profile string
	output  string
	timeout time.Duration
}

func (f *globalFlags) register(root *cobra.Command) {
	flags := root.PersistentFlags()
	flags.StringVar(&f.url, "url", "", "address of the server")
	flags.StringVar(&f.caFile, "ca-file", "", "PEM `FILE` with a certificate authority to trust")
	flags.StringVar(&f.profile, "profile", "", "`NAME` of the profile to use")
	flags.StringVarP(&f.output, "output", "o", outputTable, "output for people or for programs: table or json")
	flags.DurationVar(&f.timeout, "timeout", defaultTimeout, "longest time to wait for an answer")
	oneOf(root, "output", outputTable, outputJSON)
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if f.output != outputTable && f.output != outputJSON {
			return fmt.Errorf("--output is %q: it can be table or json", f.output)
		}
		if f.timeout <= 0 {
			return errors.New("--timeout must be longer than nothing")
		}
		return nil
	}
}

// settings is what a client command runs with, after flags, environment and profile are weighed.
type settings struct {
	url      *url.URL
	caFile   string
	apiKey   string   // from the environment; empty when the profile's tokens are to be used
	profile  *profile // the profile that belongs to url, or nil
	instance string   // default Key Protect instance; may be empty
	account  string   // may be empty: then it is the token's
	region   string   // may be empty
}

// settings weighs what was given. It fails when no server is named; credentials may be missing.
func (p *program) settings() (settings, error) {
	env := p.getenv
	if p.flags.profile != "" {
		env = func(string) string { return "" }
	}
	prof, err := p.profiles().choose(p.flags.profile)
	if err != nil {
		return settings{}, err
	}
	address := firstOf(p.flags.url, env(envURL))
	if address == "" && prof != nil {
		address = prof.URL
	}
	if address == "" {
		return settings{}, &failure{
			exit: exitUsage,
			hint: "set STRONGROOM_URL, use --url, or log in once with \"strongroom login --url URL\"",
			err:  errors.New("no server is named"),
		}
	}
	server, err := parseServerURL(address)
	if err != nil {
		return settings{}, err
	}
	if prof != nil && prof.URL != server.String() {
		if p.flags.profile != "" {
			return settings{}, usageErrorf("profile %q is for %s, not for %s", prof.name, prof.URL, server)
		}
		prof = nil
	}
	s := settings{
		url:      server,
		caFile:   firstOf(p.flags.caFile, env(envCAFile)),
		apiKey:   env(envAPIKey),
		profile:  prof,
		instance: env(envInstance),
		account:  env(envAccount),
		region:   env(envRegion),
	}
	if prof != nil {
		s.caFile = firstOf(s.caFile, prof.CAFile)
		s.instance = firstOf(s.instance, prof.KMSInstance)
		s.account = firstOf(s.account, prof.Account)
	}
	return s, nil
}

// parseServerURL accepts only https: every request carries a secret.
func parseServerURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" {
		return nil, usageErrorf("the server's address %q is not a URL such as https://127.0.0.1:8443", s)
	}
	if u.Scheme != "https" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, usageErrorf("the server's address must be https://host:port and nothing more")
	}
	return u.JoinPath(), nil
}

// connect returns a client for the caller that the settings name.
func (p *program) connect() (*connection, error) {
	s, err := p.settings()
	if err != nil {
		return nil, err
	}
	c, err := p.newClient(s)
	if err != nil {
		return nil, err
	}
	switch {
	case s.apiKey != "":
		c.tokens = &apiKeyTokens{client: c, key: s.apiKey}
	case s.profile != nil && s.profile.Refresh != "":
		c.tokens = &profileTokens{client: c, profile: s.profile, store: p.profiles(), now: p.now}
	default:
		return nil, &failure{
			exit: exitRefused,
			hint: "set STRONGROOM_API_KEY, or log in with \"strongroom login\"",
			err:  fmt.Errorf("not logged in to %s", s.url),
		}
	}
	return &connection{client: c, settings: s}, nil
}

func (p *program) newClient(s settings) (*client, error) {
	httpClient, err := newHTTPClient(s.caFile, p.flags.timeout)
	if err != nil {
		return nil, err
	}
	return &client{base: s.url, http: httpClient, timeout: p.flags.timeout}, nil
}
