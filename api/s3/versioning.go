package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

type versioningConfiguration struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	xmlns
	Status    string `xml:",omitempty"`
	MFADelete string `xml:"MfaDelete,omitempty"`
}

func (f *face) getVersioning(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.shownConfig(ctx, q, func(b *objects.BucketView) (any, error) {
		return versioningConfiguration{xmlns: inNamespace(), Status: string(b.Versioning)}, nil
	})
}

func (f *face) putVersioning(ctx context.Context, q *request) (httpface.Answer, error) {
	var in versioningConfiguration
	if err := q.readXML(&in, maxXML); err != nil {
		return httpface.Answer{}, err
	}
	v, err := in.versioning()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetVersioning(v))
}

func (in *versioningConfiguration) versioning() (objects.Versioning, error) {
	switch v := objects.Versioning(in.Status); {
	case in.MFADelete == "Enabled":
		return "", objects.ErrNotImplement.On("MfaDelete", "")
	case v == objects.VersioningEnabled, v == objects.VersioningSuspended:
		return v, nil
	}
	return "", errXML.On("Status", "it must be Enabled or Suspended")
}
