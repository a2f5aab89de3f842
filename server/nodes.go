package server

import (
	"context"
	"errors"
	"fmt"
	"io"

	"strongroom/audit"
)

// settingNodesKept says that the storage nodes may be those of another server, and are only read.
const (
	settingNodesKept = "storage-nodes-kept"
	nodesKept        = "restored"
	nodesTaken       = "taken"
)

// actionTakeNodes is recorded when the operator takes the storage nodes of a restored database over.
const actionTakeNodes = "strongroom.node.take"

// nodesKept reports whether the storage nodes are only read, as the database was restored from a backup.
// The server that the backup is of may be running, and what it has stored since is unknown here: it would
// be removed as belonging to nothing.
func (h *house) nodesKept(ctx context.Context) (bool, error) {
	state, err := h.db.Setting(ctx, settingNodesKept)
	if err != nil {
		return false, fmt.Errorf("asking whether storage nodes are only read: %w", err)
	}
	if state != nodesKept {
		return false, nil
	}
	h.log.Warn("the database was restored: storage nodes are only read, and no object can be written there",
		"advice", "when the server that the backup is of is gone for good: strongroom node take --data DIR")
	return true, nil
}

// TakeNodes gives the storage nodes to a database that was restored: from the next start on they are
// written to, and what the database does not know is removed from them. It fails when there is nothing
// to take.
func TakeNodes(ctx context.Context, cfg Config, stderr io.Writer) error {
	if err := inUse(cfg); err != nil {
		return err
	}
	return offline(ctx, cfg, stderr, func(h *house) error {
		if !h.cluster.ReadOnly {
			return errors.New("nothing to take over: the storage nodes are those of this database")
		}
		err := h.audit.Append(ctx, &audit.Event{
			Action: actionTakeNodes, Outcome: audit.Success, Severity: audit.Critical,
			Message:   "Strongroom: take the storage nodes of a restored database over",
			Initiator: operatorHere(),
			Target:    audit.Target{ID: h.folder.server, TypeURI: "strongroom/node"},
			Reason:    audit.Reason{Code: 200, Type: "OK"},
		})
		if err != nil {
			return fmt.Errorf("recording that the nodes are taken over: %w", err)
		}
		return h.db.SetSetting(ctx, settingNodesKept, nodesTaken)
	})
}
