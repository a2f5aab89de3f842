package server

import (
	"context"
	"crypto/ecdsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/user"
	"strings"

	"strongroom/audit"
)

// settingAccepted holds the heads of logs that the operator has accepted to be
// newer than the database.
const settingAccepted = "rollback-accepted"

// actionRollback is recorded when the operator goes on with an older database.
const actionRollback = "strongroom.rollback.accept"

// ErrRolledBack says that something remembers more than the database does.
var ErrRolledBack = errors.New("the database is older than what is remembered of it")

// newer is a signed head of an audit log that the database knows nothing of.
type newer struct {
	where string // who remembers it
	head  audit.Checkpoint
	last  audit.Checkpoint // the newest head of that server in the database; zero if there is none
	fork  bool             // the database knows another head in its place
}

func (n newer) String() string {
	if n.fork {
		return fmt.Sprintf("%s remembers entry %d of server %s otherwise than the database", n.where, n.head.Sequence, n.head.Server)
	}
	return fmt.Sprintf("%s remembers entry %d of server %s (%s), the database ends at %d",
		n.where, n.head.Sequence, n.head.Server, n.head.Time.Format("2006-01-02 15:04:05 MST"), n.last.Sequence)
}

// checkRollback compares the database with everything that remembers it, says
// what that was, and refuses a database that is older.
func (c *core) checkRollback(ctx context.Context, keys map[string]*ecdsa.PublicKey) error {
	found, seen, err := c.findNewer(ctx, keys)
	if err != nil {
		return err
	}
	if len(found) == 0 {
		c.sayCompared(seen)
		return nil
	}
	if c.config.acceptRollback != "" {
		return c.acceptRollback(ctx, found)
	}
	var what []string
	for _, n := range found {
		what = append(what, n.String())
	}
	return fmt.Errorf("%w: it was restored from an older copy, or replaced; what was revoked since may be in force again: %s; "+
		"put the newest copy back, or go on with this one by: strongroom rollback accept --data DIR --reason TEXT",
		ErrRolledBack, strings.Join(what, "; "))
}

// compared says who remembered something of the database, and who was asked and
// remembered nothing, being new or emptied.
type compared struct {
	with, empty []string
}

func (c *compared) add(name string, remembers bool) {
	if remembers {
		c.with = append(c.with, name)
	} else {
		c.empty = append(c.empty, name)
	}
}

// sayCompared tells the operator what a database was compared with that is not
// older, and what that cannot exclude.
func (c *core) sayCompared(seen compared) {
	var rest []any
	if len(seen.empty) > 0 {
		rest = append(rest, "empty", strings.Join(seen.empty, ", "))
	}
	if len(c.witnesses) == 0 {
		rest = append(rest, "advice", "set audit.witness")
	}
	switch {
	case len(seen.with) == 0:
		c.log.Info("nothing remembers this database yet: that it is an older copy cannot be excluded", rest...)
	case len(seen.with) == 1 && seen.with[0] == theAuditLog:
		c.log.Info("the database is not older than the audit log; that both were rolled back together cannot be excluded", rest...)
	default:
		c.log.Info("the database is not older than what remembers it",
			append([]any{"compared", strings.Join(seen.with, ", ")}, rest...)...)
	}
}

// theAuditLog is the name of what is compared with always.
const theAuditLog = "audit log"

// findNewer returns the heads that the database lacks, and that were not
// accepted before, and where it looked for them.
func (c *core) findNewer(ctx context.Context, keys map[string]*ecdsa.PublicKey) (open []newer, seen compared, err error) {
	accepted, err := c.accepted(ctx)
	if err != nil {
		return nil, seen, err
	}
	anchors := c.db.Anchors()
	lead, ahead, err := audit.Ahead(ctx, audit.VerifyOptions{
		Dir: c.folder.file(auditFolder), Server: c.folder.server, Keys: keys, Anchors: anchors,
	})
	if err != nil {
		return nil, seen, err
	}
	seen.add(theAuditLog, lead.Log.Sequence > 0)
	var found []newer
	if ahead {
		found = append(found, newer{where: "the " + theAuditLog, head: lead.Log, last: lead.Anchor})
	}
	for _, w := range c.witnesses {
		kept, err := w.Kept(ctx)
		if err != nil {
			return nil, seen, fmt.Errorf("%s: %w", w.name, err)
		}
		seen.add(w.name, len(kept) > 0)
		for _, head := range kept {
			n, is, err := compareHead(ctx, anchors, keys, head)
			if err != nil {
				return nil, seen, fmt.Errorf("%s: %w", w.name, err)
			}
			if n.where = w.name; is {
				found = append(found, n)
			}
		}
	}
	for _, n := range found {
		if n.head.Sequence > accepted[n.head.Server] {
			open = append(open, n)
		}
	}
	return open, seen, nil
}

