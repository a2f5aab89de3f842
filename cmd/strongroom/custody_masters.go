package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

const custodyRoot = "/strongroom/v1/custody"

// custodyStatus is the state of the masters as this program shows it.
type custodyStatus struct {
	Modules []struct {
		Name       string   `json:"name"`
		Kind       string   `json:"kind"`
		Protection string   `json:"protection"`
		Unknown    []uint32 `json:"unknown_generations"`
		Failure    string   `json:"failure"`
	} `json:"modules"`
	Generations []masterGeneration `json:"generations"`
	Moved       uint64             `json:"moved"`
	Failure     string             `json:"move_failure"`
	Due         string             `json:"rotation_due_at"`
}

// masterGeneration is a generation of masters as this program shows it.
type masterGeneration struct {
	Number   uint32 `json:"generation"`
	Module   string `json:"module"`
	State    string `json:"state"`
	Held     bool   `json:"held"`
	Recovery *struct {
		Set       string `json:"set"`
		Threshold int    `json:"threshold"`
		Shares    int    `json:"shares"`
	} `json:"recovery"`
	Created string `json:"created_at"`
	Left    struct {
		InstanceKeys int `json:"instance_keys"`
		Versions     int `json:"versions"`
		ImportTokens int `json:"import_tokens"`
	} `json:"left"`
}

func (g masterGeneration) recovery() string {
	if g.Recovery == nil {
		return "none"
	}
	return fmt.Sprintf("%d of %d, set %s", g.Recovery.Threshold, g.Recovery.Shares, g.Recovery.Set)
}

func newCustodyStatusCommand(p *program) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show the modules, the generations of masters, and what still needs each",
		Long: "Show the crypto modules and the generations of masters, with what still needs each: while keys move\n" +
			"to newer masters, the numbers of the older ones go down. For the operator of the server.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := p.connect()
			if err != nil {
				return err
			}
			var st record[custodyStatus]
			if err := c.get(cmd.Context(), custodyRoot, nil, &st); err != nil {
				return fmt.Errorf("reading the state of the masters: %w", err)
			}
			if p.flags.output == outputJSON {
				return p.printJSON(st)
			}
			return p.printCustody(st.fields)
		},
	}
}

func (p *program) printCustody(st custodyStatus) error {
	var modules, generations [][]string
	for _, m := range st.Modules {
		modules = append(modules, []string{printable(m.Name), printable(m.Kind), printable(m.Protection), printable(firstOf(m.Failure, "ok"))})
	}
	if err := p.printTable([]string{"MODULE", "KIND", "PROTECTION", "HEALTH"}, modules); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	for _, g := range st.Generations {
		generations = append(generations, []string{
			strconv.FormatUint(uint64(g.Number), 10), printable(g.State), printable(g.Module), printable(g.recovery()),
			shortTime(g.Created), strconv.Itoa(g.Left.InstanceKeys), strconv.Itoa(g.Left.Versions), strconv.Itoa(g.Left.ImportTokens),
		})
	}
	err := p.printTable([]string{"GENERATION", "STATE", "MODULE", "RECOVERY", "MADE", "INSTANCE KEYS", "VERSIONS", "IMPORT TOKENS"}, generations)
	if err != nil {
		return err
	}
	if st.Due != "" {
		fmt.Fprintf(p.stderr, "the next rotation is due on %s\n", shortTime(st.Due))
	}
	for _, m := range st.Modules {
		if len(m.Unknown) > 0 {
			fmt.Fprintf(p.stderr, "module %s holds generations that the database does not know: %v\n", printable(m.Name), m.Unknown)
		}
	}
	if st.Failure != "" {
		fmt.Fprintf(p.stderr, "keys could not be moved: %s\n", printable(st.Failure))
	}
	return nil
}

