//go:build !linux

package software

// lockedMemory returns ordinary memory: servers run on Linux, other systems are for development.
func lockedMemory(size int) ([]byte, error) { return make([]byte, size), nil }

func freeMemory([]byte) error { return nil }

// HardenProcess does nothing on this system.
func HardenProcess() error { return nil }
