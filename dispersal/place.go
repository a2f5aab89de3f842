package dispersal

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"math"
	"slices"

	"strongroom/objects"
)

// candidate is a node that may take a slice.
type candidate struct {
	id     objects.NodeID
	site   string
	weight float64 // above 0: what is free on it, relative to the others
}

// place chooses up to count of the candidates for a blob, the best first. It spreads over sites as
// evenly as they allow, and within that prefers by weighted rendezvous hashing: each node draws a score
// from its ID and the blob's, so that nodes are chosen in proportion to their weights, and a node that
// comes or goes changes the choice only where it is concerned. used counts what each site has already.
func place(id objects.BlobID, from []candidate, count int, used map[string]int) []objects.NodeID {
	scores := make(map[objects.NodeID]float64, len(from))
	for _, c := range from {
		scores[c.id] = score(id, c)
	}
	left := slices.SortedFunc(slices.Values(from), func(a, b candidate) int {
		return cmp.Or(cmp.Compare(scores[b.id], scores[a.id]), cmp.Compare(a.id, b.id))
	})
	load := make(map[string]int, len(used))
	for site, n := range used {
		load[site] = n
	}
	var chosen []objects.NodeID
	for len(chosen) < count && len(left) > 0 {
		best := 0
		for i, c := range left {
			if load[c.site] < load[left[best].site] {
				best = i
			}
		}
		chosen = append(chosen, left[best].id)
		load[left[best].site]++
		left = slices.Delete(left, best, best+1)
	}
	return chosen
}

// score is -weight/ln(u) with u uniform in (0,1), drawn from the two IDs by a hash: the node with the
// highest score wins with a probability in proportion to its weight.
func score(id objects.BlobID, c candidate) float64 {
	sum := sha256.Sum256(append(id[:], c.id...))
	u := (float64(binary.BigEndian.Uint64(sum[:])>>11) + 0.5) / (1 << 53)
	return -c.weight / math.Log(u)
}
