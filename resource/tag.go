package resource

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"strongroom/audit"
	"strongroom/iam"
)

// Limits of tags.
const (
	maxTag       = 128 // characters of one
	maxTags      = 100 // named in one request
	errTagFormat = "needs 1 to 128 letters, digits, spaces, hyphens, underscores, periods or colons"
)

// cleanTags puts tags into their stored form: lower case, sorted, each once.
func cleanTags(names []string) ([]string, error) {
	if len(names) > maxTags {
		return nil, ErrInvalid.On("tags", fmt.Sprintf("may be at most %d", maxTags))
	}
	clean := make([]string, 0, len(names))
	for _, name := range names {
		name = strings.ToLower(strings.TrimSpace(name))
		if !validName(name) || utf8.RuneCountInString(name) > maxTag {
			return nil, ErrInvalid.On("tags", errTagFormat)
		}
		clean = append(clean, name)
	}
	slices.Sort(clean)
	return slices.Compact(clean), nil
}

// Attach puts tags on an instance, named by CRN or GUID.
func (s *Service) Attach(ctx context.Context, who iam.Caller, name string, tags []string, replace bool) error {
	return s.tag(ctx, who, ActionTagAttach, name, tags, func(i Instance, tags []string, ev *audit.Event) error {
		if replace {
			return s.store.Replace(ctx, i, tags, ev)
		}
		return s.store.Attach(ctx, i, tags, ev)
	})
}

// Detach takes tags off an instance; those that it does not have are ignored.
func (s *Service) Detach(ctx context.Context, who iam.Caller, name string, tags []string) error {
	return s.tag(ctx, who, ActionTagDetach, name, tags, func(i Instance, tags []string, ev *audit.Event) error {
		return s.store.Detach(ctx, i, tags, ev)
	})
}

func (s *Service) tag(ctx context.Context, who iam.Caller, action iam.Action, name string, tags []string,
	do func(Instance, []string, *audit.Event) error,
) error {
	return s.changeInstance(ctx, who, action, name, func(i Instance, ev *audit.Event) error {
		if i.State == StateRemoved || i.State == StateReclaiming {
			return ErrDeleted
		}
		clean, err := cleanTags(tags)
		if err != nil {
			return err
		}
		if ev.RequestData == nil {
			ev.RequestData = map[string]any{}
		}
		ev.RequestData["tags"] = strings.Join(clean, ",")
		return do(i, clean, ev)
	})
}

// Tagged is an instance with its tags.
type Tagged struct {
	Instance Instance
	Tags     []string // in order
}

// Search lists instances of the caller's account that it may retrieve, with
// their tags.
func (s *Service) Search(ctx context.Context, who iam.Caller, f InstanceFilter, p Page) (list []Tagged, more bool, err error) {
	ev := who.Event(ActionTagList, audit.Target{TypeURI: "resource-controller/tag"})
	err = s.lists.Read(ctx, who, ActionTagList, iam.Object{Account: who.Account}, ev, func() error {
		found, goesOn, err := s.visibleInstances(ctx, who, f, p)
		if err != nil {
			return err
		}
		more = goesOn
		list, err = s.withTags(ctx, found)
		return err
	})
	if err != nil {
		return nil, false, err
	}
	return list, more, nil
}

func (s *Service) withTags(ctx context.Context, found []Instance) ([]Tagged, error) {
	ids := make([]InstanceID, len(found))
	for n, i := range found {
		ids[n] = i.ID
	}
	tags, err := s.store.Tags(ctx, ids...)
	if err != nil {
		return nil, err
	}
	list := make([]Tagged, len(found))
	for n, i := range found {
		list[n] = Tagged{Instance: i, Tags: tags[i.ID]}
	}
	return list, nil
}

// TagNames lists the tags on instances of the caller's account that it may
// retrieve, in order, each once.
func (s *Service) TagNames(ctx context.Context, who iam.Caller, f InstanceFilter) (names []string, err error) {
	ev := who.Event(ActionTagList, audit.Target{TypeURI: "resource-controller/tag"})
	err = s.lists.Read(ctx, who, ActionTagList, iam.Object{Account: who.Account}, ev, func() error {
		names, err = s.tagNames(ctx, who, f)
		return err
	})
	if err != nil {
		return nil, err
	}
	return names, nil
}

func (s *Service) tagNames(ctx context.Context, who iam.Caller, f InstanceFilter) ([]string, error) {
	seen := map[string]struct{}{}
	page := Page{Limit: wholeList}
	for {
		found, more, err := s.visibleInstances(ctx, who, f, page)
		if err != nil {
			return nil, err
		}
		tagged, err := s.withTags(ctx, found)
		if err != nil {
			return nil, err
		}
		for _, t := range tagged {
			for _, name := range t.Tags {
				seen[name] = struct{}{}
			}
		}
		if !more {
			break
		}
		page.After = string(found[len(found)-1].ID)
	}
	names := make([]string, 0, len(seen))
	for name := range seen {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, nil
}
