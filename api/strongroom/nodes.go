package strongroom

import (
	"context"
	"net/http"

	"strongroom/iam"
	"strongroom/internal/httpface"
	"strongroom/objects"
)

// Nodes is the list of storage nodes, as JSON.
type Nodes struct {
	Nodes  []Node `json:"nodes"`
	Health Health `json:"health"`
}

// Node is a storage node, as JSON.
type Node struct {
	ID        string `json:"id"`
	Name      string `json:"name"`
	Site      string `json:"site"`
	URL       string `json:"url"`
	State     string `json:"state"`
	CreatedAt string `json:"created_at"`
	// Status is left out where only the node itself was asked for.
	Status *NodeStatus `json:"status,omitempty"`
}

// NodeStatus is how a storage node is doing. Capacity and free space are 0 where they are unknown.
type NodeStatus struct {
	Reachable bool   `json:"reachable"`
	Failure   string `json:"failure,omitempty"`
	Capacity  int64  `json:"capacity_bytes"`
	Free      int64  `json:"free_bytes"`
	Slices    int64  `json:"slices"`
	Bytes     int64  `json:"slice_bytes"`
	Missing   int64  `json:"missing_slices"`
	CheckedAt string `json:"checked_at,omitempty"`
}

// Health is how safe the stored blobs are, as JSON. A blob is one part of an object.
type Health struct {
	Blobs     int64  `json:"blobs"`
	Bytes     int64  `json:"bytes"`
	Whole     int64  `json:"whole"`
	Reduced   int64  `json:"reduced"`
	AtRisk    int64  `json:"at_risk"`
	Lost      int64  `json:"lost"`
	Dead      int64  `json:"to_be_removed"`
	Scrub     Scrub  `json:"scrub"`
	CheckedAt string `json:"checked_at,omitempty"`
}

// Scrub is how far the verification of stored slices has come, as JSON.
type Scrub struct {
	StartedAt  string `json:"started_at,omitempty"`
	FinishedAt string `json:"finished_at,omitempty"`
	Slices     int64  `json:"slices"`
	Bad        int64  `json:"bad"`
	Repaired   int64  `json:"repaired"`
}

func newNode(n objects.Node) Node {
	return Node{
		ID: string(n.ID), Name: n.Name, Site: n.Site, URL: n.URL, State: string(n.State), CreatedAt: stamp(n.Created),
	}
}

func newNodes(list []objects.NodeStatus, h objects.Health) Nodes {
	out := Nodes{Nodes: []Node{}, Health: Health{
		Blobs: h.Blobs, Bytes: h.Bytes, Whole: h.Whole, Reduced: h.Reduced, AtRisk: h.AtRisk, Lost: h.Lost, Dead: h.Dead,
		CheckedAt: stamp(h.Checked), Scrub: Scrub{
			StartedAt: stamp(h.Scrub.Started), FinishedAt: stamp(h.Scrub.Finished),
			Slices: h.Scrub.Slices, Bad: h.Scrub.Bad, Repaired: h.Scrub.Repaired,
		},
	}}
	for _, n := range list {
		is := newNode(n.Node)
		is.Status = &NodeStatus{
			Reachable: n.Reachable, Failure: n.Failure, Capacity: n.Capacity, Free: n.Free,
			Slices: n.Slices, Bytes: n.Bytes, Missing: n.Missing, CheckedAt: stamp(n.Checked),
		}
		out.Nodes = append(out.Nodes, is)
	}
	return out
}

func (f *face) nodes(ctx context.Context, who iam.Caller, _ *httpface.Call) (httpface.Answer, error) {
	list, health, err := f.storage.Nodes(ctx, who)
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: newNodes(list, health)}, nil
}

// newNodeBody is the body that describes a node to be added.
type newNodeBody struct {
	Name            string `json:"name"`
	Site            string `json:"site"`
	URL             string `json:"url"`
	CredentialsFile string `json:"credentials_file"`
}

func (b newNodeBody) node() objects.Node {
	return objects.Node{Name: b.Name, Site: b.Site, URL: b.URL, CredentialsFile: b.CredentialsFile}
}

