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
	isAtLeast := func(release string) bool {
		return goversion.Compare(runtime.Version(), release) >= 0
	}
	for _, scheme := range []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1} {
		if isAtLeast("go1.25") && slices.Contains(offered.SignatureSchemes, scheme) {
			t.Errorf("the binary accepts signatures of %v", scheme)
		}
	}
	const secP256r1MLKEM768 = tls.CurveID(4587)
	if isAtLeast("go1.26") && !slices.Contains(offered.SupportedCurves, secP256r1MLKEM768) {
		t.Errorf("the binary offers only the key exchanges %v", offered.SupportedCurves)
	}
}
