package keyprotect

import (
	"context"

	"strongroom/iam"
	"strongroom/kms"
)

// alias is an alias on the wire.
type alias struct {
	KeyID        kms.KeyID      `json:"keyId"`
	Alias        string         `json:"alias"`
	CreatedBy    iam.IdentityID `json:"createdBy"`
	CreationDate string         `json:"creationDate"`
}

// parseAlias reads the alias from the path. A body says nothing, and is not looked at.
func parseAlias(c *call) (string, error) { return c.Path("alias"), queryOf(c).err }

func (s *server) createAlias(ctx context.Context, who iam.Caller, ref kms.Ref, name string) (answer, error) {
	a, err := s.keys.AddAlias(ctx, who, ref, name)
	if err != nil {
		return answer{}, err
	}
	return collect(typeAlias, []alias{{
		KeyID: a.Key, Alias: a.Alias, CreatedBy: a.CreatedBy, CreationDate: date(a.Created),
	}}).send(), nil
}

func (s *server) deleteAlias(ctx context.Context, who iam.Caller, ref kms.Ref, name string) (answer, error) {
	return answer{}, s.keys.RemoveAlias(ctx, who, ref, name)
}
