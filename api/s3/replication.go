package s3

import (
	"context"
	"encoding/xml"
	"net/http"

	"strongroom/crn"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

type replicationConfiguration struct {
	XMLName xml.Name `xml:"ReplicationConfiguration"`
	xmlns
	Role  string            `xml:",omitempty"`
	Rules []replicationRule `xml:"Rule"`
}

type replicationRule struct {
	ID                      string `xml:",omitempty"`
	Status                  string
	Priority                *int               `xml:",omitempty"`
	Filter                  *replicationFilter `xml:",omitempty"`
	DeleteMarkerReplication *statusElement     `xml:",omitempty"`
	Destination             replicationTarget
}

type replicationFilter struct {
	Prefix *string         `xml:",omitempty"`
	Tag    *tag            `xml:",omitempty"`
	And    *replicationAnd `xml:",omitempty"`
}

type replicationAnd struct {
	Prefix *string `xml:",omitempty"`
	Tags   []tag   `xml:"Tag,omitempty"`
}

type statusElement struct{ Status string }

type replicationTarget struct{ Bucket string }

func (f *face) getReplication(ctx context.Context, q *request) (httpface.Answer, error) {
	b, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket)
	if err != nil {
		return httpface.Answer{}, err
	}
	if b.Replication == nil {
		return httpface.Answer{}, errNoReplication
	}
	return httpface.Answer{Type: typeXML, Bytes: b.Replication.Document}, nil
}

func (f *face) putReplication(ctx context.Context, q *request) (httpface.Answer, error) {
	var in replicationConfiguration
	if err := q.readDigestedXML(&in); err != nil {
		return httpface.Answer{}, err
	}
	stored, err := in.stored()
	if err != nil {
		return httpface.Answer{}, err
	}
	return f.configure(ctx, q, objects.SetReplication(stored))
}

func (f *face) deleteReplication(ctx context.Context, q *request) (httpface.Answer, error) {
	return f.configure(ctx, q, objects.SetReplication(nil))
}

// stored is the configuration as it is kept and shown again: what was understood of it, in our words,
// so that nobody is served a document that another has written.
func (in *replicationConfiguration) stored() (*objects.Replication, error) {
	if len(in.Rules) == 0 {
		return nil, errXML.On("ReplicationConfiguration", "it has no rule")
	}
	for _, r := range in.Rules {
		switch target, err := crn.Parse(r.Destination.Bucket); {
		case r.Status != "Enabled" && r.Status != "Disabled":
			return nil, errXML.On("Status", "it must be Enabled or Disabled")
		case err != nil || target.Service != crn.ObjectStorage || target.Type != "bucket":
			return nil, errParameter.On("Destination", "it must be the CRN of a bucket")
		}
	}
	in.xmlns = inNamespace()
	doc, err := renderXML(in)
	return &objects.Replication{Document: doc}, err
}

// listReplicationFailures has nothing to tell, as nothing is replicated.
func (f *face) listReplicationFailures(ctx context.Context, q *request) (httpface.Answer, error) {
	if _, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket); err != nil {
		return httpface.Answer{}, err
	}
	d := newDocument("ListReplicationFailureResult")
	d.text("Name", q.bucket)
	d.number("MaxKeys", objects.MaxPage)
	d.truth("IsTruncated", false)
	d.number("KeyCount", 0)
	return d.answer(), nil
}

// reattemptReplication finds nothing to try again.
func (f *face) reattemptReplication(ctx context.Context, q *request) (httpface.Answer, error) {
	_, err := f.Objects.Bucket(ctx, q.who, q.op.action, q.bucket)
	return httpface.Answer{Header: http.Header{}}, err
}
