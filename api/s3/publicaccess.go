package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type publicAccessBlockConfiguration struct {
	XMLName xml.Name `xml:"PublicAccessBlockConfiguration"`
	xmlns
	BlockPublicACLs  boolean `xml:"BlockPublicAcls"`
	IgnorePublicACLs boolean `xml:"IgnorePublicAcls"`
}

func (f *face) getPublicAccessBlock(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		p := b.PublicAccess
		if p == nil {
			return nil, errNoPublicAccess
		}
		return publicAccessBlockConfiguration{
			xmlns: inNamespace(), BlockPublicACLs: boolean(p.BlockPublicACLs), IgnorePublicACLs: boolean(p.IgnorePublicACLs),
		}, nil
	})
}

func (f *face) putPublicAccessBlock(ctx context.Context, q *request) (httpface.Answer, error) {
	var in publicAccessBlockConfiguration
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetPublicAccess(&objects.PublicAccessBlock{
		BlockPublicACLs: bool(in.BlockPublicACLs), IgnorePublicACLs: bool(in.IgnorePublicACLs),
	}))
}

func (f *face) deletePublicAccessBlock(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.configure(ctx, q, objects.SetPublicAccess(nil))
}
