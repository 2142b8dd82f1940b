package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// testKey is a key that the fake API accepts. Its secret part is a canary: no test may ever see it printed.
const (
	testKey    = "mic_d60bea1d_canary0SECRET0value"
	testPrefix = "mic_d60bea1d"
	otherKey   = "mic_0ther_key0of0an0earlier0login"
)

// Answers of the shapes that the API is known to give.
const (
	projectsBody = `{"projects":[{"id":"5f1c","name":"shop","description":"The shop","paymentPlan":"pro"},{"id":"77aa","name":"blog","description":""}]}`
	stagesBody   = `{"id":"5f1c","name":"shop","description":"The shop","entities":{"stages":[` +
		`{"id":"e1","name":"production","description":"","status":"deployed","lastDeployed":1790154420000},` +
		`{"id":"e2","name":"staging","description":"","status":"pending"}],"pipelines":[]}}`
	meBody = `{"via":"apikey","userId":"u1","apiKey":{"id":"k1","prefix":"mic_d60bea1d","name":"ci"}}`
)

// fakeAPI is a fake of Microtica's API on loopback, under a path prefix, so that a wrongly joined URL fails. It knows one key
// and answers 401 to any other.
type fakeAPI struct {
	*httptest.Server
	mu       sync.Mutex
	answers  map[string]http.HandlerFunc // by path below the prefix
	requests []string                    // the path of each request, in order
}

const fakePrefix = "/gateway/v1"

// newFakeAPI starts a fake that stops with the test.
func newFakeAPI(t testing.TB) *fakeAPI {
	f := unstartedFakeAPI()
	f.Start()
	t.Cleanup(f.Close)
	return f
}

func unstartedFakeAPI() *fakeAPI {
	f := &fakeAPI{answers: map[string]http.HandlerFunc{
		"/projects":              reply(200, projectsBody),
		"/projects/5f1c/details": reply(200, stagesBody),
		"/me":                    reply(200, meBody),
	}}
	f.Server = httptest.NewUnstartedServer(f)
	return f
}

// base returns the value of MICROTICA_API_URL for the fake.
func (f *fakeAPI) base() string { return f.URL + fakePrefix }

// answer sets what the fake answers to a path below its prefix.
func (f *fakeAPI) answer(path string, h http.HandlerFunc) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.answers[path] = h
}

// seen returns the paths asked for since the last call.
func (f *fakeAPI) seen() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := strings.Join(f.requests, " ")
	f.requests = nil
	return all
}

func (f *fakeAPI) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.EscapedPath(), fakePrefix)
	f.mu.Lock()
	f.requests = append(f.requests, path)
	answer := f.answers[path]
	f.mu.Unlock()
	switch {
	case !strings.HasPrefix(r.URL.Path, fakePrefix+"/") || r.Method != http.MethodGet || answer == nil:
		reply(404, `{"message":"no such path"}`)(w, r)
	case r.Header.Get("X-Microtica-Api-Key") != testKey:
		reply(401, `{"message":"key revoked"}`)(w, r)
	default:
		answer(w, r)
	}
}

// reply returns a handler that answers with a status, a body, and headers given as name and value in turn.
func reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for i := 0; i+1 < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// shell runs commands in-process as a user's shell would: with an environment, a home directory and a working stdin.
type shell struct {
	t           testing.TB
	home        string
	env         map[string]string
	stdin       string
	input       io.Reader       // what stdin is where text is not enough
	output      io.Writer       // where stdout goes instead of into the result
	waits       []time.Duration // what the retries waited, which takes no time here
	apiLimit    time.Duration
	verifyLimit time.Duration
	now         time.Time
}

// result is all that a command leaves behind, but for files.
type result struct {
	stdout, stderr string
	code           int
}

// newShell returns a shell with an empty home directory, and with MICROTICA_API_URL naming api unless that is nil.
func newShell(t testing.TB, api *fakeAPI) *shell {
	s := &shell{t: t, home: t.TempDir(), apiLimit: 10 * time.Second, verifyLimit: 5 * time.Second, now: time.Now()}
	s.env = map[string]string{"HOME": s.home, "USERPROFILE": s.home}
	if api != nil {
		s.env["MICROTICA_API_URL"] = api.base()
	}
	return s
}

// with returns s after setting variables, given as name and value in turn.
func (s *shell) with(variables ...string) *shell {
	for i := 0; i+1 < len(variables); i += 2 {
		s.env[variables[i]] = variables[i+1]
	}
	return s
}

// run carries out one command line and checks what holds for every one: the key is never printed.
func (s *shell) run(args ...string) result {
	s.t.Helper()
	var stdout, stderr bytes.Buffer
	input := s.input
	if input == nil {
		input = strings.NewReader(s.stdin)
	}
	var output io.Writer = &stdout
	if s.output != nil {
		output = s.output
	}
	a := &app{
		stdin: input, stdout: output, stderr: &stderr,
		lookenv: lookup(s.env),
		now:     func() time.Time { return s.now },
		sleep: func(ctx context.Context, d time.Duration) error {
			s.waits = append(s.waits, d)
			return ctx.Err()
		},
		apiLimit:    s.apiLimit,
		verifyLimit: s.verifyLimit,
	}
	code := a.run(context.Background(), args)
	r := result{stdout.String(), stderr.String(), code}
	if strings.Contains(r.stdout+r.stderr, strings.TrimPrefix(testKey, testPrefix+"_")) {
		s.t.Errorf("%q printed the key:\n%s%s", args, r.stdout, r.stderr)
	}
	return r
}

