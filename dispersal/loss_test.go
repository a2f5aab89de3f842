package dispersal_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"strongroom/objects"
)

// corrupt is a mode of loss that is done to the files and not to the store.
const corrupt mode = "corrupt"

// combinations calls f with every choice of count of n.
func combinations(n, count int, f func([]int)) {
	var choose func(from int, chosen []int)
	choose = func(from int, chosen []int) {
		if len(chosen) == count {
			f(chosen)
			return
		}
		for i := from; i < n; i++ {
			choose(i+1, append(chosen[:len(chosen):len(chosen)], i))
		}
	}
	choose(0, nil)
}

// lose breaks the nodes in the given way.
func (r *rig) lose(m mode, nodes []int, blobs ...objects.Blob) {
	r.t.Helper()
	for _, i := range nodes {
		if m != corrupt {
			r.stores[nodeID(i)].set(m)
			continue
		}
		for _, b := range blobs {
			for s, id := range b.Nodes {
				if id == nodeID(i) {
					data := r.readSlice(b, s)
					data[len(data)/2] ^= 1
					r.writeSlice(b, s, data)
				}
			}
		}
	}
}

// mend repairs all nodes; what calls hang go on. Damaged files stay.
func (r *rig) mend() {
	for _, s := range r.stores {
		s.set(works)
	}
}

// upkeep lets the jobs run for some time.
func (r *rig) upkeep(d time.Duration) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), d)
	defer cancel()
	var all sync.WaitGroup
	for _, job := range []func(context.Context) error{r.cluster.Monitor, r.cluster.Rebuild, r.cluster.Collect, r.cluster.Scrub} {
		all.Go(func() {
			if err := job(ctx); err != nil && !errors.Is(err, context.DeadlineExceeded) {
				r.t.Errorf("a job failed: %v", err)
			}
		})
	}
	all.Wait()
}

// wantWhole checks that each slice of a blob is good on its node.
func (r *rig) wantWhole(id objects.BlobID) {
	r.t.Helper()
	b, err := r.catalog.Blob(r.t.Context(), id)
	if err != nil {
		r.t.Fatal(err)
	}
	places, err := r.cluster.Map(r.t.Context(), b)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range places {
		if !p.Good || b.Missing != 0 {
			r.t.Errorf("after healing, slice %d on %s is %q; missing are %b", p.Index, p.Name, p.Fault, b.Missing)
		}
	}
}

// bubble runs a test with a clock of its own, which goes on when everything waits for it.
func bubble(t *testing.T, name string, f func(*testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { inBubble(t, f) })
}

func TestLossOfNodesIsNotNoticed(t *testing.T) {
	for _, p := range []objects.Profile{fourOfSix, twoOfThree} {
		for _, m := range append(modes, corrupt) {
			combinations(p.Total, p.Total-p.Data, func(lost []int) {
				bubble(t, fmt.Sprintf("%s/%s/%v", p.Name, m, lost), func(t *testing.T) {
					r := newRig(t, p.Total)
					data := content(1, 5*segment+17)
					b := r.write(p, data)
					r.lose(m, lost, b)
					t.Cleanup(r.mend)
					var readers sync.WaitGroup
					for range 3 {
						readers.Go(func() {
							if got, err := r.tryRead(b.ID); err != nil || !bytes.Equal(got, data) {
								t.Errorf("reading %d bytes: %v", len(got), err)
							}
						})
					}
					readers.Wait()
					r.mend()
					r.upkeep(2 * time.Minute)
					r.wantWhole(b.ID)
				})
			})
		}
	}
}

func TestOneMoreLostIsACleanError(t *testing.T) {
	for _, p := range []objects.Profile{fourOfSix, twoOfThree} {
		for _, m := range []mode{dead, hung, corrupt} {
			combinations(p.Total, p.Total-p.Data+1, func(lost []int) {
				bubble(t, fmt.Sprintf("%s/%s/%v", p.Name, m, lost), func(t *testing.T) {
					r := newRig(t, p.Total)
					data := content(2, 2*segment)
					b := r.write(p, data)
					r.lose(m, lost, b)
					t.Cleanup(r.mend)
					began := time.Now()
					_, err := r.tryRead(b.ID)
					want := objects.ErrTooFewNodes
					if m == corrupt {
						want = objects.ErrDamaged
					}
					if !errors.Is(err, want) {
						t.Errorf("reading: got %v, want %v", err, want)
					}
					if took := time.Since(began); took > 5*time.Second {
						t.Errorf("the error took %v", took)
					}
					if m == corrupt {
						return
					}
					r.mend()
					r.wantRead(b.ID, data)
				})
			})
		}
	}
}

