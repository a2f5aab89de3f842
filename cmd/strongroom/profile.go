package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

func newProfileCommand(p *program) *cobra.Command {
	return newGroup("profile", "Servers you are logged in to", "",
		newProfileListCommand(p), newProfileUseCommand(p), newProfileDeleteCommand(p))
}

func newProfileListCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the profiles",
		Args:  arguments(),
		RunE: func(*cobra.Command, []string) error {
			profiles, err := p.profiles().list()
			if err != nil {
				return err
			}
			current, err := p.profiles().current()
			if err != nil {
				return err
			}
			return printList(p, profileRecords(profiles, current), profileColumns())
		},
	}
}

func newProfileUseCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "use NAME",
		Short: "Make a profile the one that is used when none is named",
		Args:  arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := p.profiles().load(args[0]); err != nil {
				return err
			}
			if err := p.profiles().setCurrent(args[0]); err != nil {
				return err
			}
			return p.done("profile %s is used from now on", args[0])
		},
	}
}

func newProfileDeleteCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "delete NAME",
		Short: "Forget a profile and its tokens",
		Args:  arguments("NAME"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := p.profiles().delete(args[0]); err != nil {
				return err
			}
			return p.done("profile %s is forgotten", args[0])
		},
	}
}

// shownProfile is a profile without its secrets.
type shownProfile struct {
	Name        string `json:"name"`
	Current     bool   `json:"current"`
	URL         string `json:"url"`
	CAFile      string `json:"ca_file,omitempty"`
	Who         string `json:"who"`
	Account     string `json:"account_id"`
	KMSInstance string `json:"kms_instance_id,omitempty"`
	LoggedIn    bool   `json:"logged_in"`
}

func profileRecords(profiles []*profile, current string) []record[shownProfile] {
	records := make([]record[shownProfile], len(profiles))
	for i, prof := range profiles {
		shown := shownProfile{
			Name: prof.name, Current: prof.name == current, URL: prof.URL, CAFile: prof.CAFile,
			Who: prof.Who, Account: prof.Account, KMSInstance: prof.KMSInstance, LoggedIn: prof.Refresh != "",
		}
		raw, err := json.Marshal(shown)
		if err != nil {
			panic(err) // strings and flags always encode
		}
		records[i] = record[shownProfile]{raw: raw, fields: shown}
	}
	return records
}

func profileColumns() []column[shownProfile] {
	return []column[shownProfile]{
		{"NAME", func(s shownProfile) string { return s.Name }},
		{"CURRENT", func(s shownProfile) string { return yes(s.Current) }},
		{"URL", func(s shownProfile) string { return s.URL }},
		{"WHO", func(s shownProfile) string { return s.Who }},
		{"ACCOUNT", func(s shownProfile) string { return s.Account }},
		{"LOGGED IN", func(s shownProfile) string { return yes(s.LoggedIn) }},
	}
}

// profile is what a login leaves behind for later commands. It holds tokens, which end, and never
// the API key, which may not.
type profile struct {
	name string // the name of its file

	URL         string `json:"url"`                       // normalized by parseServerURL
	CAFile      string `json:"ca_file,omitempty"`         // absolute path
	Who         string `json:"who"`                       // for people: e-mail address or name
	Account     string `json:"account_id"`                // account of the API key
	KMSInstance string `json:"kms_instance_id,omitempty"` // default of key commands
	Access      string `json:"access_token,omitempty"`
	Refresh     string `json:"refresh_token,omitempty"`
	Ends        int64  `json:"expiration,omitempty"` // end of the access token, Unix seconds
}

// keep puts newer tokens in place of those of p.
func (p *profile) keep(answer tokenAnswer) {
	p.Access, p.Ends = answer.Access, answer.Ends
	if answer.Refresh != "" {
		p.Refresh = answer.Refresh
	}
}

// profileStore is the folder of the profiles: a file NAME.json each, and "current" with the name of
// the one in use.
type profileStore struct {
	dir string // empty when the environment names no home
}

