package main

import (
	"crypto/tls"
	goversion "go/version"
	"runtime"
	"slices"
	"testing"
)

// TestBinaryHasTheTLSDefaultsOfItsGo looks at what the binary offers a server: go.mod's 1.24 must
// not hold back what a newer Go does better.
func TestBinaryHasTheTLSDefaultsOfItsGo(t *testing.T) {
	t.Parallel()
	offers := make(chan *tls.ClientHelloInfo, 10)
	api := newSecureAPI(t, &tls.Config{
		GetConfigForClient: func(offered *tls.ClientHelloInfo) (*tls.Config, error) {
			offers <- offered
			return nil, nil
		},
	})
	s := newShell(t, api).with("MICROTICA_TOKEN", testKey)
	process(t, s.environ(), "", "project", "list") // it need not trust the server
	offered := receive(t, offers)
	for _, scheme := range []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1} {
		older := goversion.Compare(runtime.Version(), "go1.25") < 0
		if slices.Contains(offered.SignatureSchemes, scheme) != older {
			t.Errorf("%s: the binary accepts signatures of %v", runtime.Version(), scheme)
		}
	}
	const secP256r1MLKEM768 = tls.CurveID(4587)
	newer := goversion.Compare(runtime.Version(), "go1.26") >= 0
	if slices.Contains(offered.SupportedCurves, secP256r1MLKEM768) != newer {
		t.Errorf("%s: the binary offers the key exchanges %v", runtime.Version(),
			offered.SupportedCurves)
	}
}
