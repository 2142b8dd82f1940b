package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTheProgramIsAllThatAnImageNeeds runs it as a container does that holds nothing else: in an
// empty root directory, as a user without a name or a home.
func TestTheProgramIsAllThatAnImageNeeds(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	ca := newAuthority(t)
	api := newSecureAPI(t, with(ca.good("localhost")))
	root := t.TempDir()
	install(t, filepath.Join(root, "microtica"), builtBinary(t))
	install(t, filepath.Join(root, "run/secrets/key"), newShell(t, nil).save(testKey).credentials())
	install(t, filepath.Join(root, "etc/own.pem"), ca.file)
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		must(t, os.Chmod(dir, 0o755)) // for the other user
	}
	p := program{path: "/microtica", dir: "/", attributes: &syscall.SysProcAttr{
		Chroot:     root,
		Credential: &syscall.Credential{Uid: 65532, Gid: 65532},
	}}
	whoami := func(name string, want result, env ...string) {
		t.Helper()
		p.env = append([]string{"MICROTICA_API_URL=" + api.base()}, env...)
		r, err := p.start(t, "whoami")
		if err != nil {
			t.Skipf("the root directory cannot be changed here: %v", err)
		}
		if got := r.wait(); got != want {
			t.Errorf("%s\n got %s\nwant %s", name, got, want)
		}
	}
	const trust, key = "SSL_CERT_FILE=/etc/own.pem", "MICROTICA_TOKEN=" + testKey
	works := result{reportOf("true", "2"), "", 0}
	whoami("the key in the environment", works, trust, key)
	whoami("the key in a mounted file", works, trust, "MICROTICA_TOKEN_FILE=/run/secrets/key")
	local := strings.Replace(api.base(), "127.0.0.1", "localhost", 1) // with no hosts file
	whoami("a name for this machine", works, trust, key, "MICROTICA_API_URL="+local)
	whoami("no CA certificates", insecure(api.host(), unknownAuthority, installHint).
		fails(reportOf("false", "unknown"), false), key)
	install(t, filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), ca.file)
	whoami("CA certificates in the image", works, key)
}

// install copies a file, for anybody to read and run.
func install(t *testing.T, path, from string) {
	t.Helper()
	data, err := os.ReadFile(from)
	must(t, err, os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, data, 0o755))
}
