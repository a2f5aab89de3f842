package server

import (
	"context"
	"time"

	"strongroom/iam"
	"strongroom/kms"
	"strongroom/masters"
)

// custodian rules over the masters of the deployment for its operator.
func (h *house) custodian(operator iam.AccountID) *masters.Custodian {
	return masters.New(masters.Config{
		Store: h.db.Masters(), Modules: h.rack, Movers: []masters.Mover{h.system, keyMover{h.keys}},
		Decide: h.access, Log: h.audit, Operator: operator, Now: h.now, Logger: h.log,
		Dump:     h.writeBackup,
		Interval: time.Duration(h.config.Custody.MasterDays) * 24 * time.Hour,
	})
}

// keyMover is the key service, as it moves its keys.
type keyMover struct{ keys *kms.Service }

// Move implements masters.Mover.
func (m keyMover) Move(ctx context.Context, from, to uint32) (int, error) {
	moved, err := m.keys.MoveKeys(ctx, kms.Move{From: from, To: to})
	return moved.InstanceKeys + moved.Versions, err
}
