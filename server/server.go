package server

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"strongroom/api/cosconfig"
	"strongroom/api/iamidentity"
	"strongroom/api/iampolicy"
	"strongroom/api/keyprotect"
	"strongroom/api/resourcecontroller"
	"strongroom/api/s3"
	ours "strongroom/api/strongroom"
	"strongroom/audit"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/internal/httpface"
)

// Server is a server that listens. Serve answers; Close frees everything, after
// Serve has returned or instead of it.
type Server struct {
	house   *house
	control *endpoint
	s3      *endpoint
	health  *health
	metrics *metrics
	routes  []httpface.RouteInfo
	closing sync.Once
}

// Open opens the data folder, makes it at the first start, and takes both
// addresses. Messages for the operator go to stderr.
func Open(ctx context.Context, cfg Config, stderr io.Writer) (s *Server, err error) {
	c, err := openCore(ctx, cfg, stderr)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	if err := c.openAudit(ctx); err != nil {
		return nil, err
	}
	s = &Server{health: &health{db: c.db, log: c.audit, rack: c.rack, heads: c.witnesses}}
	control, s3mux := new(controlMux), new(httpface.Router)
	if err := s.listen(ctx, c, control, s3mux); err != nil {
		return nil, err
	}
	if s.house, err = build(ctx, c, s.control.url); err != nil {
		return nil, err
	}
	operator, err := s.house.bootstrap(ctx, s.control.url, s.s3.url, false)
	if err != nil {
		return nil, err
	}
	s.house.serveOperator(operator)
	if err := s.mount(control, s3mux); err != nil {
		return nil, err
	}
	if c.rack.Info().Protection == custody.ProtectionUnsealed {
		c.log.Warn("the crypto module is "+unsealedNotice, "advice", "set custody.key_file or custody.passphrase_file")
	}
	s.metrics.watchMasters(s.house.masters)
	s.metrics.watchWitnesses(c.witnesses)
	s.metrics.registry.MustRegister(newStorageCollector(s.house.cluster))
	return s, nil
}

// listen takes the addresses; nothing is answered before Serve.
func (s *Server) listen(ctx context.Context, c *core, control http.Handler, s3mux http.Handler) error {
	authority, err := openAuthority(ctx, c.vault, c.db, c.now())
	if err != nil {
		return err
	}
	if err := trustFiles(c.folder, authority.pem()); err != nil {
		return err
	}
	certs := issued(authority, c.config.hosts(), c.now)
	if c.config.TLS.CertFile != "" {
		certs = configured(c.config.TLS, c.now)
	}
	if _, err := certs.get(nil); err != nil {
		return err
	}
	s.metrics = newMetrics(c.db)
	if s.control, err = listen(c.config.Listen, certs, s.metrics.count("control", control), c.config.PublicURL, c.log); err != nil {
		return err
	}
	c.onClose(s.control.close)
	if s.s3, err = listen(c.config.S3Listen, certs, s.metrics.count("s3", s3mux), c.config.S3URL, c.log); err != nil {
		return err
	}
	c.onClose(s.s3.close)
	return nil
}

// mount puts the faces onto the endpoints.
func (s *Server) mount(control *controlMux, s3mux *httpface.Router) error {
	h := s.house
	v := ReadVersion()
	v.Audit = &AuditStatus{Sync: audit.SyncGroup.String()}
	version := versionHandler(v, h.rack)
	description, err := descriptionHandler(v.Version, s.control.url)
	if err != nil {
		return err
	}
	s.metrics.countUncounted(h.keys)
	faces := new(httpface.Router)
	for _, face := range []*httpface.Face[iam.Caller]{
		keyprotect.New(keyprotect.Config{
			Keys: h.keys, Identities: h.identities, Log: h.audit, Region: h.fixed.region, Port: s.control.port(),
			Now: h.now, Logger: h.log, Observe: h.keys.Observe,
		}),
		iamidentity.New(iamidentity.Config{
			Identities: h.identities, Log: h.audit, PublicURL: s.control.url, Now: h.now, Logger: h.log,
		}),
		iampolicy.New(iampolicy.Config{
			Access: h.access, Identities: h.identities, Log: h.audit, PublicURL: s.control.url, Now: h.now, Logger: h.log,
		}),
		resourcecontroller.New(resourcecontroller.Config{
			Resources: h.resources, Identities: h.identities, Log: h.audit,
			PublicURL: s.control.url, S3URL: s.s3.url, Region: h.fixed.region, Now: h.now, Logger: h.log,
		}),
		cosconfig.New(cosconfig.Config{
			Objects: h.objects, Identities: h.identities, Log: h.audit, Now: h.now, Logger: h.log,
		}),
		ours.New(ours.Config{
			Activity: h.activity, Keys: h.keys, Masters: h.masters, Objects: h.objects, Storage: h.storage, Identities: h.identities, Log: h.audit, Now: h.now, Logger: h.log,
		}),
	} {
		s.routes = append(s.routes, httpface.Mount(faces, face)...)
	}
	s.routes = append(s.routes, httpface.Mount(s3mux, s3.New(s3.Config{
		Objects: h.objects, Identities: h.identities, Log: h.audit, Now: h.now, Logger: h.log, Domains: h.config.domains(),
		InstanceOf: h.storageOf, WebsiteDomains: h.config.websiteDomains(),
	}))...)

	control.faces = faces
	control.probes = map[string]http.Handler{
		"/livez": http.HandlerFunc(live), "/readyz": http.HandlerFunc(s.health.ready), "/version": version,
		"/metrics": s.metrics.handler(), "/openapi.json": description,
	}
	return nil
}

