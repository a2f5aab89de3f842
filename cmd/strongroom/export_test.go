package main

import (
	"context"
	"io"
	"time"
)

var (
	Main        = main
	DecodeError = decodeError
	TokenClaims = decodeClaims
	Closest     = closest
	ShortTime   = shortTime
)

// The exit codes, for tests.
const (
	ExitOK          = exitOK
	ExitFailure     = exitFailure
	ExitUsage       = exitUsage
	ExitRefused     = exitRefused
	ExitNotFound    = exitNotFound
	ExitConflict    = exitConflict
	ExitUnavailable = exitUnavailable
)

// Run runs the command line with everything it takes from its process.
func Run(ctx context.Context, args []string, in io.Reader, out, errs io.Writer, getenv func(string) string, now func() time.Time) int {
	return run(ctx, args, surroundings{stdin: in, stdout: out, stderr: errs, getenv: getenv, now: now})
}
