package main

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"sync"

	"strongroom/audit"
	"strongroom/iam"
	"strongroom/kms"
	"strongroom/server"
	"strongroom/sqlstore"
)

const (
	madeAtOnce   = 250_000 // keys that are held in memory, about a kilobyte each
	storedAtOnce = 1_000   // keys of one transaction
)

// fill gives an instance of a stopped server the root keys from one number to another, made by the key service and sealed
// by the crypto module of the data folder. What differs from requests is that many are committed
// together, in the order of their IDs, and without events.
func fill(ctx context.Context, data string, account iam.AccountID, instance kms.InstanceID, there, many int) error {
	return server.WithKeys(ctx, server.Config{Data: data}, os.Stderr, func(c kms.Config) error {
		store := &gathered{Store: c.Store}
		c.Store = store
		service := kms.New(c)
		who := iam.Caller{Identity: "IBMid-bench", Kind: iam.KindUser, Account: account, Owner: true, Trail: &audit.Trail{}}
		for from := there; from < many; from += madeAtOnce {
			if err := create(ctx, service, who, instance, from, min(from+madeAtOnce, many)); err != nil {
				return err
			}
			if err := store.commit(ctx); err != nil {
				return err
			}
			fmt.Fprintf(os.Stderr, "filled %d of %d keys\n", min(from+madeAtOnce, many), many)
		}
		return nil
	})
}

// create makes the keys from one number to another, on all CPUs.
func create(ctx context.Context, service *kms.Service, who iam.Caller, instance kms.InstanceID, from, to int) error {
	var (
		wg     sync.WaitGroup
		mu     sync.Mutex // guards failed
		failed error
	)
	workers := runtime.NumCPU()
	for worker := range workers {
		wg.Go(func() {
			for i := from + worker; i < to; i += workers {
				_, err := service.Create(ctx, who, kms.Ref{Instance: instance}, kms.NewKey{Name: fmt.Sprintf("bench-%07d", i)})
				if err != nil {
					mu.Lock()
					failed = cmp.Or(failed, err)
					mu.Unlock()
					return
				}
			}
		})
	}
	wg.Wait()
	return failed
}

// gathered is a store that keeps new keys back, to commit many of them together.
type gathered struct {
	kms.Store

	mu       sync.Mutex // guards the following
	made     []sqlstore.Insertion
	revision int64 // of the instance
}

// InsertKey implements kms.Store.
func (g *gathered) InsertKey(_ context.Context, k kms.Key, v kms.Version, instanceRevision int64, _ *audit.Event) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.made = append(g.made, sqlstore.Insertion{Key: k, Version: v})
	g.revision = instanceRevision
	return nil
}

// commit stores what was kept back.
func (g *gathered) commit(ctx context.Context) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys, ok := g.Store.(interface {
		InsertKeys(ctx context.Context, instanceRevision int64, all ...sqlstore.Insertion) error
	})
	if !ok {
		return fmt.Errorf("a store of the type %T does not take many keys at once", g.Store)
	}
	slices.SortFunc(g.made, func(a, b sqlstore.Insertion) int { return cmp.Compare(a.Key.ID, b.Key.ID) })
	for some := range slices.Chunk(g.made, storedAtOnce) {
		if err := keys.InsertKeys(ctx, g.revision, some...); err != nil {
			return err
		}
	}
	g.made = nil
	return nil
}
