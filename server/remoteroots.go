package server

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"strongroom/crn"
	"strongroom/custody"
	"strongroom/iam"
	"strongroom/objects"
	"strongroom/objects/rootkeyhttp"
)

// rootKeys returns the root keys that buckets hang from: those of this server, or of another key
// service for all but the provider's own.
func (h *house) rootKeys(provider crn.CRN) (objects.RootKeys, error) {
	local := newRootKeys(h, provider)
	s := h.config.Objects.KeyService
	if s == nil {
		return local, nil
	}
	value, err := os.ReadFile(s.APIKeyFile)
	if err != nil {
		return nil, fmt.Errorf("objects.key_service.api_key_file: %w", err)
	}
	client, err := s.client()
	if err != nil {
		return nil, err
	}
	cfg := rootkeyhttp.Config{
		URL: s.URL, TokenURL: s.TokenURL, APIKey: custody.NewSecret(bytes.TrimSpace(value)), Client: client,
		Now: h.now, Logger: h.log, Kind: rootkeyhttp.Kind(s.Kind), Interval: s.Poll,
	}
	if s.Kind == string(rootkeyhttp.Strongroom) {
		if cfg.Instance, err = crn.Parse(s.Instance); err != nil {
			return nil, fmt.Errorf("objects.key_service.instance: %w", err)
		}
	}
	if h.remote, err = rootkeyhttp.New(cfg); err != nil {
		return nil, fmt.Errorf("objects.key_service: %w", err)
	}
	return &remoteRoots{RootKeys: h.remote, local: local, provider: provider, may: h.mayUseRemote}, nil
}

// client trusts the authority of the key service. A connection on which nothing comes any more, as of a
// network that has forgotten it, is found out by a ping and replaced.
func (s *KeyService) client() (*http.Client, error) {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, MaxIdleConnsPerHost: 16, IdleConnTimeout: 90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10, HTTP2: &http.HTTP2Config{SendPingTimeout: 5 * time.Second, PingTimeout: 10 * time.Second},
	}
	if s.CAFile != "" {
		authority, err := os.ReadFile(s.CAFile)
		if err != nil {
			return nil, fmt.Errorf("objects.key_service.ca_file: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(authority) {
			return nil, errors.New("objects.key_service.ca_file: it holds no certificate")
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	}
	return &http.Client{Transport: transport}, nil
}

// mayUseRemote reports whether buckets of an account may use the key service elsewhere, which knows
// all of this object store as one.
func (h *house) mayUseRemote(ctx context.Context, account string) (bool, error) {
	if accounts := h.config.Objects.KeyService.Accounts; len(accounts) > 0 {
		return slices.Contains(accounts, account), nil
	}
	operator, err := h.db.Setting(ctx, settingOperator)
	return account == operator && operator != "", err
}

// watchRemote watches the root keys in use of a key service elsewhere.
func (h *house) watchRemote(ctx context.Context) error {
	if h.remote == nil {
		<-ctx.Done()
		return nil
	}
	return h.remote.Run(ctx)
}

// remoteRoots are root keys in a key service elsewhere, but for the provider's own.
type remoteRoots struct {
	objects.RootKeys // elsewhere
	local            objects.RootKeys
	provider         crn.CRN
	may              func(ctx context.Context, account string) (bool, error)
}

func (r *remoteRoots) of(root crn.CRN) objects.RootKeys {
	if root == r.provider {
		return r.local
	}
	return r.RootKeys
}

// Describe implements objects.RootKeys. An account that may not use the key service is told what is
// told of a key that is not there.
func (r *remoteRoots) Describe(ctx context.Context, who iam.Caller, instance, root crn.CRN) (crn.CRN, error) {
	ok, err := r.may(ctx, instance.Account())
	switch {
	case err != nil:
		return crn.CRN{}, fmt.Errorf("%w: %v", objects.ErrRootService, err)
	case !ok:
		return crn.CRN{}, objects.ErrRootUnknown
	}
	return r.RootKeys.Describe(ctx, who, instance, root)
}

// Generate implements objects.RootKeys.
func (r *remoteRoots) Generate(ctx context.Context, who iam.Caller, instance, root crn.CRN, aad []string) (custody.Secret, objects.WrappedKey, error) {
	return r.of(root).Generate(ctx, who, instance, root, aad)
}

// Unwrap implements objects.RootKeys.
func (r *remoteRoots) Unwrap(ctx context.Context, who iam.Caller, instance, root crn.CRN, w objects.WrappedKey, aad []string) (custody.Secret, *objects.WrappedKey, error) {
	return r.of(root).Unwrap(ctx, who, instance, root, w, aad)
}

// Rewrap implements objects.RootKeys.
func (r *remoteRoots) Rewrap(ctx context.Context, instance, root crn.CRN, w objects.WrappedKey, aad []string) (objects.WrappedKey, error) {
	return r.of(root).Rewrap(ctx, instance, root, w, aad)
}

// Standing implements objects.RootKeys.
func (r *remoteRoots) Standing(ctx context.Context, instance, root crn.CRN) error {
	return r.of(root).Standing(ctx, instance, root)
}

// Version implements objects.RootKeys.
func (r *remoteRoots) Version(ctx context.Context, instance, root crn.CRN) (string, error) {
	return r.of(root).Version(ctx, instance, root)
}

// Register implements objects.RootKeys.
func (r *remoteRoots) Register(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN, version string, prevent bool) error {
	return r.of(root).Register(ctx, who, instance, root, bucket, version, prevent)
}

// Unregister implements objects.RootKeys.
func (r *remoteRoots) Unregister(ctx context.Context, who iam.Caller, instance, root, bucket crn.CRN) error {
	return r.of(root).Unregister(ctx, who, instance, root, bucket)
}

// Report implements objects.RootKeys.
func (r *remoteRoots) Report(ctx context.Context, instance, root crn.CRN, version string, objects, bytes int64) error {
	return r.of(root).Report(ctx, instance, root, version, objects, bytes)
}
