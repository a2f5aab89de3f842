package keyprotect

import (
	"context"

	"strongroom/iam"
	"strongroom/kms"
)

// version is a key version on the wire.
type version struct {
	ID           kms.VersionID `json:"id"`
	CreationDate string        `json:"creationDate,omitempty"`
}

type versionsRequest struct {
	kms.VersionsRequest
	total bool
}

func parseVersions(c *call) (versionsRequest, error) {
	q := queryOf(c, "limit", "offset", "totalCount", "allKeyStates")
	req := versionsRequest{
		VersionsRequest: kms.VersionsRequest{Limit: q.limit(), Offset: q.offset(), AnyState: q.is("allKeyStates")},
		total:           q.is("totalCount"),
	}
	return req, q.err
}

func (s *server) listVersions(ctx context.Context, who iam.Caller, ref kms.Ref, req versionsRequest) (answer, error) {
	page, total, err := s.keys.Versions(ctx, who, ref, req.VersionsRequest)
	if err != nil {
		return answer{}, err
	}
	resources := make([]version, len(page))
	for i, v := range page {
		resources[i] = version{ID: v.ID, CreationDate: date(v.Created)}
	}
	out := collect(typeVersion, resources)
	if req.total {
		out = out.counted(total)
	}
	return out.send(), nil
}
