package objects

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"strongroom/audit"
	"strongroom/crn"
	"strongroom/fault"
	"strongroom/iam"
)

// Actions on the storage nodes, which are the operator's.
const (
	ActionNodeList    iam.Action = "strongroom.node.list"
	ActionNodeAdd     iam.Action = "strongroom.node.add"
	ActionNodeDrain   iam.Action = "strongroom.node.drain"
	ActionNodeReplace iam.Action = "strongroom.node.replace"
	ActionSliceMap    iam.Action = "strongroom.slice-map.read"
)

// StorageConfig is what the operator's door to the storage nodes needs. Every field is required.
type StorageConfig struct {
	Roster   NodeStore
	Cluster  Cluster
	Store    Store // to find the slices of an object
	Decider  iam.Decider
	Log      iam.Recorder
	Operator iam.AccountID // whose account may ask
	Now      func() time.Time
}

// Storage is the operator's door to the storage nodes. Safe for concurrent use.
type Storage struct {
	StorageConfig
	door iam.Door
}

// NewStorage returns the door.
func NewStorage(c StorageConfig) *Storage {
	return &Storage{StorageConfig: c, door: iam.Door{Decide: c.Decider, Log: c.Log, Service: "Strongroom"}}
}

// Nodes returns every node as it is now, and how safe the stored blobs are.
func (s *Storage) Nodes(ctx context.Context, who iam.Caller) (nodes []NodeStatus, h Health, err error) {
	err = s.read(ctx, who, ActionNodeList, "", func() error {
		nodes, h, err = s.Cluster.Status(ctx)
		return err
	})
	return nodes, h, err
}

// AddNode probes a node and adds it; ID, State, Created and Revision are given by the service.
func (s *Storage) AddNode(ctx context.Context, who iam.Caller, n Node) (Node, error) {
	err := s.change(ctx, who, ActionNodeAdd, n.Name, func(ev *audit.Event) (err error) {
		n, err = s.add(ctx, n, ev)
		return err
	})
	return n, err
}

// DrainNode stops writing to a node and has its slices moved elsewhere.
func (s *Storage) DrainNode(ctx context.Context, who iam.Caller, name string) (n Node, err error) {
	err = s.change(ctx, who, ActionNodeDrain, name, func(ev *audit.Event) error {
		n, err = s.turn(ctx, name, NodeDraining, ev)
		return err
	})
	return n, err
}

// ReplaceNode gives a lost node up and adds another in its place, where its slices are rebuilt.
func (s *Storage) ReplaceNode(ctx context.Context, who iam.Caller, lost string, by Node) (Node, error) {
	err := s.change(ctx, who, ActionNodeReplace, lost, func(ev *audit.Event) (err error) {
		if _, err := s.find(ctx, lost); err != nil {
			return err
		}
		if by, err = s.add(ctx, by, nil); err != nil {
			return err
		}
		_, err = s.turn(ctx, lost, NodeLost, ev)
		return err
	})
	return by, err
}

// SliceMap says where the slices of a version of an object are, each read and verified.
func (s *Storage) SliceMap(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) (list []SliceMap, err error) {
	err = s.read(ctx, who, ActionSliceMap, bucket+"/"+key, func() error {
		list, err = s.sliceMap(ctx, bucket, key, v)
		return err
	})
	return list, err
}

func (s *Storage) sliceMap(ctx context.Context, bucket, key string, v VersionID) ([]SliceMap, error) {
	b, err := s.Store.Bucket(ctx, bucket)
	if err != nil {
		return nil, or(err, ErrNoBucket)
	}
	row, err := s.Store.Latest(ctx, b.ID, key)
	if v != "" {
		row, err = s.Store.Version(ctx, b.ID, key, v)
	}
	if err != nil {
		return nil, or(err, ErrNoObject)
	}
	parts, err := s.Store.PartsOf(ctx, row)
	if err != nil {
		return nil, fmt.Errorf("reading the parts of an object: %w", err)
	}
	list := make([]SliceMap, 0, len(parts))
	for _, p := range parts {
		m := SliceMap{
			Part: p.Number, Blob: p.Blob.ID, Profile: p.Blob.Profile, Data: p.Blob.Data, Total: p.Blob.Total,
			Size: p.Blob.Size, Inline: len(p.Blob.Nodes) == 0,
		}
		if !m.Inline {
			if m.Slices, err = s.Cluster.Map(ctx, p.Blob); err != nil {
				return nil, fmt.Errorf("reading the slices of blob %s: %w", p.Blob.ID, err)
			}
		}
		list = append(list, m)
	}
	return list, nil
}

// or says in the words of the domain that something is not there.
func or(err, absent error) error {
	if fault.KindOf(err) == fault.NotFound {
		return absent
	}
	return err
}

