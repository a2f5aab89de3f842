package server

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/url"
	"os"
	"sync"
	"time"

	"strongroom/custody"
	"strongroom/sqlstore"
)

const (
	leafLife  = 90 * 24 * time.Hour
	renewWith = 30 * 24 * time.Hour // renewed when less than this is left
	caLife    = 20 * 365 * 24 * time.Hour
	backdate  = time.Hour // for clients whose clock is slow
)

// authority is the deployment's own certificate authority.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// openAuthority opens the certificate authority, or makes it at the first start.
// Its key is sealed in the database; every server issues its own leaves.
func openAuthority(ctx context.Context, vault *custody.Vault, db *sqlstore.DB, now time.Time) (*authority, error) {
	secret, row, err := db.Secrets().Obtain(ctx, vault, secretCA, "1", func() (custody.Secret, []byte, error) {
		return newAuthority(now)
	})
	if err != nil {
		return nil, fmt.Errorf("opening the certificate authority: %w", err)
	}
	key, err := parseECKey(secret)
	if err != nil {
		return nil, fmt.Errorf("reading the key of the certificate authority: %w", err)
	}
	cert, err := x509.ParseCertificate(row.Public)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the authority: %w", err)
	}
	// The certificate is stored in the clear, and clients are told to trust it.
	if !key.PublicKey.Equal(cert.PublicKey) {
		return nil, errors.New("the certificate of the authority is not that of its key: the row was changed outside of Strongroom")
	}
	return &authority{cert: cert, key: key}, nil
}

func newAuthority(now time.Time) (custody.Secret, []byte, error) {
	secret, _, err := newECKey()
	if err != nil {
		return secret, nil, err
	}
	parsed, err := x509.ParsePKCS8PrivateKey(secret.Reveal())
	if err != nil {
		return secret, nil, err
	}
	key := parsed.(*ecdsa.PrivateKey) // made one line above
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Strongroom certificate authority"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(caLife),
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	return secret, der, err
}

// serial is 159 random bits: unique, positive, at most 20 octets (RFC 5280,
// section 4.1.2.2).
func serial() *big.Int {
	n, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 159)) // crypto/rand does not fail
	return n
}

// issue makes a server certificate for the hosts, each a name or an address.
func (a *authority) issue(hosts []string, now time.Time) (*tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial(), Subject: pkix.Name{CommonName: "Strongroom server"},
		NotBefore: now.Add(-backdate), NotAfter: now.Add(leafLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, t, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("issuing a server certificate: %w", err)
	}
	leaf, err := x509.ParseCertificate(der)
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, err
}

// pem returns the authority's certificate for clients to trust.
func (a *authority) pem() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// certificates hands out the certificate that the server shows.
type certificates struct {
	now  func() time.Time
	make func() (*tls.Certificate, time.Time, error) // the certificate, and when to ask again

	mu    sync.Mutex // guards the following
	cert  *tls.Certificate
	again time.Time
}

// get returns the current certificate, for tls.Config. A renewal that fails
// leaves the old one in use and is tried again a minute later.
func (c *certificates) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now()
	if c.cert != nil && now.Before(c.again) {
		return c.cert, nil
	}
	cert, again, err := c.make()
	if err != nil {
		if c.cert == nil {
			return nil, err
		}
		c.again = now.Add(time.Minute)
		return c.cert, nil
	}
	c.cert, c.again = cert, again
	return cert, nil
}

// issued renews certificates of our own authority.
func issued(a *authority, hosts []string, now func() time.Time) *certificates {
	return &certificates{now: now, make: func() (*tls.Certificate, time.Time, error) {
		at := now()
		cert, err := a.issue(hosts, at)
		return cert, at.Add(leafLife - renewWith), err
	}}
}

// configured reads the operator's certificate, again when its file changed.
func configured(t TLS, now func() time.Time) *certificates {
	var (
		last    *tls.Certificate
		changed time.Time
	)
	return &certificates{now: now, make: func() (*tls.Certificate, time.Time, error) {
		again := now().Add(10 * time.Second)
		info, err := os.Stat(t.CertFile)
		if err != nil {
			return nil, again, fmt.Errorf("tls.cert_file: %w", err)
		}
		if last != nil && info.ModTime().Equal(changed) {
			return last, again, nil
		}
		cert, err := tls.LoadX509KeyPair(t.CertFile, t.KeyFile)
		if err != nil {
			return nil, again, fmt.Errorf("tls.cert_file and tls.key_file: %w", err)
		}
		last, changed = &cert, info.ModTime()
		return last, again, nil
	}}
}

// hosts lists the names and addresses that our own certificate is for.
func (c *Config) hosts() []string {
	set := map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true}
	for _, raw := range []string{c.PublicURL, c.S3URL} {
		if u, err := url.Parse(raw); err == nil && u.Hostname() != "" {
			set[u.Hostname()] = true
		}
	}
	for _, raw := range []string{c.Listen, c.S3Listen} {
		host, _, err := net.SplitHostPort(raw)
		if ip := net.ParseIP(host); err == nil && host != "" && (ip == nil || !ip.IsUnspecified()) {
			set[host] = true
		}
	}
	for _, domain := range append(c.domains(), c.websiteDomains()...) {
		set[domain], set["*."+domain] = true, true
	}
	hosts := make([]string, 0, len(set))
	for h := range set {
		hosts = append(hosts, h)
	}
	return hosts
}

// systemRoots are where systems keep the certificate authorities they trust.
var systemRoots = []string{
	"/etc/ssl/certs/ca-certificates.crt", // Debian, Alpine
	"/etc/pki/tls/certs/ca-bundle.crt",   // Fedora
	"/etc/ssl/ca-bundle.pem",             // SUSE
	"/etc/ssl/cert.pem",                  // BSD, macOS
}

// trustFiles writes our authority alone, and together with the system's roots.
func trustFiles(f *folder, own []byte) error {
	bundle := []byte(nil)
	for _, path := range systemRoots {
		if roots, err := os.ReadFile(path); err == nil {
			bundle = append(roots, '\n')
			break
		}
	}
	return errors.Join(
		writeFile(f.file(caFile), own, 0o644),
		writeFile(f.file(bundleFile), append(bundle, own...), 0o644),
	)
}
