package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"strongroom/bench/load"
)

// place is where objects are put: a folder of the baseline, or a bucket.
type place struct {
	name    string
	path    string // that keys are appended to
	process *load.Process
	client  *load.Client
	largest int // content that it is measured with, in bytes; 0 for any
}

// embedded is up to which size content is embedded by default, in bytes.
const embedded = 64 << 10

// usualPlace is the name of the bucket that is like most.
const usualPlace = "4 of 6"

// The location whose buckets have copies on one node in place of dispersal.
const (
	copiesLocation = "eu-de-standard"
	withCopies     = "objects: {profiles: [{name: single, locations: [eu-*], data: 1, total: 1, write: 1}]}\n"
	dispersingAll  = "objects: {embed_kib: -1}\n"
)

// start starts the baseline and two servers, and returns where to put objects, the baseline first. end
// stops what was started.
func start(ctx context.Context, o options, dir string) (places []place, end func(), err error) {
	var running []*load.Process
	end = func() {
		for _, p := range running {
			p.Stop()
		}
	}
	baseline, bare, err := load.StartBare(ctx, dir, o.connections)
	if err != nil {
		return nil, end, err
	}
	running = append(running, baseline)
	places = append(places, place{name: "plain files", path: "/", process: baseline, client: bare})

	usual, err := startServer(ctx, o, dir, "usual", withCopies)
	if err != nil {
		return nil, end, err
	}
	running = append(running, usual.Process)
	root, err := usual.rootKey(ctx)
	if err != nil {
		return nil, end, err
	}
	dispersing, err := startServer(ctx, o, dir, "dispersing", dispersingAll)
	if err != nil {
		return nil, end, err
	}
	running = append(running, dispersing.Process)
	for _, b := range []struct {
		in      *server
		name    string
		bucket  string
		largest int
		args    []string
	}{
		{usual, "copies on one node", "copies", 0, []string{"--location", copiesLocation}},
		{usual, usualPlace, "usual", 0, nil},
		{usual, usualPlace + ", root key", "locked", 0, []string{"--root-key", root}},
		{dispersing, "nothing embedded", "dispersed", embedded, nil},
	} {
		if _, err := b.in.command(ctx, append([]string{"bucket", "create", "bench-" + b.bucket}, b.args...)...); err != nil {
			return nil, end, err
		}
		places = append(places, place{
			name: b.name, path: "/bench-" + b.bucket + "/", process: b.in.Process, client: b.in.s3(), largest: b.largest,
		})
	}
	var settling errgroup.Group
	for _, s := range []*server{usual, dispersing} {
		settling.Go(func() error { return s.Settle(ctx, load.Starting) })
	}
	return places, end, settling.Wait()
}

// server is a server with the program that it was started by.
type server struct {
	*load.Server
	binary string
}

// startServer starts a server on a folder of its own, with a configuration.
func startServer(ctx context.Context, o options, dir, name, config string) (*server, error) {
	file := filepath.Join(dir, name+".yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		return nil, err
	}
	s, err := load.StartServer(ctx, o.binary, filepath.Join(dir, name), o.connections, "--config", file)
	return &server{s, o.binary}, err
}

// s3 is a client of the S3 endpoint.
func (s *server) s3() *load.Client {
	return s.Client.At(s.Env["STRONGROOM_S3_URL"]).With("Content-Type", "application/octet-stream")
}

// command runs the program as the administrator, and returns what it prints.
func (s *server) command(ctx context.Context, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, s.binary, append(args, "--output", "json")...)
	c.Env = os.Environ()
	for name, value := range s.Env {
		c.Env = append(c.Env, name+"="+value)
	}
	c.Stderr = os.Stderr
	out, err := c.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", args[0], args[1], err)
	}
	return out, nil
}

// rootKey makes a root key that the object store may use, and returns its CRN.
func (s *server) rootKey(ctx context.Context) (string, error) {
	out, err := s.command(ctx, "key", "create", "bench")
	if err != nil {
		return "", err
	}
	var key struct{ ID, CRN string }
	if err := json.Unmarshal(out, &key); err != nil {
		return "", err
	}
	_, err = s.command(ctx, "authorization", "create", "--target-key", key.ID)
	return key.CRN, err
}
