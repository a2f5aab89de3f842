package sqlstore_test

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"strongroom/custody"
	"strongroom/fault"
	"strongroom/kms"
)

// TestTransportKeysAreTakenOnce lets more ask at once than there are keys.
func TestTransportKeysAreTakenOnce(t *testing.T) {
	db, _ := fresh(t)
	keys := db.Keys()
	const ready = 20
	for i := range ready {
		err := keys.AddTransportKey(t.Context(), kms.ReadyTransportKey{
			ID: fmt.Sprint(i), Made: time.UnixMicro(int64(i)),
			TransportKey: custody.TransportKey{Generation: 7, Public: []byte{byte(i)}, Sealed: custody.Sealed{1, byte(i)}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	var (
		wg      sync.WaitGroup
		mu      sync.Mutex
		taken   = map[string]bool{}
		without int
	)
	for range ready + 5 {
		wg.Go(func() {
			k, err := keys.TakeTransportKey(t.Context(), 7)
			mu.Lock()
			defer mu.Unlock()
			switch {
			case fault.KindOf(err) == fault.NotFound:
				without++
			case err != nil || taken[k.ID] || len(k.Sealed) != 2 || k.Sealed[1] != k.Public[0]:
				t.Errorf("%+v, %v", k, err)
			default:
				taken[k.ID] = true
			}
		})
	}
	wg.Wait()
	if len(taken) != ready || without != 5 {
		t.Errorf("%d were taken, %d went without", len(taken), without)
	}
	if n, err := keys.CountTransportKeys(t.Context(), 7); n != 0 || err != nil {
		t.Errorf("%d are left, %v", n, err)
	}
}
