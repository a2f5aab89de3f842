package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"

	"strongroom/bench/load"
	"strongroom/iam"
	"strongroom/kms"
)

// prepare fills the data folder, as far as that has not been done, and starts the server on it.
func prepare(ctx context.Context, o options) (*load.Server, error) {
	server, err := load.StartServer(ctx, o.binary, o.data, o.connections)
	if err != nil {
		return nil, err
	}
	id := server.Env["STRONGROOM_KMS_INSTANCE_ID"]
	there, err := instance(server, id).count(ctx)
	if err == nil && there == o.keys {
		return server, nil
	}
	server.Stop()
	switch {
	case err != nil:
		return nil, fmt.Errorf("counting the keys that are there: %w", err)
	case there > o.keys:
		return nil, fmt.Errorf("%s has %d keys; ask for as many, or use another folder", o.data, there)
	}
	err = fill(ctx, o.data, iam.AccountID(server.Env["STRONGROOM_ACCOUNT_ID"]), kms.InstanceID(id), there, o.keys)
	if err != nil {
		return nil, fmt.Errorf("filling %s: %w", o.data, err)
	}
	return load.StartServer(ctx, o.binary, o.data, o.connections)
}

// keyStore is an instance of the key service and its keys, as far as they are known.
type keyStore struct {
	client *load.Client
	ids    []string
}

// instance is an instance as the administrator reaches it.
func instance(s *load.Server, id string) *keyStore {
	return &keyStore{client: s.Client.With("Bluemix-Instance", id)}
}

// count asks how many keys an instance has.
func (s *keyStore) count(ctx context.Context) (int, error) {
	answer, err := s.client.Get(ctx, "/api/v2/keys?limit=1&totalCount=true")
	if err != nil {
		return 0, err
	}
	var list struct{ Metadata struct{ TotalCount int } }
	return list.Metadata.TotalCount, json.Unmarshal(answer, &list)
}

// newInstance makes an instance with ten root keys.
func newInstance(ctx context.Context, server *load.Server) (*keyStore, error) {
	const (
		few  = 10
		plan = "eedd3585-90c6-4c8f-be3d-062069e99fc3" // tiered-pricing of Key Protect
	)
	body, err := json.Marshal(map[string]string{
		"name": "few keys", "target": "us-south", "resource_plan_id": plan,
		"resource_group": server.Env["STRONGROOM_RESOURCE_GROUP_ID"],
	})
	if err != nil {
		return nil, err
	}
	var made struct{ GUID string }
	if err := server.Client.Call(ctx, "/v2/resource_instances", body, &made); err != nil {
		return nil, err
	}
	s := instance(server, made.GUID)
	for range few {
		var key struct{ Resources []struct{ ID string } }
		err := s.client.Call(ctx, "/api/v2/keys", []byte(`{"metadata":{"collectionType":"application/vnd.ibm.kms.key+json","collectionTotal":1},
			"resources":[{"type":"application/vnd.ibm.kms.key+json","name":"bench","extractable":false}]}`), &key)
		if err != nil {
			return nil, err
		}
		if len(key.Resources) != 1 {
			return nil, errors.New("the server made no key")
		}
		s.ids = append(s.ids, key.Resources[0].ID)
	}
	return s, nil
}

// wrapping wraps 32 bytes by any one of some keys.
func wrapping(name string, pid int, s *keyStore, ids []string) *load.Target {
	body := []byte(`{"plaintext":"MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="}`)
	return &load.Target{Name: name, PID: pid, Client: s.client, Request: func() (string, []byte) {
		return "/api/v2/keys/" + ids[rand.IntN(len(ids))] + "/actions/wrap", body
	}}
}
