package keyprotect

import (
	"context"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// parsePatch reads the ring that a key is to be moved to: nothing else of a key can be changed.
func parsePatch(c *call) (kms.RingID, error) {
	var body struct {
		KeyRingID kms.RingID `json:"keyRingID"`
	}
	if err := queryOf(c).err; err != nil {
		return "", err
	}
	if err := c.JSON(&body, httpface.KnownFields); err != nil {
		return "", err
	}
	if body.KeyRingID == "" {
		return "", kms.ErrField.On("keyRingID", "the ID of a key ring")
	}
	return body.KeyRingID, nil
}

func (s *server) patchKey(ctx context.Context, who iam.Caller, ref kms.Ref, to kms.RingID) (answer, error) {
	k, err := s.keys.MoveKey(ctx, who, ref, to)
	if err != nil {
		return answer{}, err
	}
	return sendKey(s.full(&k)), nil
}
