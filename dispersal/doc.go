// Package dispersal keeps sealed segments so that they survive the loss of storage nodes.
//
// A blob is one sealed stream. Each of its segments is cut into k data shards, to which a Reed–Solomon
// code adds parity, n shards in all, of which any k are enough. Shard i of every segment goes, one after
// another, into one file on one node: slice i of the blob. Slices lie on n different nodes, spread over
// sites first.
//
// What is stored is sealed before it comes here, and no node has a key: fewer than k slices are not even
// the sealed stream. Each block of a slice has an authenticator under a key that only the servers have,
// over what it is a part of and its content, so that a block that was changed, moved or exchanged is
// detected and located, also on a node of somebody else; reading goes on with other slices.
//
// A write is acknowledged when at least the write threshold of slices is durable. What is missing then,
// or is lost later, is rebuilt in the background: [Cluster.Rebuild], [Cluster.Scrub], [Cluster.Collect]
// and [Cluster.Monitor] are jobs of the server, each of which runs until its context ends.
package dispersal
