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

// bench times whole processes: the program, and what a user would run instead, in turn, so that the
// ratios hold on a machine whose speed drifts. It fails where a bound is exceeded.
type bench struct {
	t        *testing.T
	program  string
	bare     string // a Go program that does the request and nothing else
	dir      string
	plain    string   // the base URL of the fake over http
	near     string   // the same over https
	far      string   // the same behind 40 ms of latency
	onlyOne  []string // variables that make one CA certificate the trust store
	allRoots []string // variables that make that one and the system's; nil where those are unknown
	allFile  string
}

// figures are what a process took, or the ratio of two: CPU and wall in seconds, page faults in
// number. As bounds, 0 is for none.
type figures struct{ cpu, wall, faults float64 }

// invocation is a command line for sh, and what its environment holds beyond the usual.
type invocation struct {
	command string
	env     []string
}

// start returns a process that is ready to run, and what it will print to stderr.
func (b *bench) start(script string, env []string) (*exec.Cmd, *bytes.Buffer) {
	cmd, stderr := exec.Command("sh", "-c", script), &bytes.Buffer{}
	usual := []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH"), "MICROTICA_TOKEN=" + testKey}
	cmd.Env, cmd.Stderr = append(usual, env...), stderr
	return cmd, stderr
}

// once runs a line, without a shell around it unless it has a pipe.
func (b *bench) once(l invocation) figures {
	script := "exec " + l.command + " >/dev/null"
	if strings.Contains(l.command, " | ") {
		script = l.command + " >/dev/null"
	}
	cmd, stderr := b.start(script, l.env)
	began := time.Now()
	if err := cmd.Run(); err != nil {
		b.t.Fatalf("%s: %v\n%s", l.command, err, stderr)
	}
	wall, s := time.Since(began).Seconds(), cmd.ProcessState
	return figures{(s.UserTime() + s.SystemTime()).Seconds(), wall, pageFaults(s)}
}

func median(values []float64) float64 {
	slices.Sort(values)
	return values[len(values)/2]
}

// holds returns what to print beside a value with a bound, and fails the benchmark above it.
func (b *bench) holds(name string, value, bound float64) string {
	switch {
	case bound == 0:
		return ""
	case value <= bound:
		return fmt.Sprintf("   at most %.2f: holds", bound)
	}
	b.t.Errorf("%s: %.2f is more than %.2f", name, value, bound)
	return fmt.Sprintf("   at most %.2f: DOES NOT HOLD", bound)
}

// pair runs two lines in turn and prints the medians of their figures and of the ratios of these.
func (b *bench) pair(name string, runs int, l, other invocation, bounds figures) {
	rows := []struct {
		name, unit          string
		bound, scale        float64
		ours, other, ratios []float64
	}{
		{name: "CPU", unit: "ms", scale: 1000, bound: bounds.cpu},
		{name: "wall", unit: "ms", scale: 1000, bound: bounds.wall},
		{name: "page faults", scale: 1, bound: bounds.faults},
	}
	b.once(l)
	b.once(other)
	for range runs {
		x, y := b.once(l), b.once(other)
		ours := [...]float64{x.cpu, x.wall, x.faults}
		others := [...]float64{y.cpu, y.wall, y.faults}
		for i := range rows {
			row := &rows[i]
			row.ours = append(row.ours, ours[i]*row.scale)
			row.other = append(row.other, others[i]*row.scale)
			row.ratios = append(row.ratios, ours[i]/others[i])
		}
	}
	fmt.Printf("%s (%d pairs)\n", name, runs)
	for _, row := range rows {
		if row.name == "page faults" && row.bound == 0 {
			continue
		}
		ratio := median(row.ratios)
		fmt.Printf("  %-12s %8.1f %-2s against %8.1f %-2s  ratio %.2f%s\n",
			row.name, median(row.ours), row.unit, median(row.other), row.unit, ratio,
			b.holds(name+", "+row.name, ratio, row.bound))
	}
}

