package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"strongroom/custody"
	"strongroom/server"
)

// shareFlags say which recovery key new masters get.
type shareFlags struct {
	count, threshold int
	recovery         string
	out              string
}

func (f *shareFlags) register(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.count, "shares", 0, "`number` of shares to divide the new recovery key into")
	cmd.Flags().IntVar(&f.threshold, "threshold", 0, "`number` of shares that are enough to recover")
	cmd.Flags().StringVar(&f.recovery, "recovery", "", "\"none\": no recovery key; if the module is lost, so is every key")
	cmd.Flags().StringVar(&f.out, "out", "", "write the shares to this `file` instead of standard output")
	oneOf(cmd, "recovery", "none")
}

func (f *shareFlags) given() bool { return *f != shareFlags{} }

// load checks the flags. The shares go to file before anything depends on them.
func (f *shareFlags) load(file *secretFile) (server.Shares, error) {
	s := server.Shares{Count: f.count, Threshold: f.threshold}
	switch {
	case f.recovery != "" && f.recovery != "none":
		return s, usageErrorf("--recovery can only be none")
	case f.recovery == "none" && (f.count != 0 || f.threshold != 0):
		return s, usageErrorf("--recovery=none excludes --shares and --threshold")
	case f.recovery == "" && (f.count == 0 || f.threshold == 0):
		return s, withHint(usageErrorf("give --shares and --threshold, or --recovery=none"),
			"with --shares 5 --threshold 3, any 3 of 5 people can recover the keys when the module is lost")
	}
	if err := s.Check(); err != nil {
		return s, &failure{exit: exitUsage, err: err}
	}
	s.Show = func(_ string, printed []custody.Secret) error {
		for _, share := range printed {
			if err := errors.Join(writeAll(file, share.Reveal()), writeAll(file, []byte{'\n'})); err != nil {
				return err
			}
		}
		return file.commit()
	}
	return s, nil
}

func newCustodyInitCommand(p *program) *cobra.Command {
	var flags serverFlags
	var shares shareFlags
	var module string
	cmd := &cobra.Command{
		Use:   "init --data DIR (--shares N --threshold M | --recovery=none) [--module NAME]",
		Short: "Make the first masters, before the first start of the server",
		Long: "Make the first masters, before the first start of the server. A recovery key is divided into shares,\n" +
			"which are printed once and stored nowhere: give each to another person. When the crypto module is\n" +
			"lost, the threshold of them and the database bring every key into a new one. That is also what they\n" +
			"are worth to others: whoever has that many and a copy of the database has the keys.\n\n" +
			"A server that is started without this makes masters without a recovery key; \"custody rotate --data\"\n" +
			"gives it one later.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withShares(&flags, &shares, func(c server.Config, s server.Shares) (server.MadeMasters, error) {
				return server.InitCustody(cmd.Context(), c, p.stderr, module, s)
			})
		},
	}
	flags.register(cmd)
	shares.register(cmd)
	cmd.Flags().StringVar(&module, "module", "", "`name` of the module for the masters (default what the configuration says)")
	return cmd
}

func (p *program) rotateOffline(ctx context.Context, flags *serverFlags, module string, shares *shareFlags) error {
	return p.withShares(flags, shares, func(c server.Config, s server.Shares) (server.MadeMasters, error) {
		return server.RotateOffline(ctx, c, p.stderr, module, s)
	})
}

// withShares makes masters with a recovery key whose shares go where the flags say.
func (p *program) withShares(flags *serverFlags, shares *shareFlags, do func(server.Config, server.Shares) (server.MadeMasters, error)) error {
	file, err := p.createSecret(shares.out)
	if err != nil {
		return err
	}
	defer file.discard()
	s, err := shares.load(file)
	if err != nil {
		return err
	}
	c, err := flags.load()
	if err != nil {
		return err
	}
	made, err := do(c, s)
	if err != nil {
		return err
	}
	p.tellMade(made)
	return nil
}

// tellMade says what was made. The shares have standard output for themselves.
func (p *program) tellMade(made server.MadeMasters) {
	if made.RecoverySet == "" {
		fmt.Fprintf(p.stderr, "generation %d in module %s is in use, without a recovery key\n", made.Generation, made.Module)
		return
	}
	fmt.Fprintf(p.stderr, "generation %d in module %s is in use; its recovery set is %s. The shares are stored nowhere: "+
		"give each to another person, and destroy what they were printed to\n", made.Generation, made.Module, made.RecoverySet)
}

