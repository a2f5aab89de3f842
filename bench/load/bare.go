package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"
)

// Files by which a bare handler tells where it is.
const (
	bareAddress   = "address"
	bareAuthority = "baseline.pem"
)

// ServeBare serves a handler over TLS, as a baseline that does nothing else that a server does, until
// the context ends. It writes where it is to a folder.
func ServeBare(ctx context.Context, dir string, h http.Handler) error {
	cert, err := selfSigned(filepath.Join(dir, bareAuthority))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}}, Handler: h}
	// The address is written last: whoever finds it can connect.
	if err := os.WriteFile(filepath.Join(dir, bareAddress), []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// StartBare starts this program again with the flag -baseline and a folder, with which it is to call
// [ServeBare], and returns a client of it.
func StartBare(ctx context.Context, dir string, connections int) (*Process, *Client, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	p, err := Launch(self, "-baseline", dir)
	if err != nil {
		return nil, nil, err
	}
	address, err := Await(ctx, filepath.Join(dir, bareAddress))
	if err != nil {
		p.Stop()
		return nil, nil, err
	}
	c, err := NewClient("https://"+address, filepath.Join(dir, bareAuthority), connections)
	if err != nil {
		p.Stop()
	}
	return p, c, err
}

// selfSigned makes a certificate for loopback and writes it to a file to trust.
func selfSigned(file string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	t := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, t, t, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	err = os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
