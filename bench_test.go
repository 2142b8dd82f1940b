package main

import (
	"bytes"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// bench is make bench: it times whole processes, the program and what a user would run instead in turn, so that the ratios hold
// on a machine whose speed drifts.
type bench struct {
	t            *testing.T
	program      string
	bare         string
	env          []string
	withoutPeaks bool // there is no /usr/bin/time to ask
}

// figures are what one process took: CPU and wall in seconds, and page faults.
type figures struct{ cpu, wall, faults float64 }

func (b *bench) once(env []string, command string) figures {
	cmd := exec.Command("sh", "-c", "exec "+command+" >/dev/null")
	if strings.Contains(command, "|") {
		cmd = exec.Command("sh", "-c", command+" >/dev/null")
	}
	var stderr bytes.Buffer
	cmd.Env, cmd.Stderr = append(b.env, env...), &stderr
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%s: %v\n%s", command, err, stderr.String())
	}
	s := cmd.ProcessState
	return figures{(s.UserTime() + s.SystemTime()).Seconds(), time.Since(began).Seconds(), pageFaults(s)}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// pair runs a and c in turn and prints the medians of the figures and of their ratios. bounds are of CPU, wall and page faults;
// 0 for none.
func (b *bench) pair(name string, runs int, env []string, a, c string, bounds figures) {
	var as, cs, ratios [3][]float64
	b.once(env, a)
	b.once(env, c)
	for range runs {
		x, y := b.once(env, a), b.once(env, c)
		for i, v := range [3][2]float64{{x.cpu, y.cpu}, {x.wall, y.wall}, {x.faults, y.faults}} {
			as[i], cs[i], ratios[i] = append(as[i], v[0]), append(cs[i], v[1]), append(ratios[i], v[0]/v[1])
		}
	}
	fmt.Printf("%s (%d pairs)\n", name, runs)
	for i, what := range []string{"CPU", "wall", "page faults"} {
		bound := []float64{bounds.cpu, bounds.wall, bounds.faults}[i]
		if i == 2 && bound == 0 {
			continue
		}
		unit, scale := "ms", 1000.0
		if i == 2 {
			unit, scale = "", 1
		}
		verdict := ""
		if ratio := median(ratios[i]); bound > 0 && ratio <= bound {
			verdict = fmt.Sprintf("   holds: at most %.2f", bound)
		} else if bound > 0 {
			verdict = fmt.Sprintf("   DOES NOT HOLD: at most %.2f", bound)
		}
		fmt.Printf("  %-12s %8.1f %-2s against %8.1f %-2s  ratio %.2f%s\n", what, median(as[i])*scale, unit, median(cs[i])*scale, unit, median(ratios[i]), verdict)
	}
}

// peak prints a command's peak memory. It asks time(1), for what a parent sees of its child begins with the parent's own.
func (b *bench) peak(name string, env []string, command string, most float64) {
	if b.withoutPeaks {
		return
	}
	var peaks []float64
	for range 5 {
		cmd := exec.Command("sh", "-c", "/usr/bin/time -f %M "+command+" >/dev/null")
		var stderr bytes.Buffer
		cmd.Env, cmd.Stderr = append(b.env, env...), &stderr
		if err := cmd.Run(); err != nil {
			b.t.Fatalf("%s: %v\n%s", command, err, stderr.String())
		}
		lines := strings.Fields(stderr.String())
		kilobytes, err := strconv.ParseFloat(lines[len(lines)-1], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		peaks = append(peaks, kilobytes/1024)
	}
	verdict := "holds"
	if median(peaks) > most {
		verdict = "DOES NOT HOLD"
	}
	fmt.Printf("  %-12s %8.1f MiB   %s: at most %.0f   (%s)\n", "peak memory", median(peaks), verdict, most, name)
}

// manyProjects returns an answer of n projects, about 220 bytes each.
func manyProjects(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"projects":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%024x","name":"project %d","description":"A project that holds the environments number %d of the team","paymentPlan":"%s","createdAt":%d,"partnerId":null,"active":true,"count":%d.5}`,
			i*7919, i, i, []string{"free", "pro"}[i%2], 1700000000000+i, i)
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// slowListener delays the first bytes that a server sends on each connection, as distance would.
type slowListener struct {
	net.Listener
	delay time.Duration
}

func (l slowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &slowConn{Conn: conn, delay: l.delay}, err
}

type slowConn struct {
	net.Conn
	delay time.Duration
}

func (c *slowConn) Write(p []byte) (int, error) {
	time.Sleep(c.delay)
	c.delay = 0
	return c.Conn.Write(p)
}

// TestBench prints the figures that README shows. It runs where MICROTICA_BENCH names the binary, as make bench does.
func TestBench(t *testing.T) {
	program := os.Getenv("MICROTICA_BENCH")
	if program == "" {
		t.Skip("MICROTICA_BENCH names no binary; run make bench")
	}
	for _, tool := range []string{"sh", "curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s to compare with", tool)
		}
	}
	b := &bench{t: t, program: program, bare: filepath.Join(testDir, "bare")}
	if out, err := exec.Command("go", "build", "-ldflags", "-s -w", "-o", b.bare, "testdata/bare.go").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	_, err := os.Stat("/usr/bin/time")
	b.withoutPeaks = err != nil

	bodies := map[string][]byte{}
	for _, n := range []int{10, 1000, 100000} {
		bodies[fmt.Sprintf("/%d/projects", n)] = manyProjects(n)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", strconv.Itoa(len(bodies[r.URL.Path])))
		w.Write(bodies[r.URL.Path])
	})
	plain := httptest.NewServer(handler)
	defer plain.Close()
	secure := func(delay time.Duration) *httptest.Server {
		s := httptest.NewUnstartedServer(handler)
		s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
		s.Listener = slowListener{s.Listener, delay}
		s.StartTLS()
		return s
	}
	near, far := secure(0), secure(40*time.Millisecond)
	defer near.Close()
	defer far.Close()
	authority := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: near.Certificate().Raw})
	one, all := filepath.Join(testDir, "one.pem"), ""
	if err := os.WriteFile(one, authority, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"} {
		if bundle, err := os.ReadFile(path); err == nil && all == "" {
			all = filepath.Join(testDir, "all.pem")
			if err := os.WriteFile(all, append(bundle, authority...), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}

	b.env = []string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "MICROTICA_TOKEN=" + testKey}
	at := func(base string, n int) []string { return []string{fmt.Sprintf("MICROTICA_API_URL=%s/%d", base, n)} }
	curl := func(base string, n int) string {
		return fmt.Sprintf("curl -s -H 'X-Microtica-Api-Key: %s' %s/%d/projects", testKey, base, n)
	}
	onlyOne := []string{"SSL_CERT_FILE=" + one, "SSL_CERT_DIR=/none"} // without the latter the system's directory is read too
	bare := func(n int) string { return fmt.Sprintf("%s %s/%d/projects", b.bare, plain.URL, n) }

	fmt.Printf("%s, %s/%s, %d processors, %s\n", time.Now().Format("2006-01-02"), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	size, bareSize := fileSize(t, program), fileSize(t, b.bare)
	fmt.Printf("binary: %.2f MB against %.2f MB of the bare program, ratio %.2f (at most 1.20)\n", size/1e6, bareSize/1e6, size/bareSize)
	b.pair("version against the bare program", 41, nil, program+" version", b.bare, figures{1.25, 1.25, 1.25})
	b.peak("version", nil, program+" version", 8)
	b.pair("whoami over http against curl", 41, at(plain.URL, 10), program+" whoami", curl(plain.URL, 10), figures{wall: 0.75})
	b.pair("whoami over http against the bare program", 41, at(plain.URL, 10), program+" whoami", bare(10), figures{cpu: 1.30})
	b.pair("whoami over https, one CA, against curl", 41, append(at(near.URL, 10), onlyOne...), program+" whoami",
		curl(near.URL, 10)+" --cacert "+one, figures{wall: 0.80})
	if all != "" {
		b.pair("whoami over https, the system's trust store, against curl", 41, append(at(near.URL, 10), "SSL_CERT_FILE="+all), program+" whoami",
			curl(near.URL, 10)+" --cacert "+all, figures{wall: 0.95})
		var extra []float64
		for range 21 {
			x := b.once(append(at(far.URL, 10), "SSL_CERT_FILE="+all), program+" whoami")
			y := b.once(append(at(far.URL, 10), onlyOne...), program+" whoami")
			extra = append(extra, (x.wall-y.wall)*1000)
		}
		fmt.Printf("with 40 ms of latency in the handshake the system's trust store costs %.1f ms more wall than one CA (at most 10)\n", median(extra))
	}
	for _, n := range []int{10, 1000} {
		b.pair(fmt.Sprintf("project list of %d against the bare program", n), 41, at(plain.URL, n), program+" project list", bare(n), figures{cpu: 1.30})
	}
	const n = 100000
	b.pair("project list of 100,000 against the bare program", 9, at(plain.URL, n), program+" project list", bare(n), figures{})
	b.pair("project list of 100,000 against curl | jq -r @tsv", 9, at(plain.URL, n), program+" project list",
		curl(plain.URL, n)+" | jq -r '.projects[] | [.id, .name] | @tsv'", figures{cpu: 0.45})
	b.peak("project list", at(plain.URL, n), program+" project list", 90)
	b.pair("project list --json of 100,000 against curl | jq .", 9, at(plain.URL, n), program+" project list --json", curl(plain.URL, n)+" | jq .", figures{cpu: 0.35})
	b.peak("project list --json", at(plain.URL, n), program+" project list --json", 90)
	b.pair("project list --query '[].id' of 100,000 against curl | jq -c", 9, at(plain.URL, n), program+" project list --query '[].id'",
		curl(plain.URL, n)+" | jq -c '[.projects[].id]'", figures{cpu: 0.65})
	b.peak("project list --query '[].id'", at(plain.URL, n), program+" project list --query '[].id'", 160)
	const filter = `"[?paymentPlan=='pro'].{id: id, name: name}"`
	b.pair("project list --query "+filter+" of 100,000 against curl | jq -c", 9, at(plain.URL, n), program+" project list --query "+filter,
		curl(plain.URL, n)+` | jq -c '[.projects[] | select(.paymentPlan == "pro") | {id, name}]'`, figures{cpu: 0.70})
	b.peak("project list --query with a filter", at(plain.URL, n), program+" project list --query "+filter, 160)
}

func fileSize(t *testing.T, path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return float64(info.Size())
}
