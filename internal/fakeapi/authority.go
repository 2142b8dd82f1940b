package fakeapi

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Authority is a certificate authority of one test.
type Authority struct {
	File string // its certificate, as SSL_CERT_FILE wants it
	t    testing.TB
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// NewAuthority returns an authority that is valid for two days, half of them past.
func NewAuthority(t testing.TB) *Authority {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	a := &Authority{t: t, key: key, File: filepath.Join(t.TempDir(), "ca.pem")}
	a.cert = &x509.Certificate{
		SerialNumber:          big.NewInt(1),
		Subject:               pkix.Name{CommonName: "Test CA"},
		NotBefore:             time.Now().Add(-24 * time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	own := a.Sign(a.cert).Certificates[0].Certificate[0]
	data := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: own})
	if err := errors.Join(err, os.WriteFile(a.File, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return a
}

// Sign returns the configuration of a server with the certificate that cert describes.
func (a *Authority) Sign(cert *x509.Certificate) *tls.Config {
	der, err := x509.CreateCertificate(rand.Reader, cert, a.cert, a.key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: a.key}},
		NextProtos:   []string{"http/1.1"}, // net/http would offer h2 where it does not speak it
	}
}

// Issue does the same with one for addresses and names, valid for an hour from the given time on.
func (a *Authority) Issue(from time.Time, ips []net.IP, names ...string) *tls.Config {
	return a.Sign(&x509.Certificate{
		SerialNumber: big.NewInt(2),
		DNSNames:     names,
		IPAddresses:  ips,
		NotBefore:    from,
		NotAfter:     from.Add(time.Hour),
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	})
}

// Good does the same with one that is valid now, for 127.0.0.1 and names.
func (a *Authority) Good(names ...string) *tls.Config {
	return a.Issue(time.Now().Add(-time.Minute), []net.IP{net.IPv4(127, 0, 0, 1)}, names...)
}
