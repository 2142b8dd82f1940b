package check

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

	"microtica/internal/fakeapi"
)

// bench times whole processes: the program, and what a user would run instead, in turn, so that the
// ratios hold on a machine whose speed drifts. It fails where a bound does not hold.
type bench struct {
	*testing.T
	user
	bare string // the path of testdata/bare.go, built
}

// pairing is a command line of the program, and what a user would run instead: CURL and BARE stand
// for programs that make the request, URL for that of the list. bound is the greatest ratio of what
// they take, in CPU as well as in wall time.
type pairing struct {
	args, other string
	bound       float64
}

// TestBench is make bench: it prints the figures that CONTRIBUTING.md shows.
func TestBench(t *testing.T) {
	if os.Getenv("MICROTICA_BENCH") == "" {
		t.Skip("it takes minutes; run make bench")
	}
	b := &bench{t, newUser(t, "").with("PATH="+os.Getenv("PATH"), "MICROTICA_TOKEN="+fakeapi.Key),
		filepath.Join(t.TempDir(), "bare")}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	must(t, err, build(b.bare, "testdata/bare.go"))
	b.user.stdout = null
	fmt.Printf("%s, %s/%s, %d processors, %s\n", time.Now().Format("2006-01-02"),
		runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.Version())
	own, err := os.Stat(binary)
	bare, err2 := os.Stat(b.bare)
	must(t, err, err2)
	var size series
	size.add(float64(own.Size())/1e6, float64(bare.Size())/1e6)
	b.show("binary", "MB", size, 1.10)
	b.plain()
	b.secure()
}

// plain compares what the program does over http, with up to 14 MB of projects.
func (b *bench) plain() {
	const (
		filter = "project list --query [?paymentPlan=='pro'].{id:id,name:name}"
		table  = "CURL URL | jq -r '.projects[] | [.id, .name] | @tsv'"
		whole  = "CURL URL | jq -c .projects"
		ids    = "CURL URL | jq -c '[.projects[].id]'"
		pro    = `CURL URL | jq -c '[.projects[] | select(.paymentPlan == "pro") | {id, name}]'`
	)
	for _, group := range []struct {
		projects, pairs int
		pairings        []pairing
	}{
		{10, 201, []pairing{
			{"version", "BARE", 1.10},
			{"whoami", "BARE URL", 1.15},
			{"whoami", "CURL URL", 0.60},
		}},
		{1_000, 201, []pairing{{"project list", "BARE URL", 1.30}}},
		{10_000, 21, []pairing{
			{"project list", table, 0.60},
			{"project list --json", whole, 0.60},
			{"project list --query [].id", ids, 0.75},
			{filter, pro, 0.75},
		}},
		{60_000, 9, []pairing{
			{"project list", table, 0.70},
			{"project list --json", whole, 0.65},
			{"project list --query [].id", ids, 0.90},
			{filter, pro, 0.90},
		}},
	} {
		fmt.Printf("\nwith %d projects\n", group.projects)
		api := fakeWith(b.T, group.projects)
		for _, c := range group.pairings {
			b.compare(api.Base(), group.pairs, c)
		}
	}
}

// compare runs both sides in that many pairs, and shows the medians of what they take and of their
// ratios.
func (b *bench) compare(base string, pairs int, c pairing, env ...string) {
	b.Helper()
	other := strings.NewReplacer("CURL", "curl -sf -H X-Microtica-Api-Key:"+fakeapi.Key,
		"BARE", b.bare, "URL", base+"/projects").Replace(c.other)
	for _, tool := range []string{"curl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil && strings.Contains(other, tool+" ") {
			fmt.Printf("SKIPPED %s against %s: there is no %s here\n", c.args, c.other, tool)
			return
		}
	}
	var cpu, wall, peak series
	for range pairs {
		ours := b.run(binary+" "+c.args, append(env, "MICROTICA_API_URL="+base)...)
		others := b.run(other)
		cpu.add(ours.cpu.Seconds()*1e3, others.cpu.Seconds()*1e3)
		wall.add(ours.wall.Seconds()*1e3, others.wall.Seconds()*1e3)
		peak.add(float64(ours.peak)/(1<<20), float64(others.peak)/(1<<20))
	}
	fmt.Printf("%s against %s (%d pairs)\n", c.args, c.other, pairs)
	b.show("  CPU", "ms", cpu, c.bound)
	b.show("  wall", "ms", wall, c.bound)
	b.show("  memory", "MiB", peak, 0)
}

