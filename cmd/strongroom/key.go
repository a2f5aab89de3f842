package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func newKeyCommand(p *program) *cobra.Command {
	var instance string
	group := newGroup("key", "Root keys and standard keys, and what is wrapped by them",
		"Root keys stay in the service and wrap data keys. Standard keys are secrets that can be read back.\n\n"+
			"A key is named by its ID, an alias, or a name that only one key of the instance has.",
		newKeyCreateCommand(p, &instance), newKeyImportCommand(p, &instance),
		newImportTokenCommand(p, &instance), newKeyPrepareCommand(p),
		newKeyListCommand(p, &instance), newKeyShowCommand(p, &instance),
		newKeyRotateCommand(p, &instance), newKeyVersionsCommand(p, &instance),
		newKeyWrapCommand(p, &instance), newKeyUnwrapCommand(p, &instance), newKeyRewrapCommand(p, &instance),
		newKeyDeleteCommand(p, &instance), newKeyAliasCommand(p, &instance), newKeyPolicyCommand(p, &instance),
		newKeyBatchCommand(p, &instance))
	group.AddCommand(newKeyLifecycleCommands(p, &instance)...)
	instanceFlag(group, &instance)
	return group
}

const keyCollection = "/api/v2/keys"

// keyType is the media type of a key, which Key Protect wants in every body.
const keyType = "application/vnd.ibm.kms.key+json"

// maxPayload is the most bytes of material or plaintext that Key Protect takes.
const maxPayload = 7500

// keyInfo is a key as this program shows it.
type keyInfo struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Aliases     []string `json:"aliases"`
	Description string   `json:"description"`
	Tags        []string `json:"tags"`
	State       int      `json:"state"`
	Extractable bool     `json:"extractable"`
	Imported    bool     `json:"imported"`
	CheckValue  string   `json:"checkValue"`
	Ring        string   `json:"keyRingID"`
	CRN         string   `json:"crn"`
	Created     string   `json:"creationDate"`
	CreatedBy   string   `json:"createdBy"`
	Updated     string   `json:"lastUpdateDate"`
	Rotated     string   `json:"lastRotateDate"`
	Expires     string   `json:"expirationDate"`
	Deleted     string   `json:"deletionDate"`
	Version     struct {
		ID string `json:"id"`
	} `json:"keyVersion"`
	Payload []byte `json:"payload"`
}

func (k keyInfo) refs() (id, name string) { return k.ID, k.Name }

func (k keyInfo) kind() string {
	if k.Extractable {
		return "standard"
	}
	return "root"
}

// keyStates are the names of the states, by their numbers on the wire; 4 does not exist.
func keyStates() map[int]string {
	return map[int]string{0: "preactive", 1: "active", 2: "suspended", 3: "deactivated", 5: "destroyed"}
}

func keyStateName(state int) string {
	if name, ok := keyStates()[state]; ok {
		return name
	}
	return strconv.Itoa(state)
}

// parseKeyStates turns names into the numbers of a query.
func parseKeyStates(names []string) (string, error) {
	var numbers, known []string
	for number, name := range keyStates() {
		known = append(known, name)
		for _, wanted := range names {
			if wanted == name {
				numbers = append(numbers, strconv.Itoa(number))
			}
		}
	}
	if len(numbers) != len(names) {
		return "", usageErrorf("--state takes each at most once of: %s", strings.Join(sorted(known), ", "))
	}
	return strings.Join(sorted(numbers), ","), nil
}

func keyColumns() []column[keyInfo] {
	return []column[keyInfo]{
		{"ID", func(k keyInfo) string { return k.ID }},
		{"NAME", func(k keyInfo) string { return k.Name }},
		{"TYPE", keyInfo.kind},
		{"STATE", func(k keyInfo) string { return keyStateName(k.State) }},
		{"RING", func(k keyInfo) string { return k.Ring }},
		{"CREATED", func(k keyInfo) string { return shortTime(k.Created) }},
		{"ROTATED", func(k keyInfo) string { return shortTime(k.Rotated) }},
	}
}

