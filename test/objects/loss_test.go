package objects_test

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"strongroom/server"
)

// choices returns every choice of count of n nodes, or outside of a soak some one of them.
func choices(random *rand.Rand, n, count int) [][]string {
	var all [][]string
	var choose func(from int, chosen []string)
	choose = func(from int, chosen []string) {
		if len(chosen) == count {
			all = append(all, chosen)
			return
		}
		for i := from; i < n; i++ {
			choose(i+1, append(chosen[:len(chosen):len(chosen)], fmt.Sprintf("node-%d", i)))
		}
	}
	choose(0, nil)
	if soak() {
		return all
	}
	i := random.IntN(len(all))
	return all[i : i+1]
}

// TestLossIsNotNoticed loses as many nodes as a profile allows, in each way in which nodes are lost,
// while clients read and, where that is to go on, write. When the nodes are back, everything is whole.
func TestLossIsNotNoticed(t *testing.T) {
	for _, p := range []struct{ data, total, write int }{{4, 6, 5}, {2, 3, 3}} {
		t.Run(fmt.Sprintf("%d of %d", p.data, p.total), func(t *testing.T) {
			t.Parallel()
			random := seeded(t)
			s := open(t, p.total, func(c *server.Config) { c.Objects.EmbedKiB = -1 })
			s.newBucket(t, fmt.Sprintf("loss-%d-of-%d", p.data, p.total), "")
			things := s.fill(t)
			for _, m := range []mode{gone, hung, slow, full, corrupt} {
				for lost := 1; lost <= p.total-p.data; lost++ {
					if !soak() && lost < p.total-p.data && m != hung {
						continue
					}
					for _, names := range choices(random, p.total, lost) {
						t.Run(fmt.Sprintf("%s %v", m, names), func(t *testing.T) {
							writes := m == slow || m == corrupt || lost <= p.total-p.write
							s.survive(t, things, m, names, writes)
						})
					}
				}
			}
			refused := things[1:3]
			if !soak() { // to give up a node that hangs takes a while
				refused = refused[:1]
			}
			for _, m := range []mode{gone, hung, corrupt} {
				for _, names := range choices(random, p.total, p.total-p.data+1) {
					t.Run(fmt.Sprintf("one more is %s %v", m, names), func(t *testing.T) { s.refuse(t, refused, m, names) })
				}
			}
		})
	}
}

// fill stores a few things.
func (s *store) fill(t *testing.T) []thing {
	t.Helper()
	var things []thing
	for i, size := range []int64{100, 70_000, segment + 1, 3*segment - 5} {
		things = append(things, s.put(t, fmt.Sprintf("thing-%d", i), content{byte(40 + i), size}, "Crc32c"))
	}
	return things
}

// survive loses nodes under load, brings them back, and waits until everything is whole.
func (s *store) survive(t *testing.T, things []thing, m mode, names []string, writes bool) {
	t.Helper()
	var load sync.WaitGroup
	stop := make(chan struct{})
	var once sync.Once
	end := func() { once.Do(func() { close(stop) }); load.Wait() }
	defer end()
	stored := things
	for i := range 2 {
		load.Go(func() {
			for {
				for j := range stored {
					if err := s.getWhole(t.Context(), stored[(2*i+j)%len(stored)]); err != nil {
						t.Error(err)
						return
					}
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	s.lose(t, names, m)
	if writes {
		key := fmt.Sprintf("%s-%s", m, strings.Join(names, "-"))
		things = append(things[:len(things):len(things)], s.put(t, key, content{70, segment + 7}, "Crc32c"))
	}
	for _, o := range things {
		if err := s.getWhole(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
	end()
	s.mend(t)
	s.awaitHealed(t, things)
}

// refuse loses more nodes than a profile allows: reads end in an error that says so, and soon. When the
// nodes are back, unless their files are damaged, so are the things.
func (s *store) refuse(t *testing.T, things []thing, m mode, names []string) {
	t.Helper()
	s.lose(t, names, m)
	for _, o := range things {
		began := time.Now()
		if err := s.wantRefused(t.Context(), o); err != nil {
			t.Error(err)
		}
		if took := time.Since(began); soak() && took > 5*time.Second {
			t.Errorf("the refusal took %v", took)
		}
	}
	s.mend(t)
	if m == corrupt {
		return
	}
	for _, o := range things {
		if err := s.getWhole(t.Context(), o); err != nil {
			t.Error(err)
		}
	}
}

// wantRefused fails unless reading a thing is refused with an error document.
func (s *store) wantRefused(ctx context.Context, o thing) error {
	resp, err := s.ask(ctx, http.MethodGet, "/"+o.key, nil, nil, 0)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("%s: status %d, %d bytes, then %w", o.key, resp.StatusCode, len(body), err)
	}
	var doc struct {
		XMLName xml.Name `xml:"Error"`
		Code    string
	}
	if err := xml.Unmarshal(body, &doc); err != nil || resp.StatusCode/100 != 5 || doc.Code == "" {
		return fmt.Errorf("%s: %d %.200q is no refusal", o.key, resp.StatusCode, body)
	}
	return nil
}
