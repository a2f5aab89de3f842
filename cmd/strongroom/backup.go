package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/spf13/cobra"

	"strongroom/server"
)

func newBackupCommand(p *program) *cobra.Command {
	var flags serverFlags
	var out string
	cmd := &cobra.Command{
		Use:   "backup --out FILE [--data DIR]",
		Short: "Take a backup of everything that the database holds",
		Long: "Take a backup of everything that the database holds, while the server is running, or from the data\n" +
			"folder of one that is stopped (--data). The file is encrypted: it opens with the crypto module whose\n" +
			"masters are in use now, or with their recovery shares, and with nothing else. It holds neither the key\n" +
			"file nor the passphrase of the software module: keep these, but not beside it. When masters in\n" +
			"a token are retired, the backups from before open no more: take a new one first. Those with masters in\n" +
			"software hold the sealed master file, and open as long as its key file or passphrase is known. The audit\n" +
			"log is exported by strongroom audit export.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if out == "" {
				return usageErrorf("no file given; use --out FILE, or --out - for standard output")
			}
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			if flags.data != "" {
				err = p.backupFolder(cmd.Context(), &flags, file)
			} else {
				err = p.backupServer(cmd.Context(), file)
			}
			if err != nil {
				return fmt.Errorf("taking a backup: %w", err)
			}
			return file.commit()
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the backup")
	return cmd
}

func (p *program) backupFolder(ctx context.Context, flags *serverFlags, w io.Writer) error {
	c, err := flags.load()
	if err != nil {
		return err
	}
	return server.Backup(ctx, c, p.stderr, w)
}

func (p *program) backupServer(ctx context.Context, w io.Writer) error {
	c, err := p.connect()
	if err != nil {
		return err
	}
	body, err := c.stream(ctx, request{method: http.MethodPost, path: "/strongroom/v1/backups"})
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.Copy(w, body)
	return err
}

func newRestoreCommand(p *program) *cobra.Command {
	var flags serverFlags
	var verify bool
	var shares []string
	cmd := &cobra.Command{
		Use:   "restore FILE --data DIR [--verify] [--share FILE]...",
		Short: "Restore a backup, or verify that one opens",
		Long: "Restore a backup into a data folder that has no database. Every key in it is opened before the database\n" +
			"takes its place; if one does not open, nothing is left behind. With --verify the same is done aside, and\n" +
			"nothing is changed: do it with every backup that you keep.\n\n" +
			"The key file is expected at DIR/masters.key, or where the configuration says; a passphrase and the\n" +
			"tokens are named by the configuration. With --share, recovery shares open the backup instead; after\n" +
			"that, strongroom custody recover brings the keys into a new module.\n\n" +
			"A backup is older than what came after it. If a witness, a token or the audit log remembers more, the\n" +
			"server does not start before you have said so: strongroom rollback accept.",
		Args: arguments("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := flags.load()
			if err != nil {
				return err
			}
			o := server.RestoreOptions{VerifyOnly: verify}
			if len(shares) > 0 {
				if o.Printed, err = p.readShares(shares); err != nil {
					return err
				}
				defer wipe(o.Printed)
			}
			file, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer file.Close()
			done, err := server.Restore(cmd.Context(), c, p.stderr, file, o)
			if err != nil {
				return fmt.Errorf("restoring: %w", err)
			}
			return p.tellRestored(done, verify)
		},
	}
	flags.register(cmd)
	cmd.Flags().BoolVar(&verify, "verify", false, "only verify that every key in the backup opens")
	cmd.Flags().StringArrayVar(&shares, "share", nil, "`file` with one or more recovery shares; may be repeated")
	_ = cmd.MarkFlagFilename("share")
	return cmd
}

func (p *program) tellRestored(done server.Restored, verify bool) error {
	what := "restored"
	if verify {
		what = "verified"
	}
	_, err := fmt.Fprintf(p.stdout, "%s: the backup of %s; all %d versions of root keys, %d standard keys and %d instance keys open\n",
		what, done.Created.Format(time.RFC3339), done.Keys.RootVersions, done.Keys.Standard, done.Keys.InstanceKeys)
	if err == nil && done.Lost && !verify {
		_, err = fmt.Fprintln(p.stderr, "the crypto modules of this database may be gone: go on with strongroom custody recover")
	}
	return err
}