func keyDetails() []column[keyInfo] {
	return append(keyColumns(),
		column[keyInfo]{"ALIASES", func(k keyInfo) string { return strings.Join(k.Aliases, ", ") }},
		column[keyInfo]{"DESCRIPTION", func(k keyInfo) string { return k.Description }},
		column[keyInfo]{"TAGS", func(k keyInfo) string { return strings.Join(k.Tags, ", ") }},
		column[keyInfo]{"IMPORTED", func(k keyInfo) string { return yes(k.Imported) }},
		column[keyInfo]{"CHECK VALUE", func(k keyInfo) string { return k.CheckValue }},
		column[keyInfo]{"VERSION", func(k keyInfo) string { return k.Version.ID }},
		column[keyInfo]{"CREATED BY", func(k keyInfo) string { return k.CreatedBy }},
		column[keyInfo]{"UPDATED", func(k keyInfo) string { return shortTime(k.Updated) }},
		column[keyInfo]{"EXPIRES", func(k keyInfo) string { return shortTime(k.Expires) }},
		column[keyInfo]{"DELETED", func(k keyInfo) string { return shortTime(k.Deleted) }},
		column[keyInfo]{"CRN", func(k keyInfo) string { return k.CRN }},
	)
}

// keyService is Key Protect, as one instance of it.
type keyService struct {
	*connection
	instance string // GUID
	ring     string // restricts every request to a key ring, unless empty
}

// keyService connects to the instance that is named, else to the default.
func (p *program) keyService(ctx context.Context, instance string) (*keyService, error) {
	c, err := p.connect()
	if err != nil {
		return nil, err
	}
	guid, err := keyInstance(ctx, c, firstOf(instance, c.settings.instance))
	if err != nil {
		return nil, err
	}
	return &keyService{connection: c, instance: guid}, nil
}

// call sends a request of Key Protect.
func (s *keyService) call(ctx context.Context, r request, answer any) error {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Set("Bluemix-Instance", s.instance)
	if s.ring != "" {
		r.header.Set("X-Kms-Key-Ring", s.ring)
	}
	return s.do(ctx, r, answer)
}

// act performs an action on a key.
func (s *keyService) act(ctx context.Context, id, action string, body, answer any) error {
	return s.call(ctx, request{method: http.MethodPost, path: path(keyCollection, id, "actions", action), body: body}, answer)
}

// page reads one page of a key collection.
func (s *keyService) page(ctx context.Context, path string, query url.Values) ([]record[keyInfo], error) {
	return onePage[keyInfo](ctx, s, path, query)
}

func onePage[T any](ctx context.Context, s *keyService, path string, query url.Values) ([]record[T], error) {
	var answer collection[T]
	err := s.call(ctx, request{method: http.MethodGet, path: path, query: query}, &answer)
	return answer.Resources, err
}

// keyPage is how many things are asked for at once when all are wanted.
const keyPage = 1000

// all reads every key that query selects, from offset on.
func (s *keyService) all(ctx context.Context, query url.Values, offset int) ([]record[keyInfo], error) {
	return pagesFrom[keyInfo](ctx, s, keyCollection, query, offset)
}

// listPages reads a collection of Key Protect to its end.
func listPages[T any](ctx context.Context, s *keyService, path string, query url.Values) ([]record[T], error) {
	return pagesFrom[T](ctx, s, path, query, 0)
}

func pagesFrom[T any](ctx context.Context, s *keyService, path string, query url.Values, offset int) ([]record[T], error) {
	var all []record[T]
	for {
		query.Set("limit", strconv.Itoa(keyPage))
		query.Set("offset", strconv.Itoa(offset+len(all)))
		page, err := onePage[T](ctx, s, path, query)
		if err != nil {
			return nil, err
		}
		all = append(all, page...)
		if len(page) < keyPage {
			return all, nil
		}
	}
}

