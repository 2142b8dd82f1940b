package check

import (
	"crypto/tls"
	"go/version"
	"runtime"
	"slices"
	"testing"

	"microtica/internal/fakeapi"
)

// TestTheBinaryHasTheTLSDefaultsOfItsGo looks at what the binary offers a server: go.mod's 1.24
// must not hold back what a newer Go does better.
func TestTheBinaryHasTheTLSDefaultsOfItsGo(t *testing.T) {
	t.Parallel()
	offers := make(chan *tls.ClientHelloInfo, 10)
	api := fakeapi.NewTLS(t, &tls.Config{
		GetConfigForClient: func(offered *tls.ClientHelloInfo) (*tls.Config, error) {
			offers <- offered
			return nil, nil
		},
	})
	got := newUser(t, api.Base()).with("MICROTICA_TOKEN="+fakeapi.Key).run("project", "list")
	if got.exit != 5 || len(offers) != 1 { // it does not trust the server
		t.Fatalf("%d connections, %v", len(offers), got)
	}
	offered := <-offers
	if slices.Min(offered.SupportedVersions) < tls.VersionTLS12 ||
		slices.Contains(offered.SupportedProtos, "h2") {
		t.Errorf("the binary offers the versions %x and the protocols %q",
			offered.SupportedVersions, offered.SupportedProtos)
	}
	since := func(release string) bool { return version.Compare(runtime.Version(), release) >= 0 }
	for _, scheme := range []tls.SignatureScheme{tls.PKCS1WithSHA1, tls.ECDSAWithSHA1} {
		if since("go1.25") && slices.Contains(offered.SignatureSchemes, scheme) {
			t.Errorf("the binary accepts signatures of %v", scheme)
		}
	}
	if since("go1.26") && !slices.Contains(offered.SupportedCurves, 4587) /* SecP256r1MLKEM768 */ {
		t.Errorf("the binary offers only the key exchanges %v", offered.SupportedCurves)
	}
}
