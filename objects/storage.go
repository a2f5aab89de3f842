package objects

import (
	"context"
	"time"

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
	Nodes    NodeStore
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
func NewStorage(c StorageConfig) *Storage { panic("objects: not built") }

// Nodes returns every node as it is now, and how safe the stored blobs are.
func (s *Storage) Nodes(ctx context.Context, who iam.Caller) ([]NodeStatus, Health, error) {
	panic("objects: not built")
}

// AddNode probes a node and adds it; ID, State, Created and Revision are given by the service.
func (s *Storage) AddNode(ctx context.Context, who iam.Caller, n Node) (Node, error) {
	panic("objects: not built")
}

// DrainNode stops writing to a node and has its slices moved elsewhere.
func (s *Storage) DrainNode(ctx context.Context, who iam.Caller, name string) (Node, error) {
	panic("objects: not built")
}

// ReplaceNode gives a lost node up and adds another in its place, where its slices are rebuilt.
func (s *Storage) ReplaceNode(ctx context.Context, who iam.Caller, lost string, by Node) (Node, error) {
	panic("objects: not built")
}

// SliceMap says where the slices of a version of an object are, each read and verified.
func (s *Storage) SliceMap(ctx context.Context, who iam.Caller, bucket, key string, v VersionID) ([]SliceMap, error) {
	panic("objects: not built")
}