// find returns the ID of the key that ref names. The server knows IDs and aliases; names are looked
// for among the keys, as they need not be unique.
func (s *keyService) find(ctx context.Context, ref string) (string, error) {
	if isUUID(ref) {
		return ref, nil
	}
	if isAlias(ref) {
		key, err := s.metadata(ctx, ref)
		if err == nil {
			return key.fields.ID, nil
		}
		var refused *apiError
		if !errors.As(err, &refused) || refused.status != http.StatusNotFound && refused.status != http.StatusUnauthorized {
			return "", err
		}
	}
	keys, err := s.all(ctx, url.Values{"state": {"0,1,2,3,5"}}, 0)
	if err != nil {
		return "", err
	}
	key, err := find("key", ref, liveFirst(ref, keys))
	return key.fields.ID, err
}

// liveFirst leaves deleted keys out when a key that is not deleted has the name too.
func liveFirst(name string, keys []record[keyInfo]) []record[keyInfo] {
	var live []record[keyInfo]
	named := false
	for _, key := range keys {
		if key.fields.Deleted == "" && keyStateName(key.fields.State) != "destroyed" {
			live = append(live, key)
			named = named || key.fields.Name == name
		}
	}
	if named {
		return live
	}
	return keys
}

// isAlias tells whether s may be an alias, which the server resolves.
func isAlias(s string) bool {
	return regexp.MustCompile(`^[A-Za-z0-9_-]{2,90}$`).MatchString(s)
}

// metadata returns a key without material.
func (s *keyService) metadata(ctx context.Context, id string) (record[keyInfo], error) {
	var answer collection[keyInfo]
	err := s.call(ctx, request{method: http.MethodGet, path: path(keyCollection, id, "metadata")}, &answer)
	if err != nil {
		return record[keyInfo]{}, err
	}
	return answer.only()
}

// newKey is the body of a new key.
type newKey struct {
	Type        string   `json:"type"`
	Name        string   `json:"name"`
	Aliases     []string `json:"aliases,omitempty"`
	Description string   `json:"description,omitempty"`
	Tags        []string `json:"tags,omitempty"`
	Expires     string   `json:"expirationDate,omitempty"`
	Extractable bool     `json:"extractable"`
	broughtMaterial

	// Policies of its own.
	Rotation map[string]any `json:"rotation,omitempty"`
	DualAuth *switchInfo    `json:"dualAuthDelete,omitempty"`
}

// keyFlags are what create and import share.
type keyFlags struct {
	key     newKey
	expires string
	ring    string
	rotate  rotationFlags // of create alone
	dual    bool
	check   string // value that the server must show of the material; empty for any
}

func (f *keyFlags) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&f.key.Extractable, "standard", false, "make a standard key, whose material can be read back")
	flags.StringVar(&f.key.Description, "description", "", "what the key is for")
	flags.StringArrayVar(&f.key.Tags, "tag", nil, "tag; may be given several times")
	flags.StringArrayVar(&f.key.Aliases, "alias", nil, "other name of the key, unique in the instance; may be given several times")
	flags.StringVar(&f.expires, "expires", "", "`TIME` at which the key is deactivated, or from now on such as 720h")
	flags.StringVar(&f.ring, "ring", "", "key ring to put the key into (default: the instance's default ring)")
	flags.BoolVar(&f.dual, "dual-auth", false, "two people must agree on the deletion of the key")
}

// ownPolicies is part of the help of commands whose flags give a key policies of its own.
const ownPolicies = "A key has the policies that the instance has for new keys. With a flag for a policy it has those\n" +
	"that are named, and none of the instance's."

// policies puts the policies that are named into a new key, and returns the path to make it at.
func (f *keyFlags) policies(cmd *cobra.Command, key *newKey) (path string, err error) {
	dual := cmd.Flags().Changed("dual-auth")
	if dual {
		key.DualAuth = &switchInfo{Enabled: f.dual}
	}
	if !f.rotate.off {
		if key.Rotation, err = f.rotate.policy(); err != nil {
			return "", err
		}
	}
	if dual || f.rotate.off || key.Rotation != nil {
		return "/api/v2/keys_with_policy_overrides", nil
	}
	return keyCollection, nil
}

