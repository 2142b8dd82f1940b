package main

import (
	"bytes"
	"fmt"
	"net"
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
// ratios hold on a machine whose speed drifts. It fails if a bound is exceeded.
type bench struct {
	t       *testing.T
	dir     string
	program string
	bare    string // a Go program that does the request and nothing else
}

// pairing is what to run in turn, and the bounds that must hold; 0 for none.
type pairing struct {
	args      string   // of the program
	other     string   // a command line; CURL, BARE and URL stand for what requests the list
	env       []string // beyond the usual
	cpu, wall float64  // bounds of the ratios
	peak      float64  // bound of the memory that the program takes, in MiB
}

// run runs a command line, without a shell around it unless it has a pipe, and returns its CPU and
// wall time in milliseconds, and what it printed to stderr.
func (b *bench) run(command string, env []string) (cpu, wall float64, stderr string) {
	b.t.Helper()
	if !strings.Contains(command, " | ") {
		command = "exec " + command
	}
	usual := []string{"HOME=" + b.dir, "PATH=" + os.Getenv("PATH"), "MICROTICA_TOKEN=" + testKey}
	p := program{path: "/bin/sh", env: append(usual, env...)}
	r, err := p.start(b.t, "-c", command+" >/dev/null")
	must(b.t, err)
	if got := r.wait(); got.code != 0 {
		b.t.Fatalf("%s: %s", command, got)
	}
	s := r.ProcessState
	return (s.UserTime() + s.SystemTime()).Seconds() * 1e3, r.took.Seconds() * 1e3, r.err.String()
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

// compare runs both sides in that many pairs, and prints the medians of what they take, and of the
// ratios.
func (b *bench) compare(api *fakeAPI, pairs int, c pairing) {
	b.t.Helper()
	env := append(slices.Clip(c.env), "MICROTICA_API_URL="+api.base())
	ours := b.program + " " + c.args
	other := strings.NewReplacer("CURL", "curl -s -H 'X-Microtica-Api-Key: "+testKey+"'",
		"BARE", b.bare, "URL", api.base()+"/projects").Replace(c.other)
	var took [2]struct{ ours, other, ratios []float64 }
	for pair := range pairs + 1 {
		cpu, wall, _ := b.run(ours, env)
		otherCPU, otherWall, _ := b.run(other, env)
		if pair == 0 { // it warmed the caches
			continue
		}
		for i, both := range [][2]float64{{cpu, otherCPU}, {wall, otherWall}} {
			took[i].ours = append(took[i].ours, both[0])
			took[i].other = append(took[i].other, both[1])
			took[i].ratios = append(took[i].ratios, both[0]/both[1])
		}
	}
	name := c.args + " against " + c.other
	fmt.Printf("%s (%d pairs)\n", name, pairs)
	for i, kind := range []string{"CPU", "wall"} {
		ratio := median(took[i].ratios)
		fmt.Printf("  %-12s %8.1f ms against %8.1f ms  ratio %.2f%s\n",
			kind, median(took[i].ours), median(took[i].other), ratio,
			b.holds(name+", "+kind, ratio, []float64{c.cpu, c.wall}[i]))
	}
	if _, err := exec.LookPath("/usr/bin/time"); err != nil || c.peak == 0 {
		return
	}
	var peaks []float64
	for range 5 {
		// What a parent sees of its child's memory begins with the parent's own peak.
		_, _, stderr := b.run("/usr/bin/time -f %M "+ours, env)
		lines := strings.Fields(stderr)
		kibibytes, err := strconv.ParseFloat(lines[len(lines)-1], 64)
		must(b.t, err)
		peaks = append(peaks, kibibytes/1024)
	}
	size := median(peaks)
	fmt.Printf("  %-12s %8.1f MiB%s\n",
		"peak memory", size, b.holds(name+", peak memory", size, c.peak))
}

// fakeWith starts a fake that has n projects, about 220 bytes each.
func fakeWith(t *testing.T, n int) *fakeAPI {
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
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, b.String(), "Content-Length", strconv.Itoa(b.Len())))
	return api
}

// farListener delays the first bytes that a server sends on each connection, as distance would.
type farListener struct{ net.Listener }

func (l farListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	return &farConn{conn, 40 * time.Millisecond}, err
}

type farConn struct {
	net.Conn
	delay time.Duration
}

func (c *farConn) Write(p []byte) (int, error) {
	time.Sleep(c.delay)
	c.delay = 0
	return c.Conn.Write(p)
}

