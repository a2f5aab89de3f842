package resource

import (
	"context"

	"strongroom/iam"
)

// InstanceOf returns the instance of a service that requests of a caller are about if they name none:
// the one that its credential was made for, or else the oldest that its account has, so that another
// instance changes nothing for clients that cannot name one. It is "" if there is none. It decides
// nothing and is not recorded: what is then done with the instance is.
func (s *Service) InstanceOf(ctx context.Context, who iam.Caller, service string) (InstanceID, error) {
	if who.Account == "" {
		return "", nil
	}
	if who.Credential != "" {
		keys, err := s.store.Keys(ctx, who.Account, KeyFilter{APIKey: who.Credential, Service: service}, Page{Limit: 1})
		if err != nil {
			return "", err
		}
		if len(keys) > 0 {
			return keys[0].Instance, nil
		}
	}
	list, err := s.store.Instances(ctx, who.Account, InstanceFilter{Service: service, State: StateActive}, Page{Limit: 1})
	if err != nil || len(list) == 0 {
		return "", err
	}
	return list[0].ID, nil
}
