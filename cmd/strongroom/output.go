package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
)

// The values of --output.
const (
	outputTable = "table"
	outputJSON  = "json"
)

// column is one field as people see it: a column of a list, a line of a single thing.
type column[T any] struct {
	title string
	value func(T) string
}

// printList shows items: a table with one row each, or a JSON array of what the server sent.
func printList[T any](p *program, items []record[T], columns []column[T]) error {
	if p.flags.output == outputJSON {
		if items == nil {
			items = []record[T]{}
		}
		return p.printJSON(items)
	}
	if len(items) == 0 {
		fmt.Fprintln(p.stderr, "nothing to list")
		return nil
	}
	titles := make([]string, len(columns))
	for i, c := range columns {
		titles[i] = c.title
	}
	rows := make([][]string, len(items))
	for i, item := range items {
		for _, c := range columns {
			rows[i] = append(rows[i], c.value(item.fields))
		}
	}
	return p.printTable(titles, rows)
}

// printOne shows one thing: a line for each field that has a value, or the JSON that the server sent.
func printOne[T any](p *program, item record[T], columns []column[T]) error {
	if p.flags.output == outputJSON {
		return p.printJSON(item)
	}
	var rows [][]string
	for _, c := range columns {
		if value := c.value(item.fields); value != "" {
			rows = append(rows, []string{c.title, value})
		}
	}
	return p.printTable(nil, rows)
}

// done says in one line that something without a resource of its own was done. Programs have the
// exit code for that.
func (p *program) done(format string, args ...any) error {
	if p.flags.output == outputJSON {
		return nil
	}
	_, err := fmt.Fprintln(p.stdout, printable(fmt.Sprintf(format, args...)))
	return outputError(err)
}

// printJSON writes v indented. Resources keep the order and the members that the server gave them.
func (p *program) printJSON(v any) error {
	var compact bytes.Buffer
	enc := json.NewEncoder(&compact)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact.Bytes(), "", "  "); err != nil {
		return fmt.Errorf("encoding the output: %w", err)
	}
	_, err := out.WriteTo(p.stdout)
	return outputError(err)
}

// printTable writes rows without borders, titles in bold where the output is a terminal, and nothing
// of what they hold that would drive one.
func (p *program) printTable(titles []string, rows [][]string) error {
	for _, row := range rows {
		for i := range row {
			row[i] = printable(row[i])
		}
	}
	t := table.New().
		BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderColumn(false).BorderRow(false).BorderHeader(false).
		Wrap(false).
		Rows(rows...).
		StyleFunc(func(row, col int) lipgloss.Style {
			return lipgloss.NewStyle().PaddingRight(2).Bold(row == table.HeaderRow || titles == nil && col == 0)
		})
	if titles != nil {
		t = t.Headers(titles...)
	}
	lines := strings.Split(t.Render(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	_, err := lipgloss.Fprintln(p.stdout, strings.Join(slices.DeleteFunc(lines, isBlank), "\n"))
	return outputError(err)
}

func isBlank(line string) bool { return line == "" }

func outputError(err error) error {
	if err != nil {
		return fmt.Errorf("writing the output: %w", err)
	}
	return nil
}

// blanked returns resource without the value of a member of its top level, for output beside which
// the secret has already been written elsewhere.
func blanked(resource json.RawMessage, member string) (json.RawMessage, error) {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(resource, &members); err != nil {
		return nil, fmt.Errorf("hiding %s: %w", member, err)
	}
	if _, ok := members[member]; ok {
		members[member] = json.RawMessage(`""`)
	}
	out, err := json.Marshal(members)
	if err != nil {
		return nil, fmt.Errorf("hiding %s: %w", member, err)
	}
	return out, nil
}

// shortTime renders a time of the server in UTC to the second; what is not a time stays as it is.
func shortTime(s string) string {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04-0700", "2006-01-02T15:04:05.999-0700"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Format("2006-01-02 15:04:05")
		}
	}
	return s
}

// yes renders a flag of a resource.
func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

// writeAll writes data to w.
func writeAll(w io.Writer, data []byte) error {
	_, err := w.Write(data)
	return outputError(err)
}
