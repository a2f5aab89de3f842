package resourcecontroller

import (
	"context"
	"strconv"
	"strings"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/resource"
)

type searchRequest struct {
	Query        string `json:"query"`
	SearchCursor string `json:"search_cursor"`
}

// searchItem has every member of ours, whatever fields the client asked for.
// Its lists are never null: Terraform reads them without looking.
type searchItem struct {
	CRN             string   `json:"crn"`
	Name            string   `json:"name"`
	Family          string   `json:"family"`
	Type            string   `json:"type"`
	ServiceName     string   `json:"service_name"`
	Region          string   `json:"region"`
	AccountID       string   `json:"account_id"`
	ResourceGroupID string   `json:"resource_group_id"`
	Tags            []string `json:"tags"`
	AccessTags      []string `json:"access_tags"`
	ServiceTags     []string `json:"service_tags"`
}

type searchBody struct {
	Limit        int          `json:"limit"`
	SearchCursor string       `json:"search_cursor,omitempty"`
	Items        []searchItem `json:"items"`
}

// Pages of Global Search.
const (
	longestSearch = 1000
	usualSearch   = 10
)

func (s *server) search(ctx context.Context, who iam.Caller, c *call) (answer, error) {
	var in searchRequest
	p, err := page(c, longestSearch, usualSearch)
	if err == nil {
		err = c.JSON(&in, httpface.AnyFields)
	}
	var q searchQuery
	if err == nil {
		q, err = parseSearch(in.Query)
	}
	if err == nil && in.SearchCursor != "" {
		if p.After = resource.GUID(in.SearchCursor); p.After == "" {
			err = errQuery.On("search_cursor", "is not one that an earlier answer gave")
		}
	}
	if err != nil {
		return s.refuseList(ctx, who, c, err)
	}
	if foreign(c, who) {
		q.filter.ID = nothing
	}
	found, more, err := s.resources.Search(ctx, who, q.filter, p)
	if err != nil {
		return answer{}, err
	}
	body := searchBody{Limit: p.Limit, Items: make([]searchItem, 0, len(found))}
	for _, t := range found {
		if item := newSearchItem(t); q.crn == "" || q.crn == item.CRN {
			body.Items = append(body.Items, item)
		}
	}
	if more {
		body.SearchCursor = string(found[len(found)-1].Instance.ID)
	}
	return answer{Body: body}, nil
}

func newSearchItem(t resource.Tagged) searchItem {
	i := t.Instance
	return searchItem{
		CRN: i.CRN().String(), Name: i.Name, Family: "resource_controller", Type: "resource-instance",
		ServiceName: i.Service, Region: i.Region, AccountID: string(i.Account), ResourceGroupID: string(i.ResourceGroup),
		Tags: append([]string{}, t.Tags...), AccessTags: []string{}, ServiceTags: []string{},
	}
}

// searchQuery is what a query of Global Search chooses.
type searchQuery struct {
	filter resource.InstanceFilter
	crn    string // if not empty, exactly this one
}

// parseSearch reads the part of the query language that clients of ours use:
// conditions field:value or field:"value" joined with AND, or * for everything.
func parseSearch(query string) (q searchQuery, err error) {
	rest := strings.TrimSpace(query)
	for rest != "" {
		var field, value string
		if field, value, rest, err = nextTerm(rest); err != nil {
			return searchQuery{}, err
		}
		if err := q.add(field, value); err != nil {
			return searchQuery{}, err
		}
	}
	return q, nil
}

// nextTerm cuts the first condition and the AND after it off a query.
func nextTerm(query string) (field, value, rest string, err error) {
	if query == "*" {
		return "", "", "", nil
	}
	field, rest, ok := strings.Cut(query, ":")
	if !ok {
		return "", "", "", errQuery.On("query", "needs conditions like name:\"value\", joined with AND")
	}
	if strings.HasPrefix(rest, `"`) {
		if value, err = strconv.QuotedPrefix(rest); err != nil {
			return "", "", "", errQuery.On("query", "a quoted value does not end")
		}
		rest = rest[len(value):]
		if value, err = strconv.Unquote(value); err != nil {
			return "", "", "", errQuery.On("query", "a quoted value is not valid")
		}
	} else {
		value, rest, _ = strings.Cut(rest, " ")
		rest = " " + rest
	}
	if rest = strings.TrimRight(rest, " "); rest == "" {
		return field, value, "", nil
	}
	next, ok := strings.CutPrefix(strings.TrimLeft(rest, " "), "AND ")
	if !ok || strings.TrimSpace(next) == "" {
		return "", "", "", errQuery.On("query", "conditions can only be joined with AND")
	}
	return field, value, strings.TrimSpace(next), nil
}

func (q *searchQuery) add(field, value string) error {
	switch field {
	case "": // *
	case "crn":
		q.crn = value
		if q.filter.ID = resource.InstanceID(resource.GUID(value)); q.filter.ID == "" {
			q.filter.ID = nothing
		}
	case "name":
		q.filter.Name = value
	case "tags":
		q.filter.Tag = strings.ToLower(value)
	case "service_name":
		q.filter.Service = value
	case "resource_group_id":
		q.filter.ResourceGroup = resource.GroupID(value)
	default:
		return errQuery.On("query", "knows the fields crn, name, tags, service_name and resource_group_id")
	}
	return nil
}