// lookup returns what finds variables as os.LookupEnv does, in env.
func lookup(env map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) {
		value, set := env[name]
		return value, set
	}
}

// want runs a command line and compares all that it printed, and its exit status.
func (s *shell) want(want result, args ...string) {
	s.t.Helper()
	if got := s.run(args...); got != want {
		s.t.Errorf("microtica %s\n got %s\nwant %s", strings.Join(args, " "), got, want)
	}
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %q\nstderr: %q", r.code, r.stdout, r.stderr)
}

// credentials is the path of the stored key in the shell's home.
func (s *shell) credentials() string { return filepath.Join(s.home, ".microtica", "credentials") }

// save stores a key as an earlier login would have.
func (s *shell) save(text string) *shell {
	s.t.Helper()
	if err := os.MkdirAll(filepath.Dir(s.credentials()), 0o700); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.credentials(), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return s
}

// wantStored checks the stored key, and that nothing else lies beside it; "" for no file at all.
func (s *shell) wantStored(want string) {
	s.t.Helper()
	got, err := os.ReadFile(s.credentials())
	if err != nil && (want != "" || !os.IsNotExist(err)) {
		s.t.Errorf("stored key: %v", err)
	}
	if string(got) != want {
		s.t.Errorf("stored key is %q, want %q", got, want)
	}
	entries, _ := os.ReadDir(filepath.Dir(s.credentials()))
	for _, entry := range entries {
		if entry.Name() != "credentials" {
			s.t.Errorf("%s was left beside the stored key", entry.Name())
		}
	}
}

var binary struct {
	once sync.Once
	path string
	err  error
}

// builtBinary returns the path of the program, built as make build does, for tests of what only a process can show.
func builtBinary(t testing.TB) string {
	t.Helper()
	binary.once.Do(func() {
		binary.path = filepath.Join(testDir, "microtica")
		if runtime.GOOS == "windows" {
			binary.path += ".exe"
		}
		build := exec.Command("go", "build", "-ldflags", "-s -w -X main.version=test", "-o", binary.path, ".")
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath -buildvcs=false -tags=nethttpomithttp2")
		if out, err := build.CombinedOutput(); err != nil {
			binary.err = fmt.Errorf("%v\n%s", err, out)
		}
	})
	if binary.err != nil {
		t.Fatal(binary.err)
	}
	return binary.path
}

// testDir is a directory that lives as long as the test process.
var testDir string

func TestMain(m *testing.M) {
	log.SetOutput(io.Discard) // where net/http's servers write of what their clients do, as the tests make them
	os.Exit(func() int {
		var err error
		if testDir, err = os.MkdirTemp("", "microtica-test-"); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(testDir)
		return m.Run()
	}())
}

// process runs the built binary with exactly the given environment, for a minute at most.
func process(t testing.TB, env []string, stdin string, args ...string) result {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, builtBinary(t), args...)
	cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = env, strings.NewReader(stdin), &stdout, &stderr
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		t.Fatal(err)
	}
	return result{stdout.String(), stderr.String(), cmd.ProcessState.ExitCode()}
}

// TestBinaryTakesAKeyFromLoginToTheLists is the whole way through the real program.
func TestBinaryTakesAKeyFromLoginToTheLists(t *testing.T) {
	api := newFakeAPI(t)
	home := t.TempDir()
	env := []string{"HOME=" + home, "USERPROFILE=" + home, "MICROTICA_API_URL=" + api.base()}
	path := filepath.Join(home, ".microtica", "credentials")
	for _, step := range []struct {
		args, stdin string
		want        result
	}{
		{"whoami", "", result{"", "error: no API key: MICROTICA_TOKEN and MICROTICA_TOKEN_FILE are not set, and none is saved in " + path +
			"\nhint: run 'microtica login', or set MICROTICA_TOKEN\n", 3}},
		{"login", testKey + "\n", result{"Saved API key mic_d60bea1d to " + path + "\n", "", 0}},
		{"whoami", "", result{"via:                apikey\napi key prefix:     mic_d60bea1d\napi reachable:      true\nprojects visible:   2\n", "", 0}},
		{"project list", "", result{"ID    NAME\n5f1c  shop\n77aa  blog\n", "", 0}},
		{"env list --project 5f1c", "", result{"ID  NAME        STATUS    LAST DEPLOYED\ne1  production  deployed  2026-09-23 09:07\ne2  staging     pending   -\n", "", 0}},
		{"project list --json", "", result{projectsBody[len(`{"projects":`):len(projectsBody)-1] + "\n", "", 0}},
		{"logout", "", result{"Removed the API key saved in " + path + "\n", "note: the key itself stays valid until it is revoked in Microtica's console\n", 0}},
		{"logout", "", result{"No API key was saved in " + path + "\n", "", 0}},
	} {
		if got := process(t, env, step.stdin, strings.Fields(step.args)...); got != step.want {
			t.Errorf("microtica %s\n got %s\nwant %s", step.args, got, step.want)
		}
	}
}
