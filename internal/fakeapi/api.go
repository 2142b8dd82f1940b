// Package fakeapi is what tests put in the place of Microtica's API: a fake of it, a TCP server
// that sends whatever bytes a test wants, and a certificate authority for both. All of it listens
// on loopback and ends with the test.
package fakeapi

import (
	"crypto/tls"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// Key is the one key that the fake accepts. It has a prefix that may be shown, and a secret part
// that no output may hold.
const (
	Key      = Prefix + "_" + Secret
	Prefix   = "mic_d60bea1d"
	Secret   = "canary0SECRET0value"
	OtherKey = "mic_0ther_key0of0an0earlier0login" // well formed, and not accepted
)

// Answers of the shapes that the API is known to give.
const (
	ProjectsBody = `{"projects":[` +
		`{"id":"5f1c","name":"shop","description":"The shop","paymentPlan":"pro"},` +
		`{"id":"77aa","name":"blog","description":""}]}`
	StagesBody = `{"id":"5f1c","name":"shop","description":"The shop","entities":{"stages":[` +
		`{"id":"e1","name":"production","description":"","status":"deployed",` +
		`"lastDeployed":1790154420000},` +
		`{"id":"e2","name":"staging","description":"","status":"pending"}],"pipelines":[]}}`
	MeBody = `{"via":"apikey","userId":"u1","apiKey":{"prefix":"mic_d60bea1d","name":"ci"}}`
)

// API is a fake of Microtica's API. It serves /projects, /me, and /projects/5f1c/details below a
// path prefix, so that a URL joined wrongly fails, answers 401 to any key but Key and 404 to any
// other path or method.
type API struct {
	*httptest.Server
	mu      sync.Mutex
	answers map[string]http.HandlerFunc // by path below the prefix
	seen    []string
}

const prefix = "/gateway/v1"

// New starts a fake that speaks plain HTTP.
func New(t testing.TB) *API {
	a := NewUnstarted(t)
	a.Start()
	return a
}

// NewTLS starts a fake that speaks TLS.
func NewTLS(t testing.TB, config *tls.Config) *API {
	a := NewUnstarted(t)
	a.TLS = config
	a.StartTLS()
	return a
}

// NewUnstarted returns a fake that listens but does not serve, for a test that changes its Listener
// or Config before it calls Start, or sets TLS and calls StartTLS.
func NewUnstarted(t testing.TB) *API {
	a := &API{answers: map[string]http.HandlerFunc{
		"/projects":              Reply(200, ProjectsBody),
		"/projects/5f1c/details": Reply(200, StagesBody),
		"/me":                    Reply(200, MeBody),
	}}
	a.Server = httptest.NewUnstartedServer(http.HandlerFunc(a.serve))
	a.Config.ErrorLog = log.New(io.Discard, "", 0) // of what tests make clients do
	t.Cleanup(a.Close)
	return a
}

// Base returns the base URL of the fake.
func (a *API) Base() string { return a.URL + prefix }

// Host returns where the fake listens, with the port.
func (a *API) Host() string { return a.Listener.Addr().String() }

// Answer sets what the fake answers to GET path, below the prefix, with the right key.
func (a *API) Answer(path string, h http.HandlerFunc) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.answers[path] = h
}

// Seen returns the paths below the prefix that were asked for since the last call, as they were
// escaped, with spaces between them.
func (a *API) Seen() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	seen := strings.Join(a.seen, " ")
	a.seen = nil
	return seen
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) {
	path, below := strings.CutPrefix(r.URL.EscapedPath(), prefix)
	a.mu.Lock()
	a.seen = append(a.seen, path)
	answer := a.answers[path]
	a.mu.Unlock()
	switch {
	case !below || r.Method != http.MethodGet || answer == nil:
		Reply(404, `{"message":"no such path"}`)(w, r)
	case r.Header.Get("X-Microtica-Api-Key") != Key:
		Reply(401, `{"message":"key revoked"}`)(w, r)
	default:
		answer(w, r)
	}
}

// Reply returns a handler that answers with a status, a body, and headers given as name and value
// in turn.
func Reply(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		for pair := range slices.Chunk(headers, 2) {
			w.Header().Set(pair[0], pair[1])
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// HangUp ends the connection without an answer.
func HangUp(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

// Silence does not answer while the client waits.
func Silence(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// InTurn returns a handler that answers with each of handlers once, and from then on with the last.
func InTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var n atomic.Int32
	return func(w http.ResponseWriter, r *http.Request) {
		handlers[min(int(n.Add(1)), len(handlers))-1](w, r)
	}
}
