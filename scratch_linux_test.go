package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestTheProgramIsAllThatAnImageNeeds runs it as a container does that holds nothing else: in an empty root directory, as a user
// without a name or a home.
func TestTheProgramIsAllThatAnImageNeeds(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can change the root directory")
	}
	root := t.TempDir()
	program, err := os.ReadFile(builtBinary(t))
	if err != nil {
		t.Fatal(err)
	}
	api := unstartedFakeAPI()
	api.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	api.StartTLS()
	t.Cleanup(api.Close)
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: api.Certificate().Raw})
	for path, content := range map[string][]byte{"microtica": program, "run/secrets/key": []byte(testKey + "\n"), "etc/own.pem": authority} {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for path := root; path != os.TempDir() && path != "/"; path = filepath.Dir(path) { // for the other user
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	run := func(env ...string) result {
		t.Helper()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var stdout, stderr bytes.Buffer
		cmd := exec.CommandContext(ctx, "/microtica", "whoami")
		cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = "/", append(env, "MICROTICA_API_URL="+api.base()), &stdout, &stderr
		cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root, Credential: &syscall.Credential{Uid: 65532, Gid: 65532}}
		if err := cmd.Run(); cmd.ProcessState == nil {
			t.Skipf("the root directory cannot be changed here: %v", err)
		}
		return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
	}
	const report = "via:                apikey\napi key prefix:     mic_d60bea1d\napi reachable:      %t\nprojects visible:   %s\n"
	const trust, key, file = "SSL_CERT_FILE=/etc/own.pem", "MICROTICA_TOKEN=" + testKey, "MICROTICA_TOKEN_FILE=/run/secrets/key"
	host := strings.TrimPrefix(api.URL, "https://")
	for _, test := range []struct {
		name string
		env  []string
		want result
	}{
		{"the key in the environment", []string{trust, key}, result{fmt.Sprintf(report, true, "2"), "", 0}},
		{"the key in a mounted file", []string{trust, file}, result{fmt.Sprintf(report, true, "2"), "", 0}},
		{"no CA certificates", []string{key}, result{fmt.Sprintf(report, false, "unknown"), "error: no secure connection to " + host +
			": its certificate is signed by an unknown authority\nhint: no CA certificates may be installed (scratch image): set SSL_CERT_FILE or copy ca-certificates.crt into the image\n", 5}},
		{"no key", []string{trust}, result{"", "error: no place for a saved API key: HOME is not set\nhint: set MICROTICA_TOKEN to the key\n", 3}},
	} {
		if got := run(test.env...); got != test.want {
			t.Errorf("%s\n got %s\nwant %s", test.name, got, test.want)
		}
	}
	if err := os.MkdirAll(filepath.Join(root, "etc/ssl/certs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "etc/ssl/certs/ca-certificates.crt"), authority, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, want := run(key), (result{fmt.Sprintf(report, true, "2"), "", 0}); got != want { // as the Dockerfile copies them
		t.Errorf("CA certificates in the image\n got %s\nwant %s", got, want)
	}
}