func newCustodyRecoverCommand(p *program) *cobra.Command {
	var flags serverFlags
	var shares shareFlags
	var files []string
	cmd := &cobra.Command{
		Use:   "recover --data DIR [--share FILE]... (--shares N --threshold M | --recovery=none)",
		Short: "Bring every key of a lost module into a new one, by recovery shares",
		Long: "Bring every key of a crypto module that was lost into the module that the configuration names now\n" +
			"(custody.module), by the shares of its recovery key. The server must not be running. Shares are read\n" +
			"from files, or typed in without being shown. New masters are made, with new shares; every key is\n" +
			"moved to them and opened once; then the old masters are written down as lost.\n\n" +
			"When it is interrupted, run it again with the same shares: it goes on with new masters and prints new\n" +
			"shares. Those of the run that came to its end are the ones to keep.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return p.withShares(&flags, &shares, func(c server.Config, s server.Shares) (server.MadeMasters, error) {
				held, err := p.readShares(files)
				if err != nil {
					return server.MadeMasters{}, err
				}
				defer wipe(held)
				r, err := server.Recover(cmd.Context(), c, p.stderr, held, s)
				if err != nil {
					return server.MadeMasters{}, fmt.Errorf("recovering: %w", err)
				}
				fmt.Fprintf(p.stderr, "recovered and opened: %d keys; lost: generations %v\n", r.Keys, r.Lost)
				return r.Made, nil
			})
		},
	}
	flags.register(cmd)
	shares.register(cmd)
	cmd.Flags().StringArrayVar(&files, "share", nil, "`file` with one or more shares, - is standard input; may be repeated")
	_ = cmd.MarkFlagFilename("share")
	return cmd
}

// shareLines is how many lines a printed share has.
const shareLines = 4

// readShares reads shares from files or, without any, from the terminal. Whoever calls it wipes them.
func (p *program) readShares(files []string) ([]custody.Secret, error) {
	if len(files) == 0 {
		if fd, ok := terminal(p.stdin); ok {
			return p.typeShares(fd)
		}
		files = []string{standard}
	}
	var all []custody.Secret
	for _, name := range files {
		text, err := p.readSecret(name)
		if err != nil {
			return nil, err
		}
		all = append(all, splitShares(text)...)
	}
	if len(all) == 0 {
		return nil, errors.New("no recovery share was given")
	}
	return all, nil
}

// splitShares cuts a text into shares. Lines that begin with # are for people. It wipes the text.
func splitShares(text []byte) (all []custody.Secret) {
	defer clear(text)
	var share []byte
	n := 0
	for line := range bytes.Lines(text) {
		trimmed := bytes.TrimSpace(line)
		if len(trimmed) == 0 || trimmed[0] == '#' {
			continue
		}
		share = append(append(share, trimmed...), '\n')
		if n++; n%shareLines == 0 {
			all, share = append(all, custody.NewSecret(share)), nil
		}
	}
	if len(share) > 0 {
		all = append(all, custody.NewSecret(share)) // incomplete: whoever parses it says what is missing
	}
	return all
}

// typeShares reads shares from the keyboard, without showing them, until an empty line.
func (p *program) typeShares(fd int) ([]custody.Secret, error) {
	fmt.Fprintln(p.stderr, "Type the shares in, line by line; they are not shown. An empty line ends it.")
	var text []byte
	for n := 0; ; n++ {
		fmt.Fprintf(p.stderr, "share %d, line %d: ", n/shareLines+1, n%shareLines+1)
		line, err := term.ReadPassword(fd)
		fmt.Fprintln(p.stderr)
		if err != nil {
			clear(text)
			return nil, fmt.Errorf("reading the shares: %w", err)
		}
		if len(bytes.TrimSpace(line)) == 0 {
			break
		}
		text = append(append(text, line...), '\n')
		clear(line)
	}
	all := splitShares(text)
	if len(all) == 0 {
		return nil, errors.New("no recovery share was given")
	}
	return all, nil
}

// wipe wipes all secrets.
func wipe(secrets []custody.Secret) {
	for _, s := range secrets {
		s.Wipe()
	}
}
