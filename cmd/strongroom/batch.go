package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/spf13/cobra"
)

// batchItems is how many items the server takes at once.
const batchItems = 1000

func newKeyBatchCommand(p *program, instance *string) *cobra.Command {
	return newGroup("batch", "Wrap, unwrap, rewrap or transfer many data keys",
		"Wrap, unwrap, rewrap or transfer many data keys. The input has one JSON object a line, as a request for one\n"+
			"data key has it: {\"plaintext\": BASE64, \"aad\": [TEXT]}, or \"ciphertext\" in place of \"plaintext\". The output\n"+
			"has one line for each, in the same order: {\"result\": …} or {\"error\": …}.",
		newKeyBatchRunCommand(p, instance, "wrap", "Wrap data keys; those that are not given are made"),
		newKeyBatchRunCommand(p, instance, "unwrap", "Unwrap data keys"),
		newKeyBatchRunCommand(p, instance, "rewrap", "Wrap data keys anew, by the newest version of their root key"),
		newKeyBatchTransferCommand(p, instance))
}

func newKeyBatchTransferCommand(p *program, instance *string) *cobra.Command {
	cmd := newKeyBatchRunCommand(p, instance, "transfer", "Wrap data keys anew, by another root key")
	cmd.Long = "Wrap data keys anew, each by another root key, without showing them. A line names that key:\n" +
		"{\"ciphertext\": BASE64, \"aad\": [TEXT], \"targetKey\": ID or alias}, and with \"targetInstance\" another instance,\n" +
		"with \"targetAAD\" other additional data. It takes the permission to unwrap by the one key, and to wrap by\n" +
		"the other."
	return cmd
}

func newKeyBatchRunCommand(p *program, instance *string, verb, short string) *cobra.Command {
	var in, out string
	cmd := &cobra.Command{
		Use:   verb + " KEY --in FILE --out FILE",
		Short: short,
		Args:  arguments("KEY"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if in == "" || out == "" {
				return usageErrorf("--in and --out are required")
			}
			items, err := p.batchInput(in)
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
			var lines bytes.Buffer
			failed := 0
			for part := range slices.Chunk(items, batchItems) {
				var answer collection[struct {
					Error json.RawMessage `json:"error"`
				}]
				err := s.call(cmd.Context(), request{
					method: http.MethodPost, path: path("/strongroom/v1/keys", id, "batches", verb),
					body: map[string]any{"resources": part},
				}, &answer)
				if err != nil {
					return fmt.Errorf("batch with key %s: %w", args[0], err)
				}
				for _, outcome := range answer.Resources {
					if outcome.fields.Error != nil {
						failed++
					}
					lines.Write(outcome.raw)
					lines.WriteByte('\n')
				}
			}
			if err := file.writeSecret(lines.Bytes()); err != nil {
				return err
			}
			if failed > 0 {
				return fmt.Errorf("%d of %d items failed: their lines say why", failed, len(items))
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&in, "in", "", "`FILE` with one item a line, or - for standard input (required)")
	cmd.Flags().StringVar(&out, "out", "", "`FILE` for one outcome a line, or - for standard output (required)")
	return cmd
}

var errBatchInput = errors.New("not one JSON object a line")

// batchInput reads the items, and says on which line one cannot be read.
func (p *program) batchInput(file string) ([]json.RawMessage, error) {
	text, err := p.readSecret(file)
	if err != nil {
		return nil, err
	}
	var items []json.RawMessage
	number := 0
	for line := range bytes.Lines(text) {
		number++
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			continue
		}
		if line[0] != '{' || !json.Valid(line) {
			return nil, fmt.Errorf("line %d of the input: %w", number, errBatchInput)
		}
		items = append(items, line)
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("the input is empty: %w", errBatchInput)
	}
	return items, nil
}
