package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"strongroom/custody"
	"strongroom/custody/software"
)

// Files by which the baseline tells where it is.
const (
	baselineAddress   = "address"
	baselineAuthority = "baseline.pem"
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
	cert, err := selfSigned(filepath.Join(dir, baselineAuthority))
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	s := &http.Server{
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}},
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
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
		}),
	}
	// The address is written last: whoever finds it can connect.
	if err := os.WriteFile(filepath.Join(dir, baselineAddress), []byte(l.Addr().String()), 0o600); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.ServeTLS(l, "", ""); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
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
