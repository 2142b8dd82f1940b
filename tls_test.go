package main

import (
	"crypto/tls"
	"debug/buildinfo"
	goversion "go/version"
	"slices"
	"strings"
	"testing"
)

// TestBinaryHasTheTLSDefaultsOfItsGo looks into the built binary, and at what it offers a server:
// go.mod's 1.24 must not hold back what a newer Go does better.
func TestBinaryHasTheTLSDefaultsOfItsGo(t *testing.T) {
	t.Parallel()
	info, err := buildinfo.ReadFile(builtBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	var settings []string
	for _, s := range info.Settings {
		if s.Key == "DefaultGODEBUG" {
			settings = strings.Split(s.Value, ",")
		}
	}
	isAtLeast := func(release string) bool {
		return goversion.Compare(info.GoVersion, release) >= 0
	}
	for _, want := range []struct{ setting, since string }{
		{"tlssha1=0", "go1.25"},
		{"tlssecpmlkem=1", "go1.26"},
	} {
		if got := slices.Contains(settings, want.setting); got != isAtLeast(want.since) {
			t.Errorf("%s: the binary's settings are %q: %s there: %v",
				info.GoVersion, settings, want.setting, got)
		}
	}

	needCertFile(t)
	var offered *tls.ClientHelloInfo
	ca := newAuthority(t)
	config := &tls.Config{Certificates: []tls.Certificate{ca.good()}}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		offered = hello
		return nil, nil
	}
	api := newSecureAPI(t, config)
	env := []string{
		"MICROTICA_TOKEN=" + testKey, "MICROTICA_API_URL=" + api.base(), "SSL_CERT_FILE=" + ca.file,
	}
	if got := process(t, env, "", "project", "list"); got.code != 0 {
		t.Fatal(got)
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
