package main

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"

	"strongroom/bench/load"
	"strongroom/custody"
	"strongroom/custody/software"
)

// serveBaseline answers every request with a wrap under one key, and nothing
// else that a key management service does.
func serveBaseline(ctx context.Context, dir string) error {
	module, err := software.Create(software.Options{
		MasterFile: filepath.Join(dir, "masters.json"), KeyFile: filepath.Join(dir, "masters.key"),
	})
	if err != nil {
		return err
	}
	defer module.Close()
	if _, err := module.MakeMasters(ctx, 1, custody.Recovery{}); err != nil {
		return err
	}
	key, _, err := module.Make(ctx, custody.Root, custody.Binding{
		Purpose: custody.PurposeInstanceKey, Account: "bench", Instance: "bench",
		Generation: module.Info().Generation, Origin: custody.OriginGenerated, Size: 32,
	})
	if err != nil {
		return err
	}
	return load.ServeBare(ctx, dir, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in struct{ Plaintext []byte }
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		box, err := custody.Seal(r.Context(), module, key, custody.PurposeDataKey, nil, in.Plaintext)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(box) // the client has gone away
	}))
}