// plain compares what the program does over http, with up to 23 MB of projects.
func (b *bench) plain() {
	for _, group := range []struct {
		projects, pairs int
		pairings        []pairing
	}{
		{10, 41, []pairing{
			{"version", "BARE", nil, 1.20, 1.20, 8},
			{"whoami", "CURL URL", nil, 0.60, 0.60, 0},
			{"whoami", "BARE URL", nil, 1.30, 0, 0},
			{"project list", "BARE URL", nil, 1.30, 0, 0},
		}},
		{1000, 41, []pairing{
			{"project list", "BARE URL", nil, 1.30, 0, 0},
		}},
		{100000, 9, []pairing{
			{"project list", "BARE URL", nil, 0, 0, 0},
			{"project list", "CURL URL | jq -r '.projects[] | [.id, .name] | @tsv'", nil,
				0.45, 0, 90},
			{"project list --json", "CURL URL | jq .", nil, 0.30, 0, 90},
			{"project list --query '[].id'", "CURL URL | jq -c '[.projects[].id]'", nil,
				0.50, 0, 90},
			{`project list --query "[?paymentPlan=='pro'].{id: id, name: name}"`,
				`CURL URL | jq -c '[.projects[] | select(.paymentPlan == "pro") | {id, name}]'`,
				nil, 0.60, 0, 90},
			{"project list --query 'length(@)'", "CURL URL | jq '.projects | length'", nil,
				0.45, 0, 60},
			{"project list --query '[0]'", "CURL URL | jq -c '.projects[0]'", nil, 0.45, 0, 60},
		}},
	} {
		fmt.Printf("\nwith %d projects\n", group.projects)
		api := fakeWith(b.t, group.projects)
		for _, c := range group.pairings {
			b.compare(api, group.pairs, c)
		}
	}
}

// secure compares whoami over https, with one CA and with the system's trust store, and shows that
// the store is read while the connection is made.
func (b *bench) secure() {
	ca := newAuthority(b.t)
	near := newSecureAPI(b.t, with(ca.good()))
	far := unstartedFakeAPI()
	far.Listener = farListener{far.Listener}
	startSecure(b.t, far, with(ca.good()))
	// Without SSL_CERT_DIR, the system's directory would be read too.
	one := []string{"SSL_CERT_FILE=" + ca.file, "SSL_CERT_DIR=/none"}
	b.compare(near, 41, pairing{"whoami", "CURL URL --cacert " + ca.file, one, 0.60, 0.60, 0})
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		fmt.Println("SKIPPED the system's trust store: ", err)
		return
	}
	cert, err := os.ReadFile(ca.file)
	must(b.t, err)
	file := filepath.Join(b.dir, "all.pem")
	must(b.t, os.WriteFile(file, append(roots, cert...), 0o600))
	all := []string{"SSL_CERT_FILE=" + file}
	b.compare(near, 41, pairing{"whoami", "CURL URL --cacert " + file, all, 0.60, 0.60, 0})
	var extra []float64
	for range 21 {
		url := "MICROTICA_API_URL=" + far.base()
		_, withAll, _ := b.run(b.program+" whoami", append(slices.Clip(all), url))
		_, withOne, _ := b.run(b.program+" whoami", append(slices.Clip(one), url))
		extra = append(extra, withAll-withOne)
	}
	const name = "the system's trust store, with 40 ms of latency in the handshake"
	fmt.Printf("%s: %.1f ms more wall than one CA%s\n", name, median(extra),
		b.holds(name, median(extra), 10))
}

// TestBench is make bench: it prints the figures that CONTRIBUTING.md shows, and fails where a
// bound does not hold. MICROTICA_BENCH names the binary.
func TestBench(t *testing.T) {
	if os.Getenv("MICROTICA_BENCH") == "" {
		t.Skip("MICROTICA_BENCH names no binary; run make bench")
	}
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("there is no %s to compare with", tool)
		}
	}
	program, err := filepath.Abs(os.Getenv("MICROTICA_BENCH"))
	must(t, err)
	b := &bench{t, t.TempDir(), program, filepath.Join(t.TempDir(), "bare")}
	build := exec.Command("go", "build", "-ldflags", "-s -w", "-o", b.bare, "testdata/bare.go")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	fmt.Printf("%s, %s/%s, %d processors, %s\n", time.Now().Format("2006-01-02"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	var sizes []float64
	for _, path := range []string{program, b.bare} {
		info, err := os.Stat(path)
		must(t, err)
		sizes = append(sizes, float64(info.Size()))
	}
	fmt.Printf("binary: %.2f MB against %.2f MB of the bare program, ratio %.2f%s\n",
		sizes[0]/1e6, sizes[1]/1e6, sizes[0]/sizes[1], b.holds("binary", sizes[0]/sizes[1], 1.20))
	b.plain()
	b.secure()
}
