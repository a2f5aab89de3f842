//go:build !linux

package agent

import "errors"

// Main fails: the agent is for Linux, whose ways of guarding a process it needs.
func Main() error { return errors.New("the custody agent runs on Linux only") }
