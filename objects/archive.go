package objects

import (
	"context"
	"strings"
	"time"

	"strongroom/iam"
)

// Storage classes of the archive.
const (
	StorageGlacier     = "GLACIER"
	StorageAccelerated = "ACCELERATED"
)

// maxRestoreDays keeps the end of a restored copy within the years that dates have.
const maxRestoreDays = 36_500

// Archived reports whether the object was moved to the archive.
func (a Archive) Archived() bool { return !a.At.IsZero() }

// Readable reports whether the content can be read at this time: it is not archived, or restored.
func (a Archive) Readable(now time.Time) bool { return !a.Archived() || now.Before(a.Restored) }

// restore returns the state after a restoration for some days, which begins anew when there is one.
func (a Archive) restore(days int, tier string, now time.Time) (Archive, error) {
	fits := map[string]string{StorageGlacier: "Bulk", StorageAccelerated: "Accelerated"}[a.Storage]
	switch {
	case !a.Archived():
		return a, ErrNotArchived
	case days < 1 || days > maxRestoreDays:
		return a, ErrArgument.On("Days", "a copy is restored for 1 to 36500 days")
	case tier != "" && !strings.EqualFold(tier, fits):
		return a, ErrArgument.On("Tier", "it does not fit the storage class of the object")
	}
	a.Restored = now.AddDate(0, 0, days)
	return a, nil
}

// RestoreArchived makes an archived object readable for some days.
func (s *Service) RestoreArchived(ctx context.Context, who iam.Caller, bucket, key string, v VersionID, days int, tier string) (Object, error) {
	return s.amend(ctx, who, subresource{
		bucket: bucket, key: key, version: v,
		action: ActionObjectRestore, versioned: ActionObjectRestoreVersion,
	}, func(v *visit, row *Row) (err error) {
		v.request("days", days)
		row.Archive, err = row.Archive.restore(days, tier, v.now)
		return err
	})
}
