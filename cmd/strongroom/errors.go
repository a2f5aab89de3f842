package main

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
)

// The exit codes of the program; newExitCodesTopic documents them for people.
const (
	exitOK          = 0
	exitFailure     = 1 // anything that has no code of its own
	exitUsage       = 2 // the command line was wrong; nothing was asked of the server
	exitRefused     = 3 // not authenticated, or not allowed
	exitNotFound    = 4
	exitConflict    = 5 // exists already, in use, locked, or in the wrong state
	exitUnavailable = 6 // unreachable, not trusted, or not able to answer now
)

func newExitCodesTopic() *cobra.Command {
	return &cobra.Command{
		Use:   "exit-codes",
		Short: "What the exit codes mean",
		Long: `The exit code says what became of a command:

  0  it did what was asked
  1  it failed for a reason without a code of its own
  2  the command line was wrong, and nothing was asked of the server
  3  not authenticated, or not allowed
  4  not found
  5  conflict: it exists already, is in use, locked, or in the wrong state
  6  the server cannot be reached, is not trusted, or cannot answer now`,
	}
}

// failure is an error with what the program adds to it for scripts and for people.
type failure struct {
	exit int    // the exit code; zero leaves it to the errors below
	hint string // one step that helps; empty when there is none
	err  error
}

func (f *failure) Error() string  { return f.err.Error() }
func (f *failure) Unwrap() error  { return f.err }
func (f *failure) exitCode() int  { return f.exit }
func (f *failure) advice() string { return f.hint }

func usageErrorf(format string, args ...any) error {
	return &failure{exit: exitUsage, err: fmt.Errorf(format, args...)}
}

// withHint adds a hint to err, which may be nil.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return &failure{hint: fmt.Sprintf(format, args...), err: err}
}

// report writes err for people and returns its exit code.
func report(stderr io.Writer, err error) int {
	// Errors that were joined are a line each.
	fmt.Fprintf(stderr, "strongroom: error: %s\n", printable(strings.ReplaceAll(err.Error(), "\n", "; ")))
	if hint := hintOf(err); hint != "" {
		fmt.Fprintf(stderr, "strongroom: hint: %s\n", printable(hint))
	}
	return exitCodeOf(err)
}

// exitCodeOf returns the exit code of err, which a command returned or cobra did before it.
func exitCodeOf(err error) int {
	if code := codeOf(err); code != 0 {
		return code
	}
	if isUsageError(err) {
		return exitUsage
	}
	return exitFailure
}

// codeOf returns the first exit code that an error of the chain asks for, or zero.
func codeOf(err error) int {
	for ; err != nil; err = errors.Unwrap(err) {
		if coded, ok := err.(interface{ exitCode() int }); ok && coded.exitCode() != 0 {
			return coded.exitCode()
		}
	}
	return 0
}

// hintOf returns the first hint that an error of the chain offers.
func hintOf(err error) string {
	for ; err != nil; err = errors.Unwrap(err) {
		if hinted, ok := err.(interface{ advice() string }); ok && hinted.advice() != "" {
			return hinted.advice()
		}
	}
	return ""
}

// notFound says that there is no kind named name, and what was probably meant.
func notFound(kind, name string, known []string) error {
	hint := ""
	if near := closest(name, known); len(near) > 0 {
		hint = "did you mean " + quoteAll(near) + "?"
	}
	return &failure{exit: exitNotFound, hint: hint, err: fmt.Errorf("there is no %s %q", kind, name)}
}

// closest returns up to three of known that a person who wrote name may have meant.
func closest(name string, known []string) []string {
	const most = 3
	name = strings.ToLower(name)
	allowed := 1 + len(name)/4
	var near []string
	for distance := range allowed + 1 {
		for _, k := range known {
			if len(near) < most && !slices.Contains(near, k) && editDistance(name, strings.ToLower(k)) == distance {
				near = append(near, k)
			}
		}
	}
	for _, k := range known {
		if len(near) == 0 && len(name) > 1 && strings.HasPrefix(strings.ToLower(k), name) {
			near = append(near, k)
		}
	}
	return near
}

// editDistance is how many bytes to insert, delete, replace or swap with their neighbour to make b of
// a: the mistakes of typing.
func editDistance(a, b string) int {
	d := make([][]int, len(a)+1) // d[i][j] is the distance of a[:i] and b[:j]
	for i := range d {
		d[i] = make([]int, len(b)+1)
		d[i][0] = i
	}
	for j := range d[0] {
		d[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			replace := d[i-1][j-1]
			if a[i-1] != b[j-1] {
				replace++
			}
			d[i][j] = min(replace, d[i-1][j]+1, d[i][j-1]+1)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d[i][j] = min(d[i][j], d[i-2][j-2]+1)
			}
		}
	}
	return d[len(a)][len(b)]
}

func quoteAll(names []string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	return strings.Join(quoted, " or ")
}

// printable replaces control characters, so that text chosen by others cannot drive the terminal
// of whoever reads it.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n', r == '\t':
			return ' '
		case r < 0x20, r >= 0x7f && r < 0xa0, r == 0x2028, r == 0x2029, isBidiControl(r):
			return '\ufffd'
		}
		return r
	}, s)
}

// isBidiControl tells the characters that reorder the text around them.
func isBidiControl(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}