func (f *keyFlags) create(cmd *cobra.Command, p *program, instance, name string) error {
	body := f.key
	body.Type, body.Name = keyType, name
	if f.expires != "" {
		at, err := p.futureTime("--expires", f.expires)
		if err != nil {
			return err
		}
		body.Expires = at
	}
	path, err := f.policies(cmd, &body)
	if err != nil {
		return err
	}
	s, err := p.keyService(cmd.Context(), instance)
	if err != nil {
		return err
	}
	s.ring = f.ring
	var answer collection[keyInfo]
	err = s.call(cmd.Context(), request{
		method: http.MethodPost,
		path:   path,
		body: map[string]any{
			"metadata":  map[string]any{"collectionType": keyType, "collectionTotal": 1},
			"resources": []newKey{body},
		},
	}, &answer)
	if err != nil {
		return fmt.Errorf("creating key %q: %w", name, err)
	}
	made, err := answer.only()
	if err == nil {
		err = checkImported(f.check, made.fields.CheckValue)
	}
	if err != nil {
		return err
	}
	return printOne(p, made, keyDetails())
}

func newKeyCreateCommand(p *program, instance *string) *cobra.Command {
	var flags keyFlags
	cmd := &cobra.Command{
		Use:   "create NAME",
		Short: "Make a key",
		Long:  "Make a root key or, with --standard, a standard key, from random material.\n\n" + ownPolicies,
		Example: "  strongroom key create payments\n" +
			"  strongroom key create payments --rotate-every 14d --dual-auth\n" +
			"  strongroom key create session-secret --standard --alias session --expires 2160h",
		Args: arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return flags.create(cmd, p, *instance, args[0])
		},
	}
	flags.register(cmd)
	flags.rotate.register(cmd)
	return cmd
}

func newKeyImportCommand(p *program, instance *string) *cobra.Command {
	var (
		flags    keyFlags
		material materialFlags
	)
	cmd := &cobra.Command{
		Use:   "import NAME --material-file FILE",
		Short: "Make a key from material of your own",
		Long: "Make a key from material of your own. The file holds the bytes themselves: 16, 24 or 32 of them\n" +
			"for a root key, at most 7,500 for a standard key.\n\n" +
			"With --secure the material of a root key is encrypted here, to a key that only the server's crypto\n" +
			"module can use. For material that must not come to this machine see \"strongroom key prepare\".",
		Example: "  head -c 32 /dev/urandom | strongroom key import payments --secure --material-file -",
		Args:    arguments("NAME"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			flags.key.broughtMaterial, flags.check, err = material.read(cmd, p, *instance, flags.key.Extractable)
			if err != nil {
				return err
			}
			return flags.create(cmd, p, *instance, args[0])
		},
	}
	flags.register(cmd)
	material.register(cmd, "the material")
	return cmd
}

// readMaterial reads the material of a key, and says what is wrong with its size before it is sent.
func (p *program) readMaterial(file string, extractable bool) ([]byte, error) {
	if file == "" {
		return nil, withHint(usageErrorf("--material-file is required"), "name the file that holds the material, or - for standard input")
	}
	material, err := p.readSecret(file)
	if err != nil {
		return nil, err
	}
	size := len(material)
	switch {
	case extractable && (size == 0 || size > maxPayload):
		return nil, fmt.Errorf("the material has %d bytes: a standard key has 1 to %d", size, maxPayload)
	case !extractable && size != 16 && size != 24 && size != 32:
		err := fmt.Errorf("the material has %d bytes: a root key has 16, 24 or 32", size)
		if decoded, ok := decodeBase64(material); ok && (len(decoded) == 16 || len(decoded) == 24 || len(decoded) == 32) {
			return nil, withHint(err, "the file holds base64: decode it first, with \"base64 -d\"")
		}
		return nil, err
	}
	return material, nil
}

