package software

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockedMemory returns size bytes outside the Go heap that are left out of core dumps and, where
// the limit on locked memory allows it, never written to swap. It takes whole pages, one at least.
func lockedMemory(size int) ([]byte, error) {
	page := os.Getpagesize()
	size = max(1, (size+page-1)/page) * page
	memory, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		return nil, os.NewSyscallError("mmap", err)
	}
	// Both are a second line: without them the module is no weaker than its heap.
	_ = unix.Mlock(memory)
	_ = unix.Madvise(memory, unix.MADV_DONTDUMP)
	return memory, nil
}

func freeMemory(memory []byte) error { return os.NewSyscallError("munmap", unix.Munmap(memory)) }

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
