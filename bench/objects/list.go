package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"time"

	"golang.org/x/sync/errgroup"

	"strongroom/bench/load"
)

const (
	listedBucket = "bench-listed"
	listedPages  = 200  // that are asked for of each list
	pageSize     = 1000 // objects of a page, which is S3's most
	folders      = 1000
)

// listedKey is the key of one of many objects, in one of the folders.
func listedKey(i int) string { return fmt.Sprintf("folder-%03d/object-%07d", i%folders, i) }

// measureLists fills a bucket through the front door, as far as that has not been done, and prints what
// pages of its list cost at random places.
func measureLists(ctx context.Context, o options) error {
	s, err := load.StartServer(ctx, o.binary, o.data, o.connections)
	if err != nil {
		return err
	}
	defer s.Stop()
	c := (&server{s, o.binary}).s3()
	if err := fill(ctx, c, s.Env["STRONGROOM_COS_INSTANCE_ID"], o); err != nil {
		return fmt.Errorf("filling the bucket: %w", err)
	}
	if err := s.Settle(ctx, load.Starting); err != nil {
		return err
	}
	fmt.Printf("| list of %d objects | p99 | CPU time |\n|---|---|---|\n", o.list)
	for _, l := range []struct {
		name  string
		query func() url.Values
	}{
		{"1000 keys", func() url.Values {
			return url.Values{"start-after": {listedKey(rand.IntN(o.list))}, "max-keys": {fmt.Sprint(pageSize)}}
		}},
		{"one folder", func() url.Values {
			return url.Values{"prefix": {fmt.Sprintf("folder-%03d/", rand.IntN(folders))}, "delimiter": {"/"}}
		}},
		{"all folders", func() url.Values { return url.Values{"delimiter": {"/"}} }},
	} {
		if err := measureList(ctx, c, s.PID, l.name, l.query); err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
	}
	return nil
}

func measureList(ctx context.Context, c *load.Client, pid int, name string, query func() url.Values) error {
	before, err := load.CPUTime(pid)
	if err != nil {
		return err
	}
	took := make([]time.Duration, listedPages)
	for i := range took {
		begin := time.Now()
		if _, err := page(ctx, c, query()); err != nil {
			return err
		}
		took[i] = time.Since(begin)
	}
	after, err := load.CPUTime(pid)
	if err != nil {
		return err
	}
	fmt.Printf("| %s | %v | %v |\n", name,
		load.P99(took).Round(10*time.Microsecond), ((after - before) / listedPages).Round(10*time.Microsecond))
	return nil
}

// listing is what is read of a page.
type listing struct {
	Contents []struct{ Key string }
}

func page(ctx context.Context, c *load.Client, query url.Values) (listing, error) {
	query.Set("list-type", "2")
	answer, err := c.Get(ctx, "/"+listedBucket+"?"+query.Encode())
	if err != nil {
		return listing{}, err
	}
	var l listing
	return l, xml.Unmarshal(answer, &l)
}

// fill puts the objects, each with 64 bytes, unless an earlier run did: the last one shows that. A bucket
// that an interrupted run has left is filled from the beginning.
func fill(ctx context.Context, c *load.Client, instance string, o options) error {
	last := listedKey(o.list - 1)
	l, err := page(ctx, c, url.Values{"prefix": {last}})
	if err == nil && len(l.Contents) > 0 {
		return nil
	}
	if err != nil { // there is no bucket yet
		if _, err := c.With("Ibm-Service-Instance-Id", instance).Send(ctx, http.MethodPut, "/"+listedBucket, nil); err != nil {
			return err
		}
	}
	content := make([]byte, 64)
	work, ctx := errgroup.WithContext(ctx)
	for worker := range o.connections {
		work.Go(func() error {
			for i := worker; i < o.list-1; i += o.connections {
				if _, err := c.Send(ctx, http.MethodPut, "/"+listedBucket+"/"+listedKey(i), content); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return err
	}
	_, err = c.Send(context.WithoutCancel(ctx), http.MethodPut, "/"+listedBucket+"/"+last, content)
	return err
}