func decodeBase64(text []byte) ([]byte, bool) {
	decoded, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	return decoded, err == nil
}

func newKeyListCommand(p *program, instance *string) *cobra.Command {
	var (
		states               []string
		ring                 string
		search, filter, sort string
		limit, offset        int
		all                  bool
	)
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List keys",
		Long: "List the keys that you may see; deleted ones only with --state destroyed.\n\n" +
			"Search, filter and sort are those of the Key Protect API: --search finds a text in names, IDs and\n" +
			"aliases, --filter 'expirationDate=lt:\"2027-01-01T00:00:00Z\" extractable=false' compares, and --sort\n" +
			"takes properties such as creationDate, or -creationDate for the newest first.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			const most = 5000
			if limit < 1 || limit > most || offset < 0 {
				return usageErrorf("--limit must be between 1 and %d, and --offset not negative", most)
			}
			query := url.Values{}
			if len(states) > 0 {
				numbers, err := parseKeyStates(states)
				if err != nil {
					return err
				}
				query.Set("state", numbers)
			}
			for name, value := range map[string]string{"search": search, "filter": filter, "sort": sort} {
				if value != "" {
					query.Set(name, value)
				}
			}
			s, err := p.keyService(cmd.Context(), *instance)
			if err != nil {
				return err
			}
			s.ring = ring
			var keys []record[keyInfo]
			if all {
				keys, err = s.all(cmd.Context(), query, offset)
			} else {
				query.Set("limit", strconv.Itoa(limit))
				query.Set("offset", strconv.Itoa(offset))
				keys, err = s.page(cmd.Context(), keyCollection, query)
			}
			if err != nil {
				return fmt.Errorf("listing keys: %w", err)
			}
			if err := printList(p, keys, keyColumns()); err != nil {
				return err
			}
			if !all && len(keys) == limit {
				fmt.Fprintf(p.stderr, "there may be more: --offset %d shows the next, --all shows all\n", offset+limit)
			}
			return nil
		},
	}
	flags := cmd.Flags()
	flags.StringSliceVar(&states, "state", nil, "only keys in these `STATES`: preactive, active, suspended, deactivated, destroyed")
	flags.StringVar(&ring, "ring", "", "only keys of this key ring")
	flags.StringVar(&search, "search", "", "only keys in which this `TEXT` is found")
	flags.StringVar(&filter, "filter", "", "only keys for which this `CONDITION` holds")
	flags.StringVar(&sort, "sort", "", "`PROPERTIES` to sort by, separated by commas")
	flags.IntVar(&limit, "limit", 200, "most keys to show")
	flags.IntVar(&offset, "offset", 0, "how many keys to skip")
	flags.BoolVar(&all, "all", false, "show all keys")
	cmd.MarkFlagsMutuallyExclusive("all", "limit")
	oneOf(cmd, "state", "preactive", "active", "suspended", "deactivated", "destroyed")
	return cmd
}

func newKeyShowCommand(p *program, instance *string) *cobra.Command {
	var materialOut string
	cmd := &cobra.Command{
		Use:   "show KEY",
		Short: "Show a key",
		Long: "Show what is known of a key. Of a standard key, --material-out reads the material too and writes\n" +
			"it as it is, to a file that only you can read; nobody can read that of a root key.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			if materialOut != "" {
				return s.readMaterialTo(cmd.Context(), p, id, materialOut)
			}
			key, err := s.metadata(cmd.Context(), id)
			if err != nil {
				return fmt.Errorf("reading key %s: %w", args[0], err)
			}
			return printOne(p, key, keyDetails())
		},
	}
	cmd.Flags().StringVar(&materialOut, "material-out", "", "`FILE` for the material of a standard key, or - for standard output")
	return cmd
}

