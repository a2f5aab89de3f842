package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
)

type tagging struct {
	XMLName xml.Name `xml:"Tagging"`
	xmlns
	TagSet *tagSet
}

type tagSet struct {
	Tags []tag `xml:"Tag"`
}

type tag struct{ Key, Value string }

func (f *face) getTagging(ctx context.Context, q *request) (httpface.Answer, error) {
	o, err := f.Objects.Tags(ctx, q.who, q.bucket, q.key, q.version())
	if err != nil {
		return httpface.Answer{}, err
	}
	return writeXML(tagging{xmlns: inNamespace(), TagSet: &tagSet{tagList(o.Tags)}}, versioned(&o))
}

func (f *face) putTagging(ctx context.Context, q *request) (httpface.Answer, error) {
	var in tagging
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	tags, err := in.tags()
	if err != nil {
		return httpface.Answer{}, err
	}
	o, err := f.Objects.SetTags(ctx, q.who, q.bucket, q.key, q.version(), tags)
	return httpface.Answer{Header: versioned(&o)}, err
}

func (f *face) deleteTagging(ctx context.Context, q *request) (httpface.Answer, error) {
	o, err := f.Objects.SetTags(ctx, q.who, q.bucket, q.key, q.version(), nil)
	return httpface.Answer{Header: versioned(&o)}, err
}

// tags are those that a document names. None is not nil: it replaces what there is by nothing.
func (in *tagging) tags() (map[string]string, error) {
	if in.TagSet == nil {
		return nil, errXML.On("TagSet", "it is missing")
	}
	return tagMap(in.TagSet.Tags)
}