func TestWritesGoOnWithoutSomeNodes(t *testing.T) {
	for _, p := range []objects.Profile{fourOfSix, twoOfThree} {
		for _, m := range modes {
			combinations(p.Total, p.Total-p.Write, func(lost []int) {
				bubble(t, fmt.Sprintf("%s/%s/%v", p.Name, m, lost), func(t *testing.T) {
					r := newRig(t, p.Total)
					r.lose(m, lost)
					t.Cleanup(r.mend)
					data := content(3, 20*segment)
					began := time.Now()
					first := r.write(p, data)
					if took := time.Since(began); m != slow && took > 5*time.Second {
						t.Errorf("the write took %v", took)
					}
					second := r.write(p, data)
					if m != slow && first.Missing == 0 {
						t.Error("no slice is missing")
					}
					r.wantRead(first.ID, data)
					r.wantRead(second.ID, data)
					r.mend()
					r.upkeep(2 * time.Minute)
					r.wantWhole(first.ID)
					r.wantWhole(second.ID)
				})
			})
		}
	}
}

func TestWritesWithTooFewNodesAreRefused(t *testing.T) {
	for _, m := range []mode{dead, hung, full} {
		bubble(t, string(m), func(t *testing.T) {
			r := newRig(t, 6)
			r.lose(m, []int{1, 4})
			t.Cleanup(r.mend)
			for range 2 {
				if _, err := r.tryWrite(fourOfSix, content(4, 10*segment)); !errors.Is(err, objects.ErrTooFewNodes) {
					t.Errorf("got %v, want %v", err, objects.ErrTooFewNodes)
				}
			}
			r.mend()
			r.upkeep(3 * time.Minute)
			if n := r.catalog.count(); n != 0 {
				t.Errorf("%d blobs are left of writes that failed", n)
			}
			if n := r.sliceFiles(); n != 0 {
				t.Errorf("%d slices are left of writes that failed", n)
			}
			data := content(5, 100)
			r.wantRead(r.write(fourOfSix, data).ID, data)
		})
	}
}

func TestEveryByteOfASliceCounts(t *testing.T) {
	r := newRig(t, 3, patient)
	data := content(6, 90)
	b := r.write(twoOfThree, data)
	places := func() []objects.SlicePlace {
		places, err := r.cluster.Map(t.Context(), b)
		if err != nil {
			t.Fatal(err)
		}
		return places
	}
	for i := range b.Nodes {
		whole := r.readSlice(b, i)
		for at := range whole {
			changed := bytes.Clone(whole)
			changed[at] ^= 0x40
			r.writeSlice(b, i, changed)
			if places()[i].Good {
				t.Fatalf("byte %d of slice %d was changed and nobody noticed", at, i)
			}
			r.wantRead(b.ID, data)
		}
		for _, cut := range []int{0, 1, len(whole) - 1} {
			r.writeSlice(b, i, whole[:cut])
			if places()[i].Good {
				t.Fatalf("slice %d was cut to %d bytes and nobody noticed", i, cut)
			}
			r.wantRead(b.ID, data)
		}
		r.writeSlice(b, i, whole)
	}
}

func TestDamagedSlicesAreFoundAndRepaired(t *testing.T) {
	for name, damage := range map[string]func(r *rig, b objects.Blob){
		"changed":   func(r *rig, b objects.Blob) { r.lose(corrupt, []int{0, 5}, b) },
		"removed":   func(r *rig, b objects.Blob) { _ = os.Remove(r.slice(b, 2)); _ = os.Remove(r.slice(b, 3)) },
		"cut":       func(r *rig, b objects.Blob) { r.writeSlice(b, 1, r.readSlice(b, 1)[:2000]) },
		"emptied":   func(r *rig, b objects.Blob) { r.writeSlice(b, 1, nil) },
		"exchanged": func(r *rig, b objects.Blob) { r.writeSlice(b, 1, r.readSlice(b, 0)) },
		"of another blob": func(r *rig, b objects.Blob) {
			r.writeSlice(b, 1, r.readSlice(r.write(fourOfSix, content(8, 9*segment)), 1))
		},
		"reordered": func(r *rig, b objects.Blob) {
			data := r.readSlice(b, 4)
			size := len(data) / 9
			r.writeSlice(b, 4, append(bytes.Clone(data[size:2*size]), append(bytes.Clone(data[:size]), data[2*size:]...)...))
		},
	} {
		bubble(t, name, func(t *testing.T) {
			r := newRig(t, 6)
			data := content(7, 9*segment)
			b := r.write(fourOfSix, data)
			damage(r, b)
			r.wantRead(b.ID, data)
			r.upkeep(2 * time.Minute)
			r.wantWhole(b.ID)
			r.wantRead(b.ID, data)
		})
	}
}
