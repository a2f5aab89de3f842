package audit

import (
	"fmt"
	"syscall"
)

// Sync is fdatasync: data and size, but not the times of the file, which nobody needs.
func (f diskFile) Sync() error {
	for {
		err := syscall.Fdatasync(int(f.Fd()))
		if err == nil {
			return nil
		}
		if err != syscall.EINTR {
			return fmt.Errorf("fdatasync %s: %w", f.Name(), err)
		}
	}
}