func (p *program) profiles() profileStore {
	config := p.getenv("XDG_CONFIG_HOME")
	if config == "" {
		home := p.getenv("HOME")
		if home == "" {
			return profileStore{}
		}
		config = filepath.Join(home, ".config")
	}
	return profileStore{dir: filepath.Join(config, "strongroom")}
}

const (
	currentFile   = "current"
	profileSuffix = ".json"
)

func (s profileStore) path(name string) (string, error) {
	if s.dir == "" {
		return "", withHint(errors.New("there is no folder for profiles"), "set HOME or XDG_CONFIG_HOME")
	}
	if !regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`).MatchString(name) {
		return "", usageErrorf("%q is no name for a profile: use letters, digits, dots, dashes and underscores", name)
	}
	return filepath.Join(s.dir, name+profileSuffix), nil
}

// choose returns the profile name or, when name is empty, the current one, which may be nil.
func (s profileStore) choose(name string) (*profile, error) {
	if name != "" {
		return s.load(name)
	}
	name, err := s.current()
	if err != nil || name == "" {
		return nil, err
	}
	return s.load(name)
}

// load reads the profile name. A file that others may read is refused: its tokens may be stolen.
func (s profileStore) load(name string) (*profile, error) {
	file, err := s.path(name)
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		known, _ := s.names()
		return nil, notFound("profile", name, known)
	}
	if err != nil {
		return nil, fmt.Errorf("reading profile %s: %w", name, err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, withHint(fmt.Errorf("profile %s can be read by others", name), "chmod 600 %s", file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("reading profile %s: %w", name, err)
	}
	prof := &profile{name: name}
	if err := json.Unmarshal(data, prof); err != nil {
		return nil, withHint(fmt.Errorf("profile %s is damaged", name), "log in again with \"strongroom login --profile %s\"", name)
	}
	return prof, nil
}

func (s profileStore) save(prof *profile) error {
	file, err := s.path(prof.name)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return fmt.Errorf("saving profile %s: %w", prof.name, err)
	}
	data, err := json.MarshalIndent(prof, "", "  ")
	if err != nil {
		return fmt.Errorf("saving profile %s: %w", prof.name, err)
	}
	if err := writePrivateFile(file, append(data, '\n')); err != nil {
		return fmt.Errorf("saving profile %s: %w", prof.name, err)
	}
	return nil
}

func (s profileStore) delete(name string) error {
	file, err := s.path(name)
	if err != nil {
		return err
	}
	if _, err := s.load(name); codeOf(err) == exitNotFound {
		return err
	}
	if err := os.Remove(file); err != nil {
		return fmt.Errorf("deleting profile %s: %w", name, err)
	}
	current, err := s.current()
	if err != nil || current != name {
		return err
	}
	if err := os.Remove(filepath.Join(s.dir, currentFile)); err != nil {
		return fmt.Errorf("deleting profile %s: %w", name, err)
	}
	return nil
}

// current returns the name of the profile in use, or "".
func (s profileStore) current() (string, error) {
	if s.dir == "" {
		return "", nil
	}
	data, err := os.ReadFile(filepath.Join(s.dir, currentFile))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the current profile: %w", err)
	}
	return strings.TrimSpace(string(data)), nil
}

func (s profileStore) setCurrent(name string) error {
	if err := writePrivateFile(filepath.Join(s.dir, currentFile), []byte(name+"\n")); err != nil {
		return fmt.Errorf("choosing profile %s: %w", name, err)
	}
	return nil
}

func (s profileStore) names() ([]string, error) {
	entries, err := os.ReadDir(s.dir)
	if errors.Is(err, fs.ErrNotExist) || s.dir == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing profiles: %w", err)
	}
	var names []string
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), profileSuffix); ok && !strings.HasPrefix(name, ".") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

func (s profileStore) list() ([]*profile, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	profiles := make([]*profile, 0, len(names))
	for _, name := range names {
		prof, err := s.load(name)
		if err != nil {
			return nil, err
		}
		profiles = append(profiles, prof)
	}
	return profiles, nil
}