func (f *face) addNode(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var b newNodeBody
	if err := decode(c, &b); err != nil {
		return httpface.Answer{}, f.storage.Refuse(ctx, who, objects.ActionNodeAdd, err)
	}
	return nodeAnswer(f.storage.AddNode(ctx, who, b.node()))
}

func (f *face) drainNode(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	if err := decode(c, &struct{}{}); err != nil {
		return httpface.Answer{}, f.storage.Refuse(ctx, who, objects.ActionNodeDrain, err)
	}
	return nodeAnswer(f.storage.DrainNode(ctx, who, c.Path("name")))
}

func (f *face) replaceNode(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	var b newNodeBody
	if err := decode(c, &b); err != nil {
		return httpface.Answer{}, f.storage.Refuse(ctx, who, objects.ActionNodeReplace, err)
	}
	return nodeAnswer(f.storage.ReplaceNode(ctx, who, c.Path("name"), b.node()))
}

func nodeAnswer(n objects.Node, err error) (httpface.Answer, error) {
	if err != nil {
		return httpface.Answer{}, err
	}
	return httpface.Answer{Body: newNode(n)}, nil
}

// SliceMap is where the slices of an object are, as JSON.
type SliceMap struct {
	Parts []PartSlices `json:"parts"`
}

// PartSlices is where those of one part are.
type PartSlices struct {
	Part     int     `json:"part"`
	Blob     string  `json:"blob"`
	Profile  string  `json:"profile"`
	Data     int     `json:"data"`
	Total    int     `json:"total"`
	Size     int64   `json:"sealed_bytes"`
	Embedded bool    `json:"embedded"`
	Slices   []Slice `json:"slices"`
}

// Slice is one slice, which was just read and verified.
type Slice struct {
	Index   int    `json:"index"`
	Node    string `json:"node"`
	Site    string `json:"site"`
	Good    bool   `json:"good"`
	Failure string `json:"failure,omitempty"`
}

func (f *face) slices(ctx context.Context, who iam.Caller, c *httpface.Call) (httpface.Answer, error) {
	bucket, _ := c.Query("bucket")
	key, _ := c.Query("key")
	version, _ := c.Query("version")
	err := only(c, "bucket", "key", "version")
	if err == nil && (bucket == "" || key == "") {
		err = errQuery.On("bucket, key", "both are needed")
	}
	if err != nil {
		return httpface.Answer{}, f.storage.Refuse(ctx, who, objects.ActionSliceMap, err)
	}
	parts, err := f.storage.SliceMap(ctx, who, bucket, key, objects.VersionID(version))
	if err != nil {
		return httpface.Answer{}, err
	}
	out := SliceMap{Parts: []PartSlices{}}
	for _, p := range parts {
		is := PartSlices{
			Part: p.Part, Blob: p.Blob.String(), Profile: p.Profile, Data: p.Data, Total: p.Total,
			Size: p.Size, Embedded: p.Inline, Slices: []Slice{},
		}
		for _, s := range p.Slices {
			is.Slices = append(is.Slices, Slice{Index: s.Index, Node: s.Name, Site: s.Site, Good: s.Good, Failure: s.Fault})
		}
		out.Parts = append(out.Parts, is)
	}
	return httpface.Answer{Body: out}, nil
}

// nodeRoutes are the operator's operations on the storage nodes.
func (f *face) nodeRoutes() []httpface.Route[iam.Caller] {
	const nodes = "/strongroom/v1/nodes"
	return []httpface.Route[iam.Caller]{
		{Method: "GET", Path: nodes, Action: string(objects.ActionNodeList), Handle: f.nodes},
		{Method: "POST", Path: nodes, Action: string(objects.ActionNodeAdd), Status: http.StatusCreated, Handle: f.addNode},
		{Method: "POST", Path: nodes + "/{name}/drain", Action: string(objects.ActionNodeDrain), Handle: f.drainNode},
		{Method: "POST", Path: nodes + "/{name}/replace", Action: string(objects.ActionNodeReplace), Status: http.StatusCreated, Handle: f.replaceNode},
		{Method: "GET", Path: "/strongroom/v1/slices", Action: string(objects.ActionSliceMap), Handle: f.slices},
	}
}
