package server

import (
	"context"
	"crypto/fips140"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"strongroom/audit"
	"strongroom/custody"
	"strongroom/sqlstore"
)

// health tells whether the server can do its work. It asks the database at most
// once a second, so that probes cost nothing.
type health struct {
	db      *sqlstore.DB
	log     *audit.Log
	rack    *custody.Rack
	heads   []witness // of the audit log
	started atomic.Bool

	last atomic.Pointer[ping]
}

// ping is the latest answer of the database.
type ping struct {
	at  time.Time
	err error
}

// pingEvery is how old an answer of the database may be to count.
const pingEvery = time.Second

// check returns nil, or everything that is wrong.
func (h *health) check(ctx context.Context) error {
	if !h.started.Load() {
		return errors.New("the server is starting or stopping")
	}
	last := h.last.Load()
	if last == nil || time.Since(last.at) >= pingEvery {
		ctx, cancel := context.WithTimeout(ctx, pingEvery)
		defer cancel()
		last = &ping{at: time.Now(), err: h.db.Ping(ctx)}
		h.last.Store(last)
	}
	var errs []error
	if last.err != nil {
		errs = append(errs, fmt.Errorf("the database does not answer: %w", last.err))
	}
	if err := h.log.Healthy(); err != nil {
		errs = append(errs, err)
	}
	if err := moduleHealth(h.rack); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// moduleHealth returns nil, or why the crypto module that makes new keys cannot
// be used now.
func moduleHealth(r *custody.Rack) error {
	info := r.Info()
	m, ok := r.ModuleOf(info.Generation)
	if !ok {
		return errors.New("no crypto module holds the masters")
	}
	if ailing, can := m.(interface{ Healthy() error }); can {
		if err := ailing.Healthy(); err != nil {
			return fmt.Errorf("crypto module %q: %w", info.Name, err)
		}
	}
	return nil
}

// ready answers /readyz: 200, or 503 with the reason. A witness that keeps nothing is told of and stops
// no work: what it would notice is a later start with an older copy.
func (h *health) ready(w http.ResponseWriter, r *http.Request) {
	if err := h.check(r.Context()); err != nil {
		http.Error(w, err.Error(), http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ready")
	for _, head := range h.heads {
		if l := head.lapsed.Load(); l != nil {
			fmt.Fprintf(w, "warning: the witness %q keeps no head of the audit log since %s; the server's log says why\n",
				head.label, l.since.UTC().Format(time.RFC3339))
		}
	}
}

// live answers /livez: the process serves.
func live(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "live") }

// Version describes the program and how this server is run.
type Version struct {
	Version string         `json:"version"`
	Commit  string         `json:"commit,omitempty"`
	Go      string         `json:"go"`
	FIPS    FIPS           `json:"fips140"`
	Custody *CustodyStatus `json:"custody,omitempty"`
	Audit   *AuditStatus   `json:"audit,omitempty"`
}

// FIPS says how Go's FIPS 140-3 module is used.
type FIPS struct {
	Mode   string `json:"mode"`   // off; on; or only, where algorithms that are not approved fail
	Module string `json:"module"` // version of the module, or latest: that of the Go release, not one that was submitted for validation
}

// CustodyStatus says which crypto module holds the keys, and what protects it.
type CustodyStatus struct {
	Kind       string `json:"kind"`
	Module     string `json:"module"`
	Protection string `json:"protection"`
	Notice     string `json:"notice,omitempty"`
	Generation uint32 `json:"generation"` // of the masters in use
	Recovery   bool   `json:"recovery"`   // shares of a recovery key can open the keys
}

// AuditStatus says when events are durable.
type AuditStatus struct {
	Sync string `json:"sync"`
}

// ReadVersion describes this program, without a server.
func ReadVersion() Version {
	v := Version{
		Version: "devel", Go: runtime.Version(),
		FIPS: FIPS{Mode: "off", Module: fips140.Version()},
	}
	switch {
	case fips140.Enforced():
		v.FIPS.Mode = "only"
	case fips140.Enabled():
		v.FIPS.Mode = "on"
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		if info.Main.Version != "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	return v
}

// unsealedNotice is shown wherever the protection of the module is.
const unsealedNotice = "unsealed: who copies the data folder has the keys"

func custodyStatus(m custody.Module) *CustodyStatus {
	info := m.Info()
	s := &CustodyStatus{
		Kind: info.Kind, Module: info.Name, Protection: string(info.Protection),
		Generation: info.Generation, Recovery: info.Recovery != "",
	}
	if info.Protection == custody.ProtectionUnsealed {
		s.Notice = unsealedNotice
	}
	return s
}

// versionHandler answers /version, with the crypto module that is in use then.
func versionHandler(v Version, m custody.Module) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		now := v
		now.Custody = custodyStatus(m)
		body, err := json.MarshalIndent(now, "", "  ")
		if err != nil {
			http.Error(w, "the version cannot be described", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(append(body, '\n')) // the client has gone away
	}
}
