package software

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockedPage returns a page of memory outside the Go heap that is left out of core dumps and, where
// the limit on locked memory allows it, never written to swap.
func lockedPage() ([]byte, error) {
	page, err := unix.Mmap(-1, 0, os.Getpagesize(), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	// Both are a second line: without them the module is no weaker than its heap.
	_ = unix.Mlock(page)
	_ = unix.Madvise(page, unix.MADV_DONTDUMP)
	return page, nil
}

func freePage(page []byte) error { return os.NewSyscallError("munmap", unix.Munmap(page)) }

// HardenProcess keeps key material of this process from core dumps, and from other processes of
// the same user: they can no longer attach a debugger or read its memory. It cannot be undone.
func HardenProcess() error {
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbidding core dumps: %w", err)
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("making the process not dumpable: %w", err)
	}
	return nil
}
