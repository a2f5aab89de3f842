package keyprotect

import (
	"context"

	"strongroom/iam"
	"strongroom/kms"
)

// ring is a key ring on the wire. The default one has no dates.
type ring struct {
	ID           kms.RingID     `json:"id"`
	CreationDate string         `json:"creationDate,omitempty"`
	CreatedBy    iam.IdentityID `json:"createdBy,omitempty"`
}

// pageRequest is a list that can only be paged.
type pageRequest struct {
	limit, offset int
	total         bool
}

const defaultRingLimit = 100

func parseRings(c *call) (pageRequest, error) {
	q := queryOf(c, "limit", "offset", "totalCount")
	req := pageRequest{limit: q.limitOr(defaultRingLimit), offset: q.offset(), total: q.is("totalCount")}
	return req, q.err
}

func (s *server) listRings(ctx context.Context, who iam.Caller, ref kms.Ref, req pageRequest) (answer, error) {
	rings, total, err := s.keys.Rings(ctx, who, ref.Instance, req.limit, req.offset)
	if err != nil {
		return answer{}, err
	}
	resources := make([]ring, len(rings))
	for i, r := range rings {
		resources[i] = ring{ID: r.ID, CreationDate: date(r.Created), CreatedBy: r.CreatedBy}
	}
	out := collect(typeKeyRing, resources)
	if req.total {
		out = out.counted(total)
	}
	return out.send(), nil
}

// ringOf returns the ring that the path names.
func ringOf(c *call) kms.RingID { return kms.RingID(c.Path("ring")) }

func parseNewRing(c *call) (kms.RingID, error) {
	return ringOf(c), queryOf(c).err
}

// createRing answers without a body: IBM's Go client takes any for a failure.
func (s *server) createRing(ctx context.Context, who iam.Caller, ref kms.Ref, id kms.RingID) (answer, error) {
	if _, err := s.keys.CreateRing(ctx, who, ref.Instance, id); err != nil {
		return answer{}, err
	}
	return answer{}, nil
}

type ringDeletion struct {
	id    kms.RingID
	force bool
}

func parseRingDeletion(c *call) (ringDeletion, error) {
	q := queryOf(c, "force")
	return ringDeletion{id: ringOf(c), force: q.is("force")}, q.err
}

func (s *server) deleteRing(ctx context.Context, who iam.Caller, ref kms.Ref, in ringDeletion) (answer, error) {
	return answer{}, s.keys.DeleteRing(ctx, who, ref.Instance, in.id, in.force)
}
