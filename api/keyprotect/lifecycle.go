package keyprotect

import (
	"context"
	"net/http"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/kms"
)

// parseEmpty refuses a body that says something: the action has no use for it.
func parseEmpty(c *call) (nothing, error) {
	return nothing{}, c.JSON(&struct{}{}, httpface.KnownFields)
}

// act is the handler of an action that says all in its path and answers nothing.
func (s *server) act(action iam.Action, do func(context.Context, iam.Caller, kms.Ref) error) handler {
	return handle(s, action, parseEmpty, func(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
		return answer{}, do(ctx, who, ref)
	})
}

func (s *server) disableKey() handler { return s.act(kms.ActionDisable, s.keys.Disable) }
func (s *server) enableKey() handler  { return s.act(kms.ActionEnable, s.keys.Enable) }
func (s *server) syncKey() handler    { return s.act(kms.ActionSync, s.keys.Sync) }

func (s *server) setKeyForDeletion() handler {
	return s.act(kms.ActionAuthorize, s.keys.Authorize)
}

func (s *server) unsetKeyForDeletion() handler {
	return s.act(kms.ActionUnauthorize, s.keys.Unauthorize)
}

// restoreKey always shows the key. A body is not looked at: older clients sent the key in it.
func (s *server) restoreKey() handler {
	return handle(s, kms.ActionRestore, parseNothing, func(ctx context.Context, who iam.Caller, ref kms.Ref, _ nothing) (answer, error) {
		k, err := s.keys.Restore(ctx, who, ref)
		if err != nil {
			return answer{}, err
		}
		return sendKey(s.full(&k)), nil
	})
}

// parsePurge says whether the key is to be shown as it was.
func parsePurge(c *call) (representation bool, err error) {
	if representation = wantsRepresentation(c); representation {
		c.Trail.Success = http.StatusOK
	}
	return representation, queryOf(c).err
}

func (s *server) purgeKey(ctx context.Context, who iam.Caller, ref kms.Ref, representation bool) (answer, error) {
	k, err := s.keys.Purge(ctx, who, ref)
	switch {
	case err != nil:
		return answer{}, err
	case representation:
		return sendKey(s.listed(&k)), nil
	}
	return answer{}, nil
}