// controlMux sends probes of the operator's tools to their handlers, uncounted
// and unrecorded, and everything else to the faces. It does not clean paths, as
// names in them may hold any segment.
type controlMux struct {
	probes map[string]http.Handler
	faces  http.Handler
}

func (m *controlMux) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if h := m.probes[r.URL.Path]; h != nil && (r.Method == http.MethodGet || r.Method == http.MethodHead) {
		h.ServeHTTP(w, r)
		return
	}
	m.faces.ServeHTTP(w, r)
}

// Routes describes every route of every face.
func (s *Server) Routes() []httpface.RouteInfo { return s.routes }

// URL is how clients reach the control APIs.
func (s *Server) URL() string { return s.control.url }

// S3URL is how clients reach the S3 endpoint.
func (s *Server) S3URL() string { return s.s3.url }

// CredentialsFile is the path of the file that a shell sources.
func (s *Server) CredentialsFile() string { return s.house.folder.file(credentialsFile) }

// KeysNotice says in a few words what protects the keys.
func (s *Server) KeysNotice() string {
	status := custodyStatus(s.house.rack)
	if status.Notice != "" {
		return status.Kind + " module, " + status.Notice
	}
	return status.Kind + " module, sealed by " + status.Protection
}

// Serve answers requests and runs the jobs until ctx ends, then lets what is
// under way finish and closes everything.
func (s *Server) Serve(ctx context.Context) error {
	jobs, stopJobs := context.WithCancel(context.WithoutCancel(ctx))
	defer stopJobs()
	g, serving := errgroup.WithContext(ctx)
	g.Go(func() error { return s.control.serve(serving) })
	g.Go(func() error { return s.s3.serve(serving) })
	// The jobs outlive the last request, whose events they write.
	var working sync.WaitGroup
	for _, j := range s.house.jobs() {
		working.Go(func() { s.house.work(jobs, j) })
	}
	s.health.started.Store(true)
	err := g.Wait()
	s.health.started.Store(false)
	stopJobs()
	working.Wait()
	return errors.Join(err, s.Close())
}

// Close frees the addresses and closes everything.
func (s *Server) Close() (err error) {
	s.closing.Do(func() { err = s.house.close() })
	return err
}

// Periods of the jobs.
const (
	reconcileEvery = 30 * time.Second
	pruneEvery     = 10 * time.Minute
	prepareEvery   = 10 * time.Second
	forgetEvery    = time.Minute
	clockEvery     = 10 * time.Second
	deliverRetry   = time.Second
)

// jobs lists what the server does by itself.
func (h *house) jobs() []job {
	return []job{
		{"delivering events", h.deliverAlways},
		{"identities", h.identities.Run},
		{"reconciling", every(reconcileEvery, h.resources.Reconcile)},
		{"pruning the change feed", every(pruneEvery, h.db.PruneChanges)},
		{"the clock of the keys", every(clockEvery, h.keys.Tick)},
		{"noting uses of key versions", h.keys.RunUses},
		{"moving keys to newer masters", h.masters.Run},
		{"preparing transport keys", every(prepareEvery, h.keys.PrepareTransport)},
		{"forgetting transport keys", every(forgetEvery, h.keys.ForgetTransportKeys)},
		{"forgetting old requests", every(forgetEvery, h.keys.ForgetRepeats)},
		{"forgetting old metrics", every(forgetEvery, h.keys.SweepMetrics)},
		{"reconciling buckets", every(reconcileEvery, h.objects.Reconcile)},
		{"working on buckets", h.objects.RunJobs},
		{"following rotations of root keys", every(followEvery, h.objects.FollowRotations)},
		{"applying lifecycle rules", every(lifecycleEvery, h.objects.RunLifecycle)},
		{"forgetting old uploads", every(forgetEvery, h.objects.Forget)},
		{"watching root keys elsewhere", h.watchRemote},
		{"watching storage nodes", h.cluster.Monitor},
		{"removing dead slices", h.cluster.Collect},
		{"rebuilding slices", h.cluster.Rebuild},
		{"verifying slices", h.cluster.Scrub},
	}
}

// work runs a job and reports its failures; a job that fails is tried again at
// its next turn, and never stops the server.
func (h *house) work(ctx context.Context, j job) {
	for {
		err := j.run(ctx)
		if ctx.Err() != nil {
			if err != nil && !errors.Is(err, context.Canceled) {
				h.log.Error("job failed while stopping", "job", j.name, "error", err)
			}
			return
		}
		if err != nil {
			h.log.Error("job failed", "job", j.name, "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(deliverRetry):
		}
	}
}

// every turns a step into a job that repeats it.
func every(period time.Duration, step func(context.Context) error) func(context.Context) error {
	return func(ctx context.Context) error {
		t := time.NewTicker(period)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return nil
			case <-t.C:
				if err := step(ctx); err != nil {
					return err
				}
			}
		}
	}
}

// deliverAlways moves events from the outbox to the log as they come.
func (h *house) deliverAlways(ctx context.Context) error {
	for {
		if err := h.deliver(ctx); err != nil {
			return fmt.Errorf("delivering events: %w", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-h.db.Committed():
		}
	}
}
