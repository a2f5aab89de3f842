package kms_test

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"strongroom/kms"
)

type ctx = context.Context

// atomicDuration is a clock that a test moves.
type atomicDuration struct{ d atomic.Int64 }

func (a *atomicDuration) load() time.Duration   { return time.Duration(a.d.Load()) }
func (a *atomicDuration) store(d time.Duration) { a.d.Store(int64(d)) }

// unreachable is a store that cannot be read when it is down.
type unreachable struct {
	kms.Store
	down bool
}

var errDown = errors.New("connection refused")

func (u *unreachable) Record(ctx ctx, in kms.InstanceID, id kms.KeyID) (kms.Record, error) {
	if u.down {
		return kms.Record{}, errDown
	}
	return u.Store.Record(ctx, in, id)
}

func (u *unreachable) Resolve(ctx ctx, in kms.InstanceID, alias string) (kms.KeyID, error) {
	if u.down {
		return "", errDown
	}
	return u.Store.Resolve(ctx, in, alias)
}
