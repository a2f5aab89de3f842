package server

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"strongroom/audit"
)

// Revocation is a change that took something away, as the audit log remembers
// it.
type Revocation struct {
	Time                      time.Time
	Action, Account           string
	Target, TargetName, Actor string
}

// revoking are the last words of actions that take something away.
var revoking = []string{
	"delete", "disable", "lock", "purge", "remove", "revoke", "retire", "suspend",
}

// narrowing are actions that may take something away, or give it.
var narrowing = []string{
	"iam-am.policy.update", "iam-am.role.update", "iam-identity.apikey.update", "kms.instance-policies.write", "kms.policies.write",
}

// maxRevocations bounds a list of them.
const maxRevocations = 10_000

// revokedSince lists what the audit log remembers to have been revoked since a
// moment, the oldest first.
func (c *core) revokedSince(ctx context.Context, since time.Time) ([]Revocation, error) {
	var found []Revocation
	q := audit.Query{From: since, Outcome: audit.Success, Limit: 1000}
	for len(found) < maxRevocations {
		page, err := c.audit.Search(ctx, q)
		if err != nil {
			return nil, fmt.Errorf("searching the audit log: %w", err)
		}
		for _, ev := range page.Events {
			if isRevocation(ev.Action) {
				found = append(found, Revocation{
					Time: ev.Time, Action: ev.Action, Account: ev.Account,
					Target: ev.Target.ID, TargetName: ev.Target.Name, Actor: ev.Initiator.Name,
				})
			}
		}
		if q.Cursor = page.Next; q.Cursor == "" {
			break
		}
	}
	slices.Reverse(found)
	return found, nil
}

func isRevocation(action string) bool {
	last := action[strings.LastIndexByte(action, '.')+1:]
	return slices.Contains(revoking, last) || slices.Contains(narrowing, action)
}
