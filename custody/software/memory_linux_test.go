package software_test

import (
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"strongroom/custody"
	"strongroom/custody/software"
)

// TestHardenProcess hardens a child, as it cannot be undone.
func TestHardenProcess(t *testing.T) {
	const child = "STRONGROOM_TEST_HARDEN"
	if os.Getenv(child) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHardenProcess$", "-test.v")
		cmd.Env = append(os.Environ(), child+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestHardenProcess") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	if err := software.HardenProcess(); err != nil {
		t.Fatal(err)
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil || dumpable != 0 {
		t.Errorf("dumpable = %d, %v", dumpable, err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil || core != (unix.Rlimit{}) {
		t.Errorf("limit of core dumps = %+v, %v", core, err)
	}
}

func TestMastersAreLockedAndNotDumped(t *testing.T) {
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_MEMLOCK, &limit); err != nil {
		t.Fatal(err)
	}
	if limit.Cur < uint64(os.Getpagesize()) {
		t.Skip("the limit on locked memory allows none")
	}
	before := hiddenMemory(t)
	m := create(t, keyFileOptions(t))
	if got, want := hiddenMemory(t), before+os.Getpagesize()>>10; got != want {
		t.Errorf("%d KiB are locked and left out of dumps, want %d", got, want)
	}
	for number := uint32(2); number < 5; number++ {
		if _, err := m.MakeMasters(t.Context(), number, custody.Recovery{}); err != nil {
			t.Fatal(err)
		}
		if err := m.DestroyMasters(t.Context(), number-1); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := hiddenMemory(t), before+os.Getpagesize()>>10; got != want {
		t.Errorf("%d KiB are locked and left out of dumps after making and destroying masters, want %d", got, want)
	}
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}
	if got := hiddenMemory(t); got != before {
		t.Errorf("%d KiB are locked and left out of dumps after Close, want %d", got, before)
	}
}

// hiddenMemory returns how much of this process is locked and left out of core dumps, in KiB.
func hiddenMemory(t *testing.T) int {
	t.Helper()
	smaps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	sum, size := 0, 0
	for line := range strings.Lines(string(smaps)) {
		switch fields := strings.Fields(line); fields[0] {
		case "Size:":
			if size, err = strconv.Atoi(fields[1]); err != nil {
				t.Fatal(err)
			}
		case "VmFlags:":
			if slices.Contains(fields, "lo") && slices.Contains(fields, "dd") {
				sum += size
			}
		}
	}
	return sum
}
