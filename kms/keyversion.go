package kms

import (
	"context"

	"strongroom/iam"
)

// VersionsRequest says which versions of a key to list.
type VersionsRequest struct {
	Limit, Offset int
	AnyState      bool // also when the key is not active
}

// Versions lists the versions of a root key, the newest first, and says how many there are.
func (s *Service) Versions(ctx context.Context, who iam.Caller, ref Ref, req VersionsRequest) (page []Stamp, total int, err error) {
	err = s.visit(ctx, who, ref, operation{action: ActionVersions, act: func(v *visit) error {
		if err := v.record.needRoot(); err != nil {
			return err
		}
		if !req.AnyState {
			if err := v.record.needState(v.now, Active); err != nil {
				return err
			}
		}
		total = len(v.record.Versions)
		from := min(req.Offset, total)
		page = make([]Stamp, 0, min(req.Limit, total-from))
		for _, version := range v.record.Versions[from:min(from+req.Limit, total)] {
			page = append(page, version.Stamp)
		}
		v.tell(&v.record.Key, map[string]any{"totalResources": len(page)})
		return nil
	}})
	if err != nil {
		return nil, 0, err
	}
	return page, total, nil
}
