package masters_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"strongroom/masters"
)

// two is a store with a generation that is being left, and a current one.
type two struct {
	masters.Store
	first masters.State
}

func (s *two) Generations(context.Context) ([]masters.Generation, error) {
	return []masters.Generation{{Number: 1, State: s.first}, {Number: 2, State: masters.Current}}, nil
}

func (s *two) Left(context.Context, uint32) (masters.Left, error) { return masters.Left{}, nil }

type modules = masters.Modules // as a field it may not be called like its method

// noTransfers are modules between which nothing is under way.
type noTransfers struct{ modules }

func (noTransfers) EndTransfers() error { return nil }

type mover func() error

func (m mover) Move(context.Context, uint32, uint32) (int, error) { return 0, m() }

// TestMovingFromMastersThatAreRetiredMeanwhileIsNoFailure, as nothing was left under them; any other is one.
func TestMovingFromMastersThatAreRetiredMeanwhileIsNoFailure(t *testing.T) {
	gone := errors.New("no such masters")
	for _, retired := range []bool{true, false} {
		store := &two{first: masters.Leaving}
		custodian := masters.New(masters.Config{
			Store: store, Modules: noTransfers{}, Now: time.Now, Logger: slog.New(slog.DiscardHandler),
			Movers: []masters.Mover{mover(func() error {
				if retired {
					store.first = masters.Retired
				}
				return gone
			})},
		})
		if err := custodian.Move(t.Context()); errors.Is(err, gone) == retired || retired && err != nil {
			t.Errorf("retired meanwhile %t: %v", retired, err)
		}
	}
}