// add checks, probes and stores a new node.
func (s *Storage) add(ctx context.Context, n Node, ev *audit.Event) (Node, error) {
	n.State, n.Created, n.Revision = NodeActive, s.Now(), 0
	n.ID = NewNodeID()
	if err := n.Check(); err != nil {
		return Node{}, err
	}
	if err := s.Cluster.Probe(ctx, n); err != nil {
		return Node{}, ErrNode.On("url", "the node cannot be used: "+reason(err))
	}
	if err := s.Roster.AddNode(ctx, n, ev); err != nil {
		return Node{}, err
	}
	return n, s.Cluster.Reload(ctx)
}

// turn changes the state of a node.
func (s *Storage) turn(ctx context.Context, name string, to NodeState, ev *audit.Event) (Node, error) {
	n, err := s.find(ctx, name)
	if err != nil {
		return Node{}, err
	}
	n.State = to
	if err := s.Roster.UpdateNode(ctx, n, ev); err != nil {
		return Node{}, fmt.Errorf("storing node %s: %w", name, err)
	}
	return n, s.Cluster.Reload(ctx)
}

// find returns the node that is called so and still in use.
func (s *Storage) find(ctx context.Context, name string) (Node, error) {
	nodes, err := s.Roster.Nodes(ctx)
	if err != nil {
		return Node{}, fmt.Errorf("reading the list of nodes: %w", err)
	}
	for _, n := range nodes {
		if n.Name == name && (n.State == NodeActive || n.State == NodeDraining) {
			return n, nil
		}
	}
	return Node{}, ErrNoNode
}

// NewNodeID draws an ID.
func NewNodeID() NodeID {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the process instead
	return NodeID(hex.EncodeToString(b[:]))
}

// Check refuses a node whose description cannot be one.
func (n *Node) Check() error {
	const longest = 64
	plain := func(s string) bool {
		return s != "" && len(s) <= longest && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-.") == ""
	}
	u, err := url.Parse(n.URL)
	switch {
	case !plain(n.Name):
		return ErrNode.On("name", "it needs 1 to 64 lower-case letters, digits, dots and hyphens")
	case !plain(n.Site):
		return ErrNode.On("site", "it needs 1 to 64 lower-case letters, digits, dots and hyphens")
	case err != nil || u.User != nil || (u.Scheme != "file" && u.Scheme != "s3"):
		return ErrNode.On("url", "it must begin with file:// or s3://, and hold no credentials")
	case u.Scheme == "file" && (u.Host != "" || !filepath.IsAbs(filepath.FromSlash(u.Path))):
		return ErrNode.On("url", "the folder must be absolute, as in file:///srv/strongroom/1")
	case u.Scheme == "s3" && u.Host == "":
		return ErrNode.On("url", "the bucket is missing, as in s3://bucket?endpoint=https://s3.example.com")
	case n.CredentialsFile != "" && !filepath.IsAbs(n.CredentialsFile):
		return ErrNode.On("credentials_file", "it must be an absolute path")
	}
	return nil
}

// reason tells the operator, who has to mend it, why a node cannot be used.
func reason(err error) string {
	if text, ok := fault.Explain(err); ok {
		return text
	}
	return clip(err.Error())
}

// read passes an operation that changes nothing.
func (s *Storage) read(ctx context.Context, who iam.Caller, action iam.Action, name string, do func() error) error {
	return s.door.Read(ctx, who, action, s.target(who), s.event(who, action, name), func() error { return s.operating(who, do) })
}

// change passes an operation that commits a change together with its event.
func (s *Storage) change(ctx context.Context, who iam.Caller, action iam.Action, name string, do func(*audit.Event) error) error {
	ev := s.event(who, action, name)
	return s.door.Change(ctx, who, action, s.target(who), ev, func() error {
		return s.operating(who, func() error { return do(ev) })
	})
}

// Refuse records a request that could not be understood.
func (s *Storage) Refuse(ctx context.Context, who iam.Caller, action iam.Action, cause error) error {
	return s.door.Refuse(ctx, who, action, s.target(who), s.event(who, action, ""), cause)
}

// operating lets nobody in but the operator: nodes hold slices of every tenant.
func (s *Storage) operating(who iam.Caller, do func() error) error {
	if who.Account != s.Operator || s.Operator == "" {
		return iam.ErrForbidden
	}
	return do()
}

func (s *Storage) target(who iam.Caller) iam.Object {
	return iam.Object{Account: who.Account, Service: "strongroom", Type: "node"}
}

func (s *Storage) event(who iam.Caller, action iam.Action, name string) *audit.Event {
	id := crn.Of("strongroom", "", string(who.Account), "", "node", clip(name))
	return who.Event(action, audit.Target{ID: id.String(), Name: clip(name), TypeURI: typeURI(action)})
}