// peak prints how much memory a line takes at most, in MiB. It asks time(1), since what a parent
// sees of its child begins with the parent's own peak.
func (b *bench) peak(name string, l invocation, bound float64) {
	if _, err := os.Stat("/usr/bin/time"); err != nil {
		fmt.Println("SKIPPED peak memory: there is no /usr/bin/time")
		return
	}
	var peaks []float64
	for range 5 {
		cmd, stderr := b.start("/usr/bin/time -f %M "+l.command+" >/dev/null", l.env)
		if err := cmd.Run(); err != nil {
			b.t.Fatalf("%s: %v\n%s", l.command, err, stderr)
		}
		words := strings.Fields(stderr.String())
		kibibytes, err := strconv.ParseFloat(words[len(words)-1], 64)
		if err != nil {
			b.t.Fatal(err)
		}
		peaks = append(peaks, kibibytes/1024)
	}
	size := median(peaks)
	fmt.Printf("  %-12s %8.1f MiB%s\n",
		"peak memory", size, b.holds(name+", peak memory", size, bound))
}

// manyProjects returns an answer of n projects, about 220 bytes each.
func manyProjects(n int) []byte {
	var b bytes.Buffer
	b.WriteString(`{"projects":[`)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"id":"%024x","name":"project %d",`, i*7919, i)
		fmt.Fprintf(&b, `"description":"A project with environments, number %d of a team",`, i)
		fmt.Fprintf(&b, `"paymentPlan":"%s",`, []string{"free", "pro"}[i%2])
		fmt.Fprintf(&b, `"createdAt":%d,"partnerId":null,`, int64(1700000000000)+int64(i))
		fmt.Fprintf(&b, `"active":true,"count":%d.5}`, i)
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

// newBench builds the bare program and starts the servers. A base URL ends in the number of
// projects that the fake has there.
func newBench(t *testing.T, program string) *bench {
	b := &bench{t: t, program: program, dir: t.TempDir()}
	b.bare = filepath.Join(b.dir, "bare")
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", b.bare, "testdata/bare.go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	answers := map[string][]byte{}
	for _, n := range []int{10, 1000, 100000} {
		answers[fmt.Sprintf("/%d/projects", n)] = manyProjects(n)
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answer := answers[r.URL.Path]
		w.Header().Set("Content-Length", strconv.Itoa(len(answer)))
		w.Write(answer)
	})
	plain := httptest.NewServer(handler)
	t.Cleanup(plain.Close)
	near, far := secureServer(t, handler, 0), secureServer(t, handler, 40*time.Millisecond)
	b.plain, b.near, b.far = plain.URL, near.URL, far.URL
	b.trust(near)
	return b
}

func secureServer(t *testing.T, handler http.Handler, delay time.Duration) *httptest.Server {
	s := httptest.NewUnstartedServer(handler)
	s.TLS = &tls.Config{NextProtos: []string{"http/1.1"}}
	s.Listener = slowListener{s.Listener, delay}
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// trust makes the two trust stores: the server's certificate, and that with the system's.
func (b *bench) trust(s *httptest.Server) {
	one := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	write := func(name string, data []byte) string {
		path := filepath.Join(b.dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			b.t.Fatal(err)
		}
		return path
	}
	// Without SSL_CERT_DIR, the system's directory would be read too.
	b.onlyOne = []string{"SSL_CERT_FILE=" + write("one.pem", one), "SSL_CERT_DIR=/none"}
	for _, path := range []string{
		"/etc/ssl/certs/ca-certificates.crt",
		"/etc/pki/tls/certs/ca-bundle.crt",
		"/etc/ssl/cert.pem",
	} {
		if bundle, err := os.ReadFile(path); err == nil {
			b.allFile = write("all.pem", append(bundle, one...))
			b.allRoots = []string{"SSL_CERT_FILE=" + b.allFile}
			return
		}
	}
}

// ours returns a command line of the program, with the fake of n projects at base as its API.
func (b *bench) ours(args, base string, n int, env ...string) invocation {
	url := fmt.Sprintf("MICROTICA_API_URL=%s/%d", base, n)
	return invocation{b.program + " " + args, append([]string{url}, env...)}
}

// curl returns the request of the same list with curl, and what follows it.
func (b *bench) curl(base string, n int, rest string) invocation {
	const form = "curl -s -H 'X-Microtica-Api-Key: %s' %s/%d/projects%s"
	return invocation{command: fmt.Sprintf(form, testKey, base, n, rest)}
}

// bareRequest returns the request of the same list with the bare program.
func (b *bench) bareRequest(n int) invocation {
	return invocation{command: fmt.Sprintf("%s %s/%d/projects", b.bare, b.plain, n)}
}

// small compares what takes milliseconds.
func (b *bench) small() {
	size, bareSize := fileSize(b.t, b.program), fileSize(b.t, b.bare)
	fmt.Printf("binary: %.2f MB against %.2f MB of the bare program, ratio %.2f%s\n",
		size/1e6, bareSize/1e6, size/bareSize, b.holds("binary", size/bareSize, 1.20))
	version := invocation{command: b.program + " version"}
	b.pair("version against the bare program", 41, version, invocation{command: b.bare},
		figures{1.20, 1.20, 1.25})
	b.peak("version", version, 8)
	whoami := b.ours("whoami", b.plain, 10)
	b.pair("whoami, http, against curl", 41, whoami, b.curl(b.plain, 10, ""),
		figures{cpu: 0.60, wall: 0.60})
	b.pair("whoami, http, against the bare program", 41, whoami, b.bareRequest(10),
		figures{cpu: 1.30})
	b.pair("whoami, https, one CA, against curl", 41, b.ours("whoami", b.near, 10, b.onlyOne...),
		b.curl(b.near, 10, " --cacert "+filepath.Join(b.dir, "one.pem")),
		figures{cpu: 0.60, wall: 0.60})
	if b.allRoots != nil {
		b.pair("whoami, https, the system's trust store, against curl", 41,
			b.ours("whoami", b.near, 10, b.allRoots...),
			b.curl(b.near, 10, " --cacert "+b.allFile), figures{cpu: 0.60, wall: 0.60})
		b.trustStore()
	}
	for _, n := range []int{10, 1000} {
		b.pair(fmt.Sprintf("project list of %d against the bare program", n), 41,
			b.ours("project list", b.plain, n), b.bareRequest(n), figures{cpu: 1.30})
	}
}

// trustStore shows that the system's trust store is read while the connection is made.
func (b *bench) trustStore() {
	var extra []float64
	for range 21 {
		all := b.once(b.ours("whoami", b.far, 10, b.allRoots...))
		one := b.once(b.ours("whoami", b.far, 10, b.onlyOne...))
		extra = append(extra, (all.wall-one.wall)*1000)
	}
	const name = "the system's trust store, with 40 ms of latency in the handshake"
	fmt.Printf("%s: %.1f ms more wall than one CA%s\n", name, median(extra),
		b.holds(name, median(extra), 10))
}

// large compares what the program does with 100,000 projects, 23 MB, with curl and jq.
func (b *bench) large() {
	const n = 100000
	list := b.ours("project list", b.plain, n)
	b.pair("project list of 100,000 against the bare program", 9, list, b.bareRequest(n), figures{})
	for _, row := range []struct {
		args, jq  string
		cpu, peak float64
	}{
		{"", "-r '.projects[] | [.id, .name] | @tsv'", 0.45, 90},
		{" --json", ".", 0.30, 90},
		{" --query '[].id'", "-c '[.projects[].id]'", 0.50, 90},
		{` --query "[?paymentPlan=='pro'].{id: id, name: name}"`,
			`-c '[.projects[] | select(.paymentPlan == "pro") | {id, name}]'`, 0.60, 90},
		{" --query 'length(@)'", "'.projects | length'", 0.45, 60},
		{" --query '[0]'", "-c '.projects[0]'", 0.45, 60},
	} {
		name := "project list" + row.args + " of 100,000"
		ours := b.ours("project list"+row.args, b.plain, n)
		b.pair(name+" against curl | jq "+row.jq, 9, ours,
			b.curl(b.plain, n, " | jq "+row.jq), figures{cpu: row.cpu})
		b.peak(name, ours, row.peak)
	}
}

// TestBench is make bench: it prints the figures that CONTRIBUTING.md shows, and fails where a
// bound does not hold. MICROTICA_BENCH names the binary.
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
	b := newBench(t, program)
	fmt.Printf("%s, %s/%s, %d processors, %s\n", time.Now().Format("2006-01-02"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	b.small()
	b.large()
}

func fileSize(t *testing.T, path string) float64 {
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return float64(info.Size())
}
