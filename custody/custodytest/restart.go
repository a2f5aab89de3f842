package custodytest

import (
	"errors"
	"sync"
	"testing"

	"strongroom/custody"
)

// testCloseInTheMiddle closes the module while keys are loaded and used: whoever is under way gets the
// right answer or an error, and never hears that a key does not open.
func testCloseInTheMiddle(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	b := f.versionBinding(custody.OriginGenerated, 32)
	shared, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, shared)
	var wg, started sync.WaitGroup
	for range 4 {
		started.Add(1)
		wg.Go(func() {
			first := true
			for {
				h, err := f.Load(t.Context(), f.instance, b, sealed)
				if err == nil {
					var out [2]custody.Block
					if out, err = f.CMAC(t.Context(), h, [2]custody.Block{}); err == nil && out[0] != print {
						t.Error("CMAC while closing: another key")
					}
				}
				if first {
					started.Done()
					first = false
				}
				if err != nil {
					if !errors.Is(err, custody.ErrClosed) && !errors.Is(err, custody.ErrUnloaded) {
						t.Errorf("while closing: %v, want ErrClosed or ErrUnloaded", err)
					}
					return
				}
			}
		})
	}
	started.Wait()
	if err := f.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
	wg.Wait()
	f.Module = f.subject.Reopen(t)
	instance := f.load(t, custody.Root, f.binding, f.sealed)
	if f.fingerprint(t, f.load(t, instance, b, sealed)) != print {
		t.Error("key is another one after reopening")
	}
}

// testRestartInTheMiddle takes away what the module works with, while keys are loaded and used: an
// answer is right or it is ErrUnavailable, and afterwards the handles of before name the same keys.
func testRestartInTheMiddle(t *testing.T, open func(t *testing.T) Subject) {
	f := newFixture(t, open)
	if f.subject.Restart == nil {
		t.Skip("nothing can interrupt the module")
	}
	b := f.versionBinding(custody.OriginGenerated, 32)
	shared, sealed := f.make(t, f.instance, b)
	print := f.fingerprint(t, shared)
	box, err := custody.Seal(t.Context(), f, shared, custody.PurposeDataKey, nil, []byte("data key"))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				if out, err := f.CMAC(t.Context(), shared, [2]custody.Block{}); err == nil && out[0] != print {
					t.Error("CMAC while restarting: another key")
				} else if err != nil && !errors.Is(err, custody.ErrUnavailable) {
					t.Errorf("CMAC while restarting: %v, want ErrUnavailable", err)
				}
				h, err := f.Load(t.Context(), f.instance, b, sealed)
				if err != nil && !errors.Is(err, custody.ErrUnavailable) {
					t.Errorf("Load while restarting: %v, want ErrUnavailable", err)
				}
				f.Unload(h)
			}
		})
	}
	for range 3 {
		f.subject.Restart(t)
		f.untilAvailable(t, shared)
	}
	close(done)
	wg.Wait()
	if f.fingerprint(t, shared) != print {
		t.Error("handle names another key after a restart")
	}
	if f.fingerprint(t, f.load(t, f.instance, b, sealed)) != print {
		t.Error("key is another one after a restart")
	}
	if got, err := custody.Open(t.Context(), f, shared, custody.PurposeDataKey, nil, box); err != nil || string(got.Reveal()) != "data key" {
		t.Errorf("what was sealed before a restart does not open: %v", err)
	}
	f.Unload(shared)
	if _, err := f.CMAC(t.Context(), shared, [2]custody.Block{}); !errors.Is(err, custody.ErrUnloaded) {
		t.Errorf("unloaded key after a restart: %v, want ErrUnloaded", err)
	}
	f.make(t, custody.Root, f.instanceBinding("instance-5"))
}

// untilAvailable asks until the module answers again. Only the time limit of the whole run ends it.
func (f *fixture) untilAvailable(t *testing.T, h custody.Handle) {
	t.Helper()
	for {
		_, err := f.CMAC(t.Context(), h, [2]custody.Block{})
		if err == nil {
			return
		}
		if !errors.Is(err, custody.ErrUnavailable) {
			t.Fatalf("waiting for the module: %v", err)
		}
	}
}
