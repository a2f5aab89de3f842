package resourcecontroller

import (
	"context"
	"strconv"

	"strongroom/fault"
	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

// maxTagged is how many resources one request may tag.
const maxTagged = 100

type tagRequest struct {
	Resources []struct {
		ResourceID string `json:"resource_id"`
	} `json:"resources"`
	TagName  string   `json:"tag_name"`
	TagNames []string `json:"tag_names"`
}

type tagResult struct {
	ResourceID string `json:"resource_id"`
	IsError    bool   `json:"is_error"`
	Message    string `json:"message,omitempty"`
}

type tagResults struct {
	Results []tagResult `json:"results"`
}

// userTags reports whether the query is about the one type of tags that exists.
func userTags(c *call) bool {
	t := value(c, "tag_type")
	return t == "" || t == "user"
}

func (s *server) attachTags(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	replace, err := flag(c, "replace")
	if err != nil {
		return answer{}, s.resources.Refuse(ctx, who, resource.ActionTagAttach, err)
	}
	return s.changeTags(ctx, who, c, func(id string, tags []string) error {
		return s.resources.Attach(ctx, who, id, tags, replace != nil && *replace)
	})
}

func (s *server) detachTags(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	return s.changeTags(ctx, who, c, func(id string, tags []string) error {
		return s.resources.Detach(ctx, who, id, tags)
	})
}

// changeTags answers for each resource by itself: one that fails does not keep
// the others from their tags.
func (s *server) changeTags(ctx context.Context, who iam.Caller, c *call, change func(string, []string) error) (answer, error) {
	in, err := readTags(c)
	if err != nil {
		return answer{}, s.resources.Refuse(ctx, who, iam.Action(c.Action), err)
	}
	body := tagResults{Results: make([]tagResult, 0, len(in.Resources))}
	for _, r := range in.Resources {
		err := change(r.ResourceID, in.TagNames)
		switch fault.KindOf(err) {
		case fault.Internal, fault.Unavailable:
			if err != nil {
				return answer{}, err
			}
		}
		text, _ := fault.Explain(err)
		body.Results = append(body.Results, tagResult{ResourceID: r.ResourceID, IsError: err != nil, Message: text})
	}
	return answer{Body: body}, nil
}

func readTags(c *call) (in tagRequest, err error) {
	if err := c.JSON(&in, httpface.AnyFields); err != nil {
		return in, err
	}
	if in.TagName != "" {
		in.TagNames = append(in.TagNames, in.TagName)
	}
	switch {
	case !userTags(c):
		return in, resource.ErrInvalid.On("tag_type", "only user tags exist here")
	case len(in.TagNames) == 0:
		return in, resource.ErrInvalid.On("tag_names", "is missing")
	case len(in.Resources) == 0 || len(in.Resources) > maxTagged:
		return in, resource.ErrInvalid.On("resources", "needs 1 to "+strconv.Itoa(maxTagged)+" resources")
	}
	return in, nil
}

type tagItem struct {
	Name string `json:"name"`
}

type tagList struct {
	TotalCount int       `json:"total_count"`
	Offset     int       `json:"offset"`
	Limit      int       `json:"limit"`
	Items      []tagItem `json:"items"`
}

// longestTagPage is what Global Tagging allows.
const longestTagPage = 1000

func (s *server) listTags(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	p, err := page(c, longestTagPage, maxPage)
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	offset := 0
	if text := value(c, "offset"); text != "" {
		if offset, err = strconv.Atoi(text); err != nil || offset < 0 {
			return s.refuseList(ctx, who, c, errQuery.On("offset", "needs a number that is not negative"))
		}
	}
	var f resource.InstanceFilter
	if on := value(c, "attached_to"); on != "" {
		if f.ID = resource.InstanceID(resource.GUID(on)); f.ID == "" {
			f.ID = nothing
		}
	}
	if foreign(c, who) || !userTags(c) {
		f.ID = nothing
	}
	names, err := s.resources.TagNames(ctx, who, f)
	if err != nil {
		return answer{}, err
	}
	body := tagList{TotalCount: len(names), Offset: offset, Limit: p.Limit, Items: []tagItem{}}
	for n := offset; n < len(names) && len(body.Items) < p.Limit; n++ {
		body.Items = append(body.Items, tagItem{names[n]})
	}
	return answer{Body: body}, nil
}

type deletedTag struct {
	Provider string `json:"provider"`
	IsError  bool   `json:"is_error"`
}

type deletedTagBody struct {
	Results []deletedTag `json:"results"`
}

// deleteTag succeeds for a tag that is attached to nothing, since a tag exists
// only where it is attached.
func (s *server) deleteTag(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	attached, err := s.resources.TagNames(ctx, who, resource.InstanceFilter{Tag: c.Path("name")})
	if err != nil {
		return answer{}, err
	}
	return answer{Body: deletedTagBody{[]deletedTag{{Provider: "ghost", IsError: len(attached) > 0}}}}, nil
}

type deletedTagsBody struct {
	TotalCount int        `json:"total_count"`
	Errors     bool       `json:"errors"`
	Items      []struct{} `json:"items"`
}

// deleteUnusedTags has nothing to do, for the same reason.
func deleteUnusedTags(context.Context, iam.Caller, *call) (answer, error) {
	return answer{Body: deletedTagsBody{Items: []struct{}{}}}, nil
}
