package objects

import (
	"context"
	"time"

	"strongroom/audit"
)

// NodeID names a storage node for good: 8 lower-case hexadecimal digits. It is not reused.
type NodeID string

// NodeState says what a node is used for.
type NodeState string

const (
	NodeActive   NodeState = "active"   // takes new slices
	NodeDraining NodeState = "draining" // is read, takes nothing new, and is being emptied
	NodeRemoved  NodeState = "removed"  // is empty and not used any more
	NodeLost     NodeState = "lost"     // was replaced: its slices are rebuilt elsewhere and it is not asked
)

// Node is a storage node: a folder, or a bucket of another object store.
type Node struct {
	ID   NodeID
	Name string // as people call it, unique
	Site string // nodes of one site fail together; slices are spread over sites first
	// URL is where it is: "file:///absolute/folder", or "s3://bucket?endpoint=…&region=…" as
	// gocloud.dev/blob takes it. Credentials are never in it.
	URL string
	// CredentialsFile is the path of a file in the form of AWS's shared credentials, for s3 nodes.
	CredentialsFile string
	State           NodeState
	Created         time.Time
	Revision        int64
}

// NodeStatus is a node as it is now.
type NodeStatus struct {
	Node
	Reachable bool
	Failure   string // why not, without secrets
	Capacity  int64  // bytes; 0 if unknown
	Free      int64  // bytes; 0 if unknown
	Slices    int64  // of live blobs that belong on it
	Bytes     int64  // of those slices, about
	Missing   int64  // of Slices that are known not to be good
	Checked   time.Time
}

// NodeStore keeps the list of nodes. Writes compare the revision (kind Stale), and commit the event, if
// there is one, with the change.
type NodeStore interface {
	Nodes(ctx context.Context) ([]Node, error) // removed ones too
	// AddNode fails with kind Conflict if a node that is not removed or lost has the name.
	AddNode(ctx context.Context, n Node, ev *audit.Event) error
	UpdateNode(ctx context.Context, n Node, ev *audit.Event) error
}

// Health sums up how safe the stored blobs are.
type Health struct {
	Blobs   int64 // dispersed and live
	Bytes   int64 // of them, before coding
	Whole   int64 // with every slice on a reachable node
	Reduced int64 // with slices missing, and more than enough left
	AtRisk  int64 // with exactly as many slices as are needed to read
	Lost    int64 // with fewer, at this time
	Dead    int64 // still to be removed
	Scrub   Scrub
	Checked time.Time
}

// Scrub tells how far the verification of slices has come.
type Scrub struct {
	Started  time.Time // of the round under way
	Finished time.Time // of the last whole round; zero if there was none
	Slices   int64     // verified in this round
	Bad      int64     // found bad in this round
	Repaired int64     // rebuilt since the start of the server
}

// SliceMap says where the slices of one part of an object are.
type SliceMap struct {
	Part    int
	Blob    BlobID
	Profile string
	Data    int
	Total   int
	Size    int64 // sealed, in bytes
	Inline  bool  // embedded in the database; there are no slices
	Slices  []SlicePlace
}

// SlicePlace is the place and the state of one slice.
type SlicePlace struct {
	Index int
	Node  NodeID
	Name  string // of the node
	Site  string
	Good  bool // was just read and verified
	Fault string
}

// Cluster is the storage nodes, as those who run them see them; package dispersal is it.
type Cluster interface {
	// Status returns each node as it is now, and how safe the blobs are, as last counted.
	Status(ctx context.Context) ([]NodeStatus, Health, error)
	// Probe checks that a node can be written, read and removed from, and returns why not. It gives
	// a new node its mark, without which the node is not used: n has its ID. The folder of a file
	// node is made, in one that is there.
	Probe(ctx context.Context, n Node) error
	// Reload reads the list of nodes again, after it was changed.
	Reload(ctx context.Context) error
	// Map reads and verifies every slice of a blob.
	Map(ctx context.Context, b Blob) ([]SlicePlace, error)
}
