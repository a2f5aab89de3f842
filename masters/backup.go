package masters

import (
	"context"
	"io"

	"strongroom/iam"
)

// ActionBackup is the taking of a backup.
const ActionBackup iam.Action = "strongroom.backup.create"

// Backup begins a backup of the whole deployment, which the returned function writes: one file, that
// the current masters or their recovery shares open. The event is recorded as pending before the
// first byte, and with its outcome at the end.
func (s *Custodian) Backup(ctx context.Context, who iam.Caller) (func(io.Writer) error, error) {
	if who.Account != s.operator || s.operator == "" {
		return nil, s.Refuse(ctx, who, ActionBackup, iam.ErrForbidden)
	}
	end, err := s.door.Begin(ctx, who, ActionBackup, s.object(who), s.event(who, ActionBackup))
	if err != nil {
		return nil, err
	}
	return func(w io.Writer) error { return end(s.dump(ctx, w)) }, nil
}
