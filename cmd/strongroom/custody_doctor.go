package main

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"strongroom/custody"
	"strongroom/custody/pkcs11"
)

func newCustodyDoctorCommand(p *program) *cobra.Command {
	o := pkcs11.Options{Name: "doctor"}
	cmd := &cobra.Command{
		Use:   "doctor --library FILE --token LABEL --pin-file FILE",
		Short: "Examine a token (HSM) and say how well it protects keys",
		Long: "Open a token through its vendor's PKCS#11 library and find out whether it can do all that is needed,\n" +
			"what it cannot do, whether the masters in it are as they should be, and how fast it is. Then try to\n" +
			"take keys out of it in every way known to us. The last lines grade the protection as strict or\n" +
			"basic, and say what that means.\n\n" +
			"Nothing that this makes stays in the token. A server may be using it at the same time.",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.Library == "" || o.Token == "" || o.PINFile == "" {
				return usageErrorf("give --library, --token and --pin-file")
			}
			o.Log = slog.New(slog.NewTextHandler(p.stderr, nil))
			r, err := pkcs11.Examine(cmd.Context(), o)
			if errors.Is(err, custody.ErrUnavailable) {
				return &failure{exit: exitUnavailable, err: err}
			}
			if err != nil {
				return err
			}
			if err := printExamination(p, r); err != nil {
				return err
			}
			if !r.Usable() {
				return errors.New("this token must not be used as it is")
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&o.Library, "library", "", "the vendor's PKCS#11 library (absolute path of a `file`)")
	cmd.Flags().StringVar(&o.Token, "token", "", "`label` of the token")
	cmd.Flags().StringVar(&o.PINFile, "pin-file", "", "`file` with the user PIN, which only its owner can read")
	cmd.Flags().StringVar(&o.Label, "label", "", "what the `labels` of the masters begin with (default \"strongroom\")")
	cmd.Flags().StringVar(&o.Agent, "agent", "", "`program` with PKCS#11 (default this program)")
	cmd.Flags().UintVar(&o.WrapPad, "wrap-pad", 0, "`number` of the vendor's mechanism for AES key wrap with padding, if it has one of its own")
	for _, flag := range []string{"library", "pin-file", "agent"} {
		_ = cmd.MarkFlagFilename(flag)
	}
	return cmd
}

// printExamination writes a report: what was examined, what was found, what is fast and what is not.
func printExamination(p *program, r pkcs11.Report) error {
	if p.flags.output == outputJSON {
		return p.printJSON(struct {
			pkcs11.Report
			Usable   bool
			Findings []pkcs11.Finding
			Verdict  string
		}{r, r.Usable(), r.Findings(), r.Verdict()})
	}
	t := r.Status.Token
	rows := [][]string{
		{"TOKEN", printable(t.Label)},
		{"MANUFACTURER", printable(t.Manufacturer)},
		{"MODEL", printable(t.Model)},
		{"SERIAL NUMBER", printable(t.Serial)},
		{"LIBRARY", printable(t.Library)},
		{"SESSIONS", limit(r.Limits.MaxSessions, "%d at most")},
		{"PRIVATE MEMORY", limit(r.Limits.PrivateMemory, "%d bytes free")},
		{"SEALINGS", fmt.Sprintf("%.0f a second, in one session", r.Speed.Wraps)},
		{"KEYS BROUGHT IN", fmt.Sprintf("%.0f a second, in one session", r.Speed.Unwraps)},
		{"KEYS MADE", fmt.Sprintf("%.0f a second, in one session", r.Speed.Makes)},
	}
	if err := p.printTable(nil, rows); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout)
	rows = nil
	for _, f := range r.Findings() {
		rows = append(rows, []string{string(f.Grade), printable(f.About), printable(f.Text)})
	}
	if err := p.printTable([]string{"GRADE", "ABOUT", "FINDING"}, rows); err != nil {
		return err
	}
	_, err := fmt.Fprintf(p.stdout, "\n%s\n", r.Verdict())
	return outputError(err)
}

// limit renders a limit that a token states, or not.
func limit(n uint, format string) string {
	if n == 0 {
		return "no limit stated"
	}
	return fmt.Sprintf(format, n)
}