func newCustodyRotateCommand(p *program) *cobra.Command {
	var flags serverFlags
	var shares shareFlags
	var module string
	cmd := &cobra.Command{
		Use:   "rotate [--data DIR (--shares N --threshold M | --recovery=none) [--module NAME]]",
		Short: "Make new masters, and move all keys to them",
		Long: "Make a new generation of masters in the module of the current one, with the same recovery key. The\n" +
			"server moves all keys to it while it serves; \"custody status\" shows how far it is.\n\n" +
			"With --data, on the server's own machine and while the server is stopped, the new masters get a\n" +
			"new recovery key, whose shares are printed once, or none; with --module they are made in another\n" +
			"module. That is also how a deployment gets a recovery key that was started without one.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if flags.data == "" {
				if shares.given() || module != "" {
					return usageErrorf("new shares and another module need --data: they are for the server's own machine")
				}
				return p.succeed(cmd, "rotations", struct{}{})
			}
			return p.rotateOffline(cmd.Context(), &flags, module, &shares)
		},
	}
	flags.register(cmd)
	shares.register(cmd)
	cmd.Flags().StringVar(&module, "module", "", "`name` of the module for the new masters (default that of the current ones)")
	return cmd
}

func newCustodyMigrateCommand(p *program) *cobra.Command {
	var without bool
	cmd := &cobra.Command{
		Use:   "migrate MODULE",
		Short: "Make new masters in another module, and move all keys there",
		Long: "Make new masters in another crypto module, which the configuration of the server names, and move all\n" +
			"keys there while the server serves.\n\n" +
			"A recovery key cannot leave the module it is in. To have one in the new module too, use \"custody\n" +
			"rotate --data DIR --module MODULE --shares N --threshold M\" instead.",
		Args: arguments("MODULE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return p.succeed(cmd, "migrations", map[string]any{"module": args[0], "without_recovery": without})
		},
	}
	cmd.Flags().BoolVar(&without, "without-recovery", false, "the new masters shall have no recovery key, although the old ones have")
	return cmd
}

// succeed asks for masters that succeed the current ones.
func (p *program) succeed(cmd *cobra.Command, how string, body any) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	var g record[masterGeneration]
	if err := c.do(cmd.Context(), request{method: http.MethodPost, path: path(custodyRoot, how), body: body}, &g); err != nil {
		return fmt.Errorf("making masters: %w", err)
	}
	if p.flags.output == outputJSON {
		return p.printJSON(g)
	}
	return p.done("generation %d in module %s is in use; keys move to it in the background", g.fields.Number, g.fields.Module)
}

