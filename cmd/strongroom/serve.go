package main

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"strongroom/server"
)

// serverFlags are the flags of every command that opens a data folder itself.
type serverFlags struct {
	data, config     string
	listen, s3Listen string // of serve alone; empty leaves what the file says
}

func (f *serverFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.data, "data", "", "`folder` that holds everything the server must not forget")
	cmd.Flags().StringVar(&f.config, "config", "", "configuration `file` (YAML)")
	_ = cmd.MarkFlagDirname("data")
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

// load reads the configuration file, if there is one, adds the flags and checks
// the whole.
func (f *serverFlags) load() (server.Config, error) {
	if f.data == "" {
		return server.Config{}, usageErrorf("no data folder given; use --data DIR")
	}
	var c server.Config
	if f.config != "" {
		var err error
		if c, err = server.LoadConfig(f.config); err != nil {
			return c, &failure{exit: exitUsage, err: err}
		}
	}
	c.Data = f.data
	if f.listen != "" {
		c.Listen = f.listen
	}
	if f.s3Listen != "" {
		c.S3Listen = f.s3Listen
	}
	if err := c.Check(); err != nil {
		return c, &failure{exit: exitUsage, err: err}
	}
	return c, nil
}

func newServeCommand(p *program) *cobra.Command {
	var flags serverFlags
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "Run the server",
		Long: "Run the server on a data folder, which is made at the first start together with a certificate\n" +
			"authority, an account, an administrator and an instance of each service. What a client needs is\n" +
			"then in DIR/credentials.env. SIGTERM or Ctrl-C ends it.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := flags.load()
			if err != nil {
				return err
			}
			s, err := server.Open(cmd.Context(), c, p.stderr)
			if err != nil {
				return err
			}
			welcome(p.stdout, s)
			return s.Serve(cmd.Context())
		},
	}
	flags.register(cmd)
	cmd.Flags().StringVar(&flags.listen, "listen", "", "`address` of the control APIs (default 127.0.0.1:8443; port 0 takes a free one)")
	cmd.Flags().StringVar(&flags.s3Listen, "s3-listen", "", "`address` of the S3 endpoint (default 127.0.0.1:9443)")
	return cmd
}

// welcome says where the server is and what to try first, in commands that work
// in any shell and folder.
func welcome(w io.Writer, s *server.Server) {
	self, err := os.Executable()
	if err != nil {
		self = "strongroom"
	}
	fmt.Fprintf(w, `
Strongroom is ready.

  control APIs  %s
  S3 endpoint   %s
  credentials   %s
  keys          %s

Try it in another shell:

  set -a; . %s; set +a
  %s key create my-first-key
  %s key list

Ctrl-C ends it; the next start finds everything as it was.

`, s.URL(), s.S3URL(), s.CredentialsFile(), s.KeysNotice(), s.CredentialsFile(), self, self)
}