// compareHead reports whether the database lacks a head.
func compareHead(ctx context.Context, anchors audit.Anchors, keys map[string]*ecdsa.PublicKey, head audit.Checkpoint) (newer, bool, error) {
	key := keys[head.KeyID]
	if key == nil || head.Verify(key) != nil {
		return newer{}, false, fmt.Errorf("the head of server %s is not signed by this deployment's key: it belongs to another one, or was changed", head.Server)
	}
	n := newer{head: head}
	last, ok, err := anchors.LastCheckpoint(ctx, head.Server)
	if err != nil {
		return n, false, fmt.Errorf("reading newest anchor: %w", err)
	}
	if n.last = last; !ok || head.Sequence > last.Sequence {
		return n, true, nil
	}
	from, err := anchors.Checkpoints(ctx, head.Server, head.Sequence-1)
	if err != nil {
		return n, false, fmt.Errorf("reading anchors: %w", err)
	}
	// The database keeps the newest ones; a head before all of them tells nothing more.
	if len(from) > 0 && from[0].Sequence == head.Sequence {
		n.fork = from[0].Digest() != head.Digest()
	}
	return n, n.fork, nil
}

// accepted returns up to which entry the operator has accepted what the log of
// each server remembers.
func (c *core) accepted(ctx context.Context) (map[string]uint64, error) {
	text, err := c.db.Setting(ctx, settingAccepted)
	if err != nil || text == "" {
		return nil, err
	}
	var accepted map[string]uint64
	if err := json.Unmarshal([]byte(text), &accepted); err != nil {
		return nil, fmt.Errorf("reading what was accepted: %w", err)
	}
	return accepted, nil
}

// acceptRollback remembers that the operator goes on with this database. The
// event is the first that the log takes after it is open.
func (c *core) acceptRollback(ctx context.Context, found []newer) error {
	accepted, err := c.accepted(ctx)
	if err != nil {
		return err
	}
	if accepted == nil {
		accepted = make(map[string]uint64)
	}
	var remembered []string
	c.rolledBackTo = found[0].last.Time
	for _, n := range found {
		if n.last.Time.Before(c.rolledBackTo) {
			c.rolledBackTo = n.last.Time
		}
		accepted[n.head.Server] = max(accepted[n.head.Server], n.head.Sequence)
		remembered = append(remembered, n.String())
	}
	text, err := json.Marshal(accepted)
	if err != nil {
		return fmt.Errorf("encoding what was accepted: %w", err)
	}
	c.afterOpen = func(ctx context.Context) error {
		// The event comes first: an acceptance that is not recorded is none.
		err := c.audit.Append(ctx, &audit.Event{
			Action: actionRollback, Outcome: audit.Success, Severity: audit.Critical,
			Message:     "Strongroom: go on with an older database",
			Initiator:   operatorHere(),
			Target:      audit.Target{ID: c.folder.server, TypeURI: "strongroom/database"},
			Reason:      audit.Reason{Code: 200, Type: "OK"},
			RequestData: map[string]any{"reason": c.config.acceptRollback, "remembered": remembered},
		})
		if err != nil {
			return fmt.Errorf("recording the acceptance: %w", err)
		}
		c.log.Warn("going on with an older database", "reason", c.config.acceptRollback)
		return c.db.SetSetting(ctx, settingAccepted, string(text))
	}
	return nil
}

// operatorHere is the initiator of what is done on the server's own machine.
func operatorHere() audit.Initiator {
	name := "operator"
	if u, err := user.Current(); err == nil { // without a name in the system it stays the role
		name = u.Username
	}
	return audit.Initiator{ID: "operator", Name: name, TypeURI: "service/security/operator", CredentialType: "local"}
}

// maxReason bounds the reason for an acceptance, in bytes.
const maxReason = 500

// AcceptRollback goes on with a database that is older than what is remembered
// of it, and records that, with the reason. It returns what the audit log
// remembers to have been revoked since, and fails when there is nothing to
// accept.
func AcceptRollback(ctx context.Context, cfg Config, stderr io.Writer, reason string) (since []Revocation, err error) {
	if reason = strings.TrimSpace(reason); reason == "" || len(reason) > maxReason {
		return nil, fmt.Errorf("the reason needs 1 to %d bytes", maxReason)
	}
	if err := inUse(cfg); err != nil {
		return nil, err
	}
	cfg.acceptRollback = reason
	err = offline(ctx, cfg, stderr, func(h *house) (err error) {
		if h.afterOpen == nil {
			return errors.New("nothing to accept: the database is not older than what is remembered of it")
		}
		since, err = h.revokedSince(ctx, h.rolledBackTo)
		return err
	})
	return since, err
}