func (s *keyService) readMaterialTo(ctx context.Context, p *program, id, out string) error {
	file, err := p.createSecret(out)
	if err != nil {
		return err
	}
	defer file.discard()
	var answer collection[keyInfo]
	if err := s.call(ctx, request{method: http.MethodGet, path: path(keyCollection, id)}, &answer); err != nil {
		return fmt.Errorf("reading key %s: %w", id, err)
	}
	key, err := answer.only()
	if err != nil {
		return err
	}
	if len(key.fields.Payload) == 0 {
		return &failure{exit: exitConflict, err: fmt.Errorf("key %s is a %s key and %s: its material cannot be read",
			id, key.fields.kind(), keyStateName(key.fields.State))}
	}
	return file.writeSecret(key.fields.Payload)
}

// key connects to an instance and finds a key of it.
func (p *program) key(ctx context.Context, instance, ref string) (*keyService, string, error) {
	s, err := p.keyService(ctx, instance)
	if err != nil {
		return nil, "", err
	}
	id, err := s.find(ctx, ref)
	return s, id, err
}

func newKeyRotateCommand(p *program, instance *string) *cobra.Command {
	var material materialFlags
	cmd := &cobra.Command{
		Use:   "rotate KEY",
		Short: "Give a root key a new version",
		Long: "Give a root key a new version. What older versions wrapped still opens; \"strongroom key rewrap\"\n" +
			"moves it to the newest. An imported key needs new material.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var (
				body  broughtMaterial
				check string
				err   error
			)
			if material.given() {
				if body, check, err = material.read(cmd, p, *instance, false); err != nil {
					return err
				}
			}
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			if err := s.act(cmd.Context(), id, "rotate", body, nil); err != nil {
				return fmt.Errorf("rotating key %s: %w", args[0], err)
			}
			if check != "" {
				k, err := s.metadata(cmd.Context(), id)
				if err == nil {
					err = checkImported(check, k.fields.CheckValue)
				}
				if err != nil {
					return err
				}
			}
			return p.done("key %s is rotated", id)
		},
	}
	material.register(cmd, "the new material of an imported key")
	return cmd
}

// keyVersion is one generation of a root key.
type keyVersion struct {
	ID      string `json:"id"`
	Created string `json:"creationDate"`
}

func newKeyVersionsCommand(p *program, instance *string) *cobra.Command {
	return &cobra.Command{
		Use:   "versions KEY",
		Short: "List the versions of a root key, newest first",
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			var answer collection[keyVersion]
			err = s.call(cmd.Context(), request{
				method: http.MethodGet,
				path:   path(keyCollection, id, "versions"),
				query:  url.Values{"allKeyStates": {"true"}, "limit": {"5000"}},
			}, &answer)
			if err != nil {
				return fmt.Errorf("listing versions of key %s: %w", args[0], err)
			}
			return printList(p, answer.Resources, []column[keyVersion]{
				{"ID", func(v keyVersion) string { return v.ID }},
				{"CREATED", func(v keyVersion) string { return shortTime(v.Created) }},
			})
		},
	}
}

func newKeyDeleteCommand(p *program, instance *string) *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "delete KEY",
		Short: "Delete a key",
		Long: "Delete a key. It can be restored for 30 days; until then nothing that it wrapped can be opened.\n" +
			"With --force, also when it protects resources.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			r := request{
				method: http.MethodDelete,
				path:   path(keyCollection, id),
				header: http.Header{"Prefer": {"return=representation"}},
			}
			if force {
				r.query = url.Values{"force": {"true"}}
			}
			var answer collection[keyInfo]
			if err := s.call(cmd.Context(), r, &answer); err != nil {
				return fmt.Errorf("deleting key %s: %w", args[0], err)
			}
			if p.flags.output == outputJSON && len(answer.Resources) == 1 {
				return p.printJSON(answer.Resources[0])
			}
			return p.done("key %s is deleted", id)
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "delete it although it protects resources")
	return cmd
}
