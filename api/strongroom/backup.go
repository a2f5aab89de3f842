package strongroom

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/masters"
)

// backup answers with a file. A failure on the way breaks the connection, and leaves a file that
// does not read to its end.
func (f *face) backup(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := decode(c, &struct{}{}); err != nil {
		return httpface.Answer{}, f.masters.Refuse(ctx, who, masters.ActionBackup, err)
	}
	stream, err := f.masters.Backup(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Type: "application/octet-stream", Stream: stream}, nil
}
