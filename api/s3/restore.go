package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
)

type restoreRequest struct {
	XMLName              xml.Name `xml:"RestoreRequest"`
	Days                 int
	GlacierJobParameters struct{ Tier string }
}

// restore makes an archived object readable for some days.
func (f *face) restore(ctx context.Context, q *request) (httpface.Answer, error) {
	var in restoreRequest
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	if in.Days < 1 {
		return httpface.Answer{}, errXML.On("Days", "it must be positive")
	}
	o, err := f.Objects.RestoreArchived(ctx, q.who, q.bucket, q.key, q.version(), in.Days, in.GlacierJobParameters.Tier)
	return httpface.Answer{Header: versioned(&o)}, err
}
