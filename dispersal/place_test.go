package dispersal_test

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"testing"

	"strongroom/dispersal"
	"strongroom/objects"
)

// blobIDs calls f with count IDs that are the same each time.
func blobIDs(count int, f func(objects.BlobID)) {
	for i := range count {
		var id objects.BlobID
		binary.BigEndian.PutUint64(id[:], uint64(i))
		f(id)
	}
}

func candidates(sites ...int) (all []dispersal.Candidate) {
	for s, count := range sites {
		for range count {
			all = append(all, dispersal.Candidate{ID: nodeID(len(all)), Site: fmt.Sprint(s), Weight: 1})
		}
	}
	return all
}

func TestPlacesAreSpreadOverSites(t *testing.T) {
	for _, c := range []struct {
		sites []int // nodes of each
		count int
		want  []int // slices on each, sorted
	}{
		{[]int{2, 2, 2}, 6, []int{2, 2, 2}},
		{[]int{4, 4, 4}, 6, []int{2, 2, 2}},
		{[]int{9, 4, 4}, 12, []int{4, 4, 4}},
		{[]int{6, 1, 1}, 6, []int{1, 1, 4}},
		{[]int{3, 3}, 3, []int{1, 2}},
		{[]int{5}, 3, []int{3}},
		{[]int{2, 1}, 6, []int{1, 2}},
	} {
		from := candidates(c.sites...)
		site := map[objects.NodeID]string{}
		for _, f := range from {
			site[f.ID] = f.Site
		}
		blobIDs(50, func(id objects.BlobID) {
			chosen := dispersal.Place(id, from, c.count)
			bySite := map[string]int{}
			for _, n := range chosen {
				bySite[site[n]]++
			}
			var got []int
			for _, n := range bySite {
				got = append(got, n)
			}
			slices.Sort(got)
			distinct := slices.Compact(slices.Sorted(slices.Values(chosen)))
			if !slices.Equal(got, c.want) || len(distinct) != len(chosen) {
				t.Fatalf("%d of %v: chose %v, %v a site", c.count, c.sites, chosen, got)
			}
		})
	}
}

func TestPlacesFollowWeights(t *testing.T) {
	from := candidates(4)
	from[0].Weight = 3
	counts := map[objects.NodeID]int{}
	const blobs = 6000
	blobIDs(blobs, func(id objects.BlobID) { counts[dispersal.Place(id, from, 1)[0]]++ })
	for i, c := range from {
		want := blobs * c.Weight / 6
		if got := float64(counts[c.ID]); math.Abs(got-want) > 5*math.Sqrt(want) {
			t.Errorf("node %d of weight %v has %v blobs of about %v", i, c.Weight, got, want)
		}
	}
}

func TestPlacesChangeLittleWithTheNodes(t *testing.T) {
	from := candidates(7)
	blobIDs(200, func(id objects.BlobID) {
		before := dispersal.Place(id, from, 3)
		after := dispersal.Place(id, from[:6], 3)
		for _, n := range before {
			if n != from[6].ID && !slices.Contains(after, n) {
				t.Fatalf("a node that left changed %v to %v", before, after)
			}
		}
	})
}