func newCustodyRetireCommand(p *program) *cobra.Command {
	var set, seal string
	cmd := &cobra.Command{
		Use:   "retire (GENERATION | --shares-destroyed SET | --seal-destroyed MODULE)",
		Short: "Destroy masters that nothing needs any more",
		Long: "Destroy the masters of a generation of which nothing is left. Copies of the database from before do\n" +
			"not open any more, but by recovery shares; what was purged before is shredded when these are destroyed\n" +
			"too. It cannot be undone. Masters in software are in backups as well, and in copies of the data\n" +
			"folder: those open as long as their key file or passphrase is known.\n\n" +
			"Shares are destroyed by their holders. With --shares-destroyed you say that this was done for all\n" +
			"shares of a set that no masters in use have; the database forgets what they could open. With\n" +
			"--seal-destroyed you say the same of every key file and passphrase that has sealed the masters of a\n" +
			"module in software, after all of them have been left and retired.",
		Args: func(cmd *cobra.Command, args []string) error {
			if set != "" || seal != "" {
				return arguments()(cmd, args)
			}
			return arguments("GENERATION")(cmd, args)
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			var body map[string]any
			var what string
			switch {
			case set != "":
				body, what = map[string]any{"recovery_set": set}, "the shares of set "+set+" are noted as destroyed"
			case seal != "":
				body, what = map[string]any{"seal_of": seal}, "what sealed module "+seal+" is noted as destroyed"
			default:
				n, err := strconv.ParseUint(args[0], 10, 32)
				if err != nil || n == 0 {
					return usageErrorf("%q is no generation", args[0])
				}
				body, what = map[string]any{"generation": n}, fmt.Sprintf("generation %d is retired, its masters are destroyed", n)
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			err = c.do(cmd.Context(), request{method: http.MethodPost, path: path(custodyRoot, "retirements"), body: body}, nil)
			if err != nil {
				return fmt.Errorf("retiring: %w", err)
			}
			return p.done("%s", what)
		},
	}
	cmd.Flags().StringVar(&set, "shares-destroyed", "", "say that all shares of this recovery `set` were destroyed")
	cmd.Flags().StringVar(&seal, "seal-destroyed", "", "say that all that has sealed this `module` in software was destroyed")
	cmd.MarkFlagsMutuallyExclusive("shares-destroyed", "seal-destroyed")
	return cmd
}

// purgedKey is something that was purged as this program shows it.
type purgedKey struct {
	Instance   string   `json:"instance"`
	Key        string   `json:"key"`
	State      string   `json:"state"`
	Purged     string   `json:"purged_at"`
	Needs      []uint32 `json:"generations"`
	Sets       []string `json:"recovery_sets"`
	Seals      []string `json:"seals"`
	Shredded   string   `json:"shredded_at"`
	ExpectedAt string   `json:"shredding_expected_at"`
}

// openedBy says what still opens copies.
func (k purgedKey) openedBy() string {
	var by []string
	for _, n := range k.Needs {
		by = append(by, fmt.Sprintf("generation %d", n))
	}
	for _, set := range k.Sets {
		by = append(by, "shares of "+set)
	}
	for _, module := range k.Seals {
		by = append(by, "old seal of "+module)
	}
	return strings.Join(by, ", ")
}

func purgedColumns() []column[purgedKey] {
	return []column[purgedKey]{
		{"INSTANCE", func(k purgedKey) string { return k.Instance }},
		{"KEY", func(k purgedKey) string { return firstOf(k.Key, "(all)") }},
		{"STATE", func(k purgedKey) string { return k.State }},
		{"PURGED", func(k purgedKey) string { return shortTime(k.Purged) }},
		{"COPIES OPEN BY", purgedKey.openedBy},
		{"SHREDDED", func(k purgedKey) string {
			if k.Shredded == "" && k.ExpectedAt != "" {
				return "expected " + shortTime(k.ExpectedAt)
			}
			return shortTime(k.Shredded)
		}},
	}
}

func newCustodyShreddingCommand(p *program) *cobra.Command {
	var limit int
	cmd := &cobra.Command{
		Use:   "shredding",
		Short: "List what was purged, and what still opens copies of it",
		Long: "List keys that were purged and instances that were destroyed, the oldest first. Copies of them in\n" +
			"older backups open until the masters that wrapped them are retired and the shares of their recovery\n" +
			"key destroyed; with masters in software also the key files and passphrases that have sealed them, as\n" +
			"backups hold the master file. Then they are shredded. The date expected goes by how often you mean to\n" +
			"replace masters (custody.master_days), and says nothing of shares and seals.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return usageErrorf("--limit must be at least 1")
			}
			c, err := p.connect()
			if err != nil {
				return err
			}
			var all []record[purgedKey]
			query := url.Values{}
			for {
				var page struct {
					Purged  []record[purgedKey] `json:"purged"`
					Next    string              `json:"next"`
					Deleted int                 `json:"deleted"`
					Until   string              `json:"deleted_purged_by"`
				}
				query.Set("limit", strconv.Itoa(min(limit-len(all), 1000)))
				if err := c.get(cmd.Context(), custodyRoot+"/purged", query, &page); err != nil {
					return fmt.Errorf("listing what was purged: %w", err)
				}
				all = append(all, page.Purged...)
				query.Set("cursor", page.Next)
				if page.Next != "" && len(all) < limit {
					continue
				}
				if page.Deleted > 0 {
					fmt.Fprintf(p.stderr, "keys that are deleted and not purged yet: %d, the last is purged by %s\n", page.Deleted, shortTime(page.Until))
				}
				return printList(p, all, purgedColumns())
			}
		},
	}
	cmd.Flags().IntVar(&limit, "limit", 100, "most to show")
	return cmd
}
