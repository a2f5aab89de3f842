//go:build !linux

package software

import "os"

// lockedPage returns ordinary memory: servers run on Linux, other systems are for development.
func lockedPage() ([]byte, error) { return make([]byte, os.Getpagesize()), nil }

func freePage([]byte) error { return nil }

// HardenProcess does nothing on this system.
func HardenProcess() error { return nil }
