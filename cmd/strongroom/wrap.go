package main

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"
)

// wrapAnswer is what wrap, unwrap and rewrap answer; each fills what applies to it.
type wrapAnswer struct {
	Plaintext  []byte `json:"plaintext"`
	Ciphertext string `json:"ciphertext"`
}

// aadFlag adds the additional authenticated data, which is no secret.
func aadFlag(cmd *cobra.Command, aad *[]string) {
	cmd.Flags().Var((*textList)(aad), "aad", "additional data that unwrap must be given again, in the same order; may be given several times")
}

// textList is the value of a flag that may be given several times. It takes UTF-8 alone: JSON has
// nothing else, and its encoder would send the same replacement for different bytes.
type textList []string

// Set implements pflag.Value.
func (l *textList) Set(s string) error {
	if !utf8.ValidString(s) {
		return errors.New("it is no UTF-8 text")
	}
	*l = append(*l, s)
	return nil
}

// String implements pflag.Value.
func (l *textList) String() string { return strings.Join(*l, ",") }

// Type implements pflag.Value; it is what the help shows.
func (l *textList) Type() string { return "stringArray" }

func newKeyWrapCommand(p *program, instance *string) *cobra.Command {
	var (
		plaintextFile, out, dataKeyOut string
		aad                            []string
	)
	cmd := &cobra.Command{
		Use:   "wrap KEY",
		Short: "Wrap a data key",
		Long: "Wrap a data key by a root key, and print the wrapped key. The plaintext file holds the bytes of\n" +
			"the data key as they are. Without one, the server makes a data key of 32 random bytes: it is\n" +
			"written to --data-key-out, or left to a later unwrap.\n\n" +
			"With --output json the whole answer is printed, with the data key if the server made it.",
		Example: "  strongroom key wrap payments --plaintext-file data.key --out data.key.wrapped\n" +
			"  strongroom key wrap payments --aad tenant-7 --data-key-out data.key --out data.key.wrapped",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body := map[string]any{}
			if len(aad) > 0 {
				body["aad"] = aad
			}
			if plaintextFile != "" {
				if dataKeyOut != "" {
					return usageErrorf("--data-key-out is for data keys that the server makes: leave --plaintext-file out")
				}
				plaintext, err := p.readSecret(plaintextFile)
				if err != nil {
					return err
				}
				if len(plaintext) == 0 || len(plaintext) > maxPayload {
					return fmt.Errorf("the plaintext has %d bytes: it can have 1 to %d", len(plaintext), maxPayload)
				}
				body["plaintext"] = plaintext
			}
			if isStandard(out) && dataKeyOut == standard {
				return usageErrorf("the wrapped key and the data key cannot both go to standard output")
			}
			dataKey, err := p.createSecret(dataKeyOut)
			if err != nil {
				return err
			}
			defer dataKey.discard()
			var answer record[wrapAnswer]
			err = p.wrapAction(cmd, *instance, args[0], "wrap", body, out, &answer)
			if err != nil || dataKeyOut == "" {
				return err
			}
			return dataKey.writeSecret(answer.fields.Plaintext)
		},
	}
	cmd.Flags().StringVar(&plaintextFile, "plaintext-file", "", "`FILE` with the data key, or - for standard input")
	cmd.Flags().StringVar(&dataKeyOut, "data-key-out", "", "`FILE` for the data key that the server makes, or - for standard output")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the wrapped key (default: standard output)")
	aadFlag(cmd, &aad)
	return cmd
}

func newKeyRewrapCommand(p *program, instance *string) *cobra.Command {
	var (
		ciphertextFile, out string
		aad                 []string
	)
	cmd := &cobra.Command{
		Use:   "rewrap KEY --ciphertext-file FILE",
		Short: "Wrap a data key anew, by the newest version of its root key",
		Long: "Wrap a data key anew, by the newest version of its root key, without showing it. The output may\n" +
			"replace the input: it is written when it is complete.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			body, err := p.ciphertextBody(ciphertextFile, aad)
			if err != nil {
				return err
			}
			var answer record[wrapAnswer]
			return p.wrapAction(cmd, *instance, args[0], "rewrap", body, out, &answer)
		},
	}
	cmd.Flags().StringVar(&ciphertextFile, "ciphertext-file", "", "`FILE` with the wrapped key, or - for standard input (required)")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the new wrapped key (default: standard output)")
	aadFlag(cmd, &aad)
	return cmd
}

func newKeyUnwrapCommand(p *program, instance *string) *cobra.Command {
	var (
		ciphertextFile, out string
		aad                 []string
	)
	cmd := &cobra.Command{
		Use:   "unwrap KEY --ciphertext-file FILE",
		Short: "Unwrap a data key",
		Long: "Unwrap a data key, and write its bytes as they are to --out, a file that only you can read, or to\n" +
			"standard output unless that is a terminal.",
		Args: arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, person := terminal(p.stdout); person && out == "" && p.flags.output != outputJSON {
				return withHint(usageErrorf("the bytes of a data key are not for a terminal"), "use --out FILE, or --output json")
			}
			body, err := p.ciphertextBody(ciphertextFile, aad)
			if err != nil {
				return err
			}
			file, err := p.createSecret(out)
			if err != nil {
				return err
			}
			defer file.discard()
			s, id, err := p.key(cmd.Context(), *instance, args[0])
			if err != nil {
				return err
			}
			var answer record[wrapAnswer]
			if err := s.act(cmd.Context(), id, "unwrap", body, &answer); err != nil {
				return fmt.Errorf("unwrapping with key %s: %w", args[0], err)
			}
			if p.flags.output == outputJSON && !file.isFile() {
				return p.printJSON(answer)
			}
			return file.writeSecret(answer.fields.Plaintext)
		},
	}
	cmd.Flags().StringVar(&ciphertextFile, "ciphertext-file", "", "`FILE` with the wrapped key, or - for standard input (required)")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for the data key (default: standard output)")
	aadFlag(cmd, &aad)
	return cmd
}

// wrapAction performs an action that answers with a wrapped key, and writes that to out.
func (p *program) wrapAction(cmd *cobra.Command, instance, ref, action string, body map[string]any, out string, answer *record[wrapAnswer]) error {
	file, err := p.createSecret(out)
	if err != nil {
		return err
	}
	defer file.discard()
	s, id, err := p.key(cmd.Context(), instance, ref)
	if err != nil {
		return err
	}
	if err := s.act(cmd.Context(), id, action, body, answer); err != nil {
		return fmt.Errorf("%sping with key %s: %w", action, ref, err)
	}
	if answer.fields.Ciphertext == "" {
		return errors.New("the server answered without a wrapped key")
	}
	if p.flags.output == outputJSON && !file.isFile() {
		return p.printJSON(*answer)
	}
	return file.writeSecret([]byte(answer.fields.Ciphertext + "\n"))
}

// ciphertextBody is the body of an action on a wrapped key.
func (p *program) ciphertextBody(file string, aad []string) (map[string]any, error) {
	if file == "" {
		return nil, withHint(usageErrorf("--ciphertext-file is required"), "name the file that holds the wrapped key, or - for standard input")
	}
	ciphertext, err := p.readSecretText(file)
	if err != nil {
		return nil, err
	}
	body := map[string]any{"ciphertext": ciphertext}
	if len(aad) > 0 {
		body["aad"] = aad
	}
	return body, nil
}

// isStandard tells whether an output file name means standard output.
func isStandard(name string) bool { return name == "" || name == standard }
