package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"text/tabwriter"
	"time"

	"strongroom/bench/load"
)

// pageSize is how many keys a page has that says nothing of it.
const pageSize = 200

// pages are what pages of a list took.
type pages struct {
	list string
	n    int
	p99  time.Duration
	cpu  time.Duration // of a page, of the server's process
}

// timed asks for pages until ask says that there are no more.
func timed(pid int, list string, ask func(i int) (more bool, err error)) (pages, error) {
	before, err := load.CPUTime(pid)
	if err != nil {
		return pages{}, err
	}
	var took []time.Duration
	for more := true; more; {
		begin := time.Now()
		if more, err = ask(len(took)); err != nil {
			return pages{}, err
		}
		took = append(took, time.Since(begin))
	}
	after, err := load.CPUTime(pid)
	return pages{list: list, n: len(took), p99: load.P99(took), cpu: (after - before) / time.Duration(len(took))}, err
}

// page asks for a page and returns the IDs on it.
func (s *keyStore) page(ctx context.Context, query url.Values) ([]string, error) {
	answer, err := s.client.Get(ctx, "/api/v2/keys?"+query.Encode())
	if err != nil {
		return nil, err
	}
	var list struct{ Resources []struct{ ID string } }
	if err := json.Unmarshal(answer, &list); err != nil {
		return nil, err
	}
	ids := make([]string, len(list.Resources))
	for i, k := range list.Resources {
		ids[i] = k.ID
	}
	return ids, nil
}

// listAll lists all keys of an instance, which must be so many, and remembers their IDs.
func listAll(ctx context.Context, pid int, s *keyStore, want int) (pages, error) {
	seen := map[string]bool{}
	p, err := timed(pid, "all, by ID", func(i int) (bool, error) {
		ids, err := s.page(ctx, url.Values{"offset": {fmt.Sprint(i * pageSize)}})
		for _, id := range ids {
			seen[id] = true
		}
		s.ids = append(s.ids, ids...)
		return len(ids) == pageSize, err
	})
	if err == nil && (len(seen) != want || len(s.ids) != want) {
		err = fmt.Errorf("%d keys were listed, %d different ones, of %d", len(s.ids), len(seen), want)
	}
	return p, err
}

// listAnywhere asks for pages at random places of other lists.
func listAnywhere(ctx context.Context, pid int, s *keyStore, keys int) ([]pages, error) {
	const each = 200
	made := `creationDate=lte:"` + time.Now().UTC().Format(time.RFC3339) + `"`
	var all []pages
	for _, list := range []struct {
		name  string
		query url.Values
	}{
		{"by creationDate, backwards", url.Values{"sort": {"-creationDate"}}},
		{"by state and lastUpdateDate", url.Values{"sort": {"state,lastUpdateDate"}}},
		{"filtered by creationDate, by lastUpdateDate, counted", url.Values{
			"filter": {made}, "sort": {"lastUpdateDate"}, "totalCount": {"true"},
		}},
		{"filtered, and none matches", url.Values{"filter": {"state=2 " + made}, "sort": {"expirationDate"}}},
	} {
		p, err := timed(pid, list.name, func(i int) (bool, error) {
			list.query.Set("offset", fmt.Sprint(rand.IntN(keys)))
			_, err := s.page(ctx, list.query)
			return i+1 < each, err
		})
		if err != nil {
			return nil, fmt.Errorf("%s: %w", list.name, err)
		}
		all = append(all, p)
	}
	return all, nil
}

func report(to io.Writer, all []pages) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "list\tpages\tp99\tCPU/page\t")
	for _, p := range all {
		fmt.Fprintf(w, "%s\t%d\t%v\t%v\t\n", p.list, p.n, p.p99.Round(10*time.Microsecond), p.cpu.Round(10*time.Microsecond))
	}
	return w.Flush()
}
