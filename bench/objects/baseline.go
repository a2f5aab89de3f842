package main

import (
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

// files keeps content in plain files of a folder, as durably as the server does, and knows nothing else
// of it.
type files struct{ folder string }

// ServeHTTP implements http.Handler.
func (f files) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := filepath.Join(f.folder, strings.ReplaceAll(r.URL.Path, "/", "_"))
	if r.Method == http.MethodGet {
		http.ServeFile(w, r, name)
		return
	}
	if err := f.write(name, r.Body); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// write makes a file durable before it has its name.
func (f files) write(name string, content io.Reader) error {
	if err := os.MkdirAll(f.folder, 0o700); err != nil {
		return err
	}
	file, err := os.CreateTemp(f.folder, "new-")
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := os.Rename(file.Name(), name); err != nil {
		return err
	}
	folder, err := os.Open(f.folder)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}
