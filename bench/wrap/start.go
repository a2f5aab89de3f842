package main

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"

	"strongroom/bench/load"
)

// start starts the baseline and the server, makes a key and a token, and returns
// what to put load on, the baseline first. end stops both.
func start(ctx context.Context, binary, dir string, connections int) (targets []*load.Target, end func(), err error) {
	var running []*load.Process
	end = func() {
		for _, p := range running {
			p.Stop()
		}
	}
	defer func() {
		if err != nil {
			end()
		}
	}()

	baseline, bare, err := load.StartBare(ctx, dir, connections)
	if err != nil {
		return nil, end, err
	}
	running = append(running, baseline)
	targets = append(targets, &load.Target{
		Name: "baseline", PID: baseline.PID, Client: bare,
		Request: func() (string, []byte) { return "/", plaintext },
	})

	server, err := load.StartServer(ctx, binary, filepath.Join(dir, "data"), connections)
	if err != nil {
		return nil, end, err
	}
	running = append(running, server.Process)
	if err := server.Settle(ctx, load.Starting); err != nil {
		return nil, end, err
	}
	full, err := prepare(ctx, server)
	return append(targets, full...), end, err
}

// plaintext is the body of a wrap: 32 bytes to be protected.
var plaintext = []byte(`{"plaintext":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}`)

// prepare makes a root key and a wrapped data key in a server, as its
// administrator.
func prepare(ctx context.Context, s *load.Server) ([]*load.Target, error) {
	c := s.Client.With("Bluemix-Instance", s.Env["STRONGROOM_KMS_INSTANCE_ID"])
	var made struct{ Resources []struct{ ID string } }
	err := c.Call(ctx, "/api/v2/keys", []byte(`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},
		"resources":[{"type":"application/vnd.ibm.kms.key+json","name":"bench","extractable":false}]}`), &made)
	if err != nil {
		return nil, err
	}
	if len(made.Resources) != 1 {
		return nil, errors.New("the server made no key")
	}
	actions := "/api/v2/keys/" + made.Resources[0].ID + "/actions/"
	var wrapped struct{ Ciphertext string }
	if err := c.Call(ctx, actions+"wrap", plaintext, &wrapped); err != nil {
		return nil, err
	}
	body, err := json.Marshal(map[string]string{"ciphertext": wrapped.Ciphertext})
	return []*load.Target{
		{Name: "wrap", PID: s.PID, Request: func() (string, []byte) { return actions + "wrap", plaintext }, Client: c},
		{Name: "unwrap", PID: s.PID, Request: func() (string, []byte) { return actions + "unwrap", body }, Client: c},
	}, err
}
