package s3

import (
	"context"
	"encoding/xml"

	"strongroom/internal/httpface"
	"strongroom/objects"
)

// maxDelete is how many bytes the body of a removal of many objects may have: a thousand of the longest
// keys with every byte escaped.
const maxDelete = 8 << 20

type deleteRequest struct {
	XMLName xml.Name       `xml:"Delete"`
	Objects []deleteObject `xml:"Object"`
	Quiet   boolean
}

type deleteObject struct {
	Key       string
	VersionID *string `xml:"VersionId"`
	ETag      string
}

// deleteMany removes up to a thousand objects. Each is decided, and may fail, by itself.
func (f *face) deleteMany(ctx context.Context, q *request) (httpface.Answer, error) {
	if err := q.needDigest(); err != nil {
		return httpface.Answer{}, err
	}
	var in deleteRequest
	if err := q.readXML(&in, maxDelete); err != nil {
		return httpface.Answer{}, err
	}
	list, err := in.removals(q)
	if err != nil {
		return httpface.Answer{}, err
	}
	done, err := f.Objects.RemoveMany(ctx, q.who, q.bucket, list)
	if err != nil {
		return httpface.Answer{}, err
	}
	return deleteResult(list, done, bool(in.Quiet)), nil
}

func (in *deleteRequest) removals(q *request) ([]objects.Remove, error) {
	if len(in.Objects) == 0 || len(in.Objects) > objects.MaxPage {
		return nil, errXML.On("Delete", "from 1 to 1000 objects are needed")
	}
	bypass := q.header("X-Amz-Bypass-Governance-Retention") == "true"
	list := make([]objects.Remove, len(in.Objects))
	for i, o := range in.Objects {
		if o.Key == "" {
			return nil, errXML.On("Key", "it is missing")
		}
		list[i] = objects.Remove{Bucket: q.bucket, Key: o.Key, Bypass: bypass}
		if o.VersionID != nil {
			list[i].Version = objects.VersionID(*o.VersionID)
		}
		if o.ETag != "" {
			list[i].Conditions.Match = etags([]string{o.ETag})
		}
	}
	return list, nil
}

// deleteResult tells how each removal went; quiet leaves out what succeeded.
func deleteResult(asked []objects.Remove, done []objects.Removed, quiet bool) httpface.Answer {
	d := newDocument("DeleteResult")
	for i := range done {
		r := &done[i]
		switch {
		case r.Err != nil:
			why := reasonFor(r.Err)
			d.open("Error")
			d.text("Key", asked[i].Key)
			d.given("VersionId", string(asked[i].Version))
			d.text("Code", why.code)
			d.text("Message", why.message)
			d.close("Error")
		case !quiet:
			d.open("Deleted")
			d.text("Key", asked[i].Key)
			d.given("VersionId", string(asked[i].Version))
			if r.Marker {
				d.truth("DeleteMarker", true)
				d.given("DeleteMarkerVersionId", string(r.Version))
			}
			d.close("Deleted")
		}
	}
	return d.answer()
}
