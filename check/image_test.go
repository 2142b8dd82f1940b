//go:build linux

package check

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"microtica/internal/fakeapi"
)

// TestTheBinaryIsAllThatAnImageNeeds runs it as a container does that holds nothing else: in an
// empty root directory that it cannot write to, as a user without a name or a home.
func TestTheBinaryIsAllThatAnImageNeeds(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	ca := fakeapi.NewAuthority(t)
	api := fakeapi.NewTLS(t, ca.Good("localhost"))
	u := user{t: t, home: t.TempDir(), dir: "/"}
	install := func(path, from string) {
		t.Helper()
		data, err := os.ReadFile(from)
		path = filepath.Join(u.home, path)
		must(t, err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o755))
	}
	install("microtica", binary)
	install("etc/own.pem", ca.File)
	must(t, os.WriteFile(filepath.Join(u.home, "key"), []byte(fakeapi.Key+"\n"), 0o644))
	for dir := u.home; dir != os.TempDir(); dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o555)) // for the other user
	}
	other := &syscall.Credential{Uid: 65532, Gid: 65532}
	u.process = &syscall.SysProcAttr{Chroot: u.home, Credential: other}
	try := exec.Command("/microtica", "version")
	if try.SysProcAttr = u.process; try.Run() != nil {
		t.Skip("this root cannot change the root directory")
	}
	const trust, key = "SSL_CERT_FILE=/etc/own.pem", "MICROTICA_TOKEN=" + fakeapi.Key
	whoami := func(reachable, visible, stderr string, exit int, env ...string) {
		t.Helper()
		want := result{"via:                apikey\napi key prefix:     mic_d60bea1d\n" +
			"api reachable:      " + reachable + "\n" +
			"projects visible:   " + visible + "\n", stderr, exit}
		v := u.with("MICROTICA_API_URL=" + api.Base()).with(env...)
		if got := v.start("/microtica", "whoami").wait(); got != want {
			t.Errorf("%q\n got %v\nwant %v", env, got, want)
		}
	}
	whoami("true", "2", "", 0, trust, key)
	whoami("true", "2", "", 0, trust, "MICROTICA_TOKEN_FILE=/key")
	local := strings.Replace(api.Base(), "127.0.0.1", "localhost", 1) // with no hosts file
	whoami("true", "2", "", 0, trust, key, "MICROTICA_API_URL="+local)
	whoami("false", "unknown", "error: no secure connection to "+api.Host()+
		": x509: certificate signed by unknown authority\n"+
		"hint: CA certificates may be missing, as in a scratch image: set SSL_CERT_FILE\n", 5, key)
	install("etc/ssl/certs/ca-certificates.crt", ca.File)
	whoami("true", "2", "", 0, key)
}