// series is what both sides took, pair by pair, and the ratios.
type series struct{ ours, others, ratios []float64 }

func (s *series) add(ours, others float64) {
	s.ours, s.others = append(s.ours, ours), append(s.others, others)
	s.ratios = append(s.ratios, ours/others)
}

// show prints the medians, and fails the benchmark if the ratio exceeds a bound other than 0.
func (b *bench) show(what, unit string, s series, bound float64) {
	for _, values := range [][]float64{s.ours, s.others, s.ratios} {
		slices.Sort(values)
	}
	middle, verdict := len(s.ratios)/2, ""
	if bound > 0 {
		verdict = fmt.Sprintf("  at most %.2f", bound)
	}
	if bound > 0 && s.ratios[middle] > bound {
		verdict += ": DOES NOT HOLD"
		b.Fail()
	}
	fmt.Printf("%-8s %8.2f against %8.2f %-3s  ratio %.2f%s\n",
		what, s.ours[middle], s.others[middle], unit, s.ratios[middle], verdict)
}

// run runs a command line, with a shell if it has a pipe, and returns what it took.
func (b *bench) run(line string, env ...string) usage {
	b.Helper()
	args := strings.Fields(line)
	if strings.Contains(line, " | ") {
		args = []string{"/bin/sh", "-c", line}
	}
	got, took := b.with(env...).measure(args[0], args[1:]...)
	if got.exit != 0 {
		b.Fatalf("%s: %v", line, got)
	}
	return took
}

// fakeWith starts a fake that has n projects, about 230 bytes each.
func fakeWith(t *testing.T, n int) *fakeapi.API {
	var b bytes.Buffer
	b.WriteString(`{"projects":[`)
	for i := range n {
		fmt.Fprintf(&b, `{"id":"%024x","name":"project %d",`, i*7919, i)
		fmt.Fprintf(&b, `"description":"A project with environments, number %d of a team",`, i)
		fmt.Fprintf(&b, `"paymentPlan":"%s",`, []string{"free", "pro"}[i%2])
		fmt.Fprintf(&b, `"createdAt":%d,"partnerId":null,`, 1700000000000+int64(i))
		fmt.Fprintf(&b, `"active":true,"count":%d.5},`, i)
	}
	b.Truncate(b.Len() - 1)
	b.WriteString(`]}`)
	api := fakeapi.New(t)
	length := strconv.Itoa(b.Len())
	api.Answer("/projects", fakeapi.Reply(200, b.String(), "Content-Length", length))
	return api
}

// secure compares whoami over https, with one CA and with the system's trust store, and shows that
// reading the store costs nothing where the connection takes its time.
func (b *bench) secure() {
	ca := fakeapi.NewAuthority(b)
	near, far := fakeapi.NewTLS(b, ca.Good()), fakeapi.NewUnstarted(b)
	far.Listener, far.TLS = farListener{far.Listener}, ca.Good()
	far.StartTLS()
	fmt.Println("\nhttps")
	one := []string{"SSL_CERT_FILE=" + ca.File, "SSL_CERT_DIR=/none"} // not the system's directory
	b.compare(near.Base(), 41, pairing{"whoami", "CURL URL --cacert " + ca.File, 0.60}, one...)
	roots, err := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	if err != nil {
		fmt.Println("SKIPPED the system's trust store:", err)
		return
	}
	cert, err := os.ReadFile(ca.File)
	file := filepath.Join(b.home, "all.pem")
	must(b, err, os.WriteFile(file, append(roots, cert...), 0o600))
	all := []string{"SSL_CERT_FILE=" + file}
	b.compare(near.Base(), 41, pairing{"whoami", "CURL URL --cacert " + file, 0.60}, all...)
	var wall series
	for range 21 {
		url := "MICROTICA_API_URL=" + far.Base()
		whole := b.run(binary+" whoami", append(all, url)...)
		single := b.run(binary+" whoami", append(one, url)...)
		wall.add(whole.wall.Seconds()*1e3, single.wall.Seconds()*1e3)
	}
	fmt.Println("whoami, 40 ms away, with the system's trust store against one CA")
	b.show("  wall", "ms", wall, 1.20)
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
