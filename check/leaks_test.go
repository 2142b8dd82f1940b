package check

import (
	"cmp"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"microtica/internal/fakeapi"
)

// times returns how often to do something.
func times(few, many int) int {
	if large() {
		return many
	}
	return few
}

// nastyKey means something in JSON and in URLs. It and fakeapi's hold canary, so that it also shows
// where one is cut or escaped.
const nastyKey = fakeapi.Prefix + `_q"u\o<t>e&s%41+/=canary7NASTY`

// requests are the command lines that make one, everything is an answer that suits each of them.
var requests = strings.Split("login,whoami,project list,env list --project 5f1c,api projects", ",")

const everything = `{"projects":[{"id":"5f1c"}],"entities":{"stages":[]}}`

// checked runs a command line with a key, stored and on stdin. The key must not be in what that
// prints, and no file may be left but the stored key.
func (u user) checked(key, line string) result {
	u.save(key)
	u.stdin = key
	got := u.run(strings.Fields(line)...)
	text := strings.ToLower(got.stdout + got.stderr)
	files, _ := filepath.Glob(filepath.Join(u.home, "*"))
	if strings.Contains(text, "canary") || len(files) != 1 {
		u.t.Errorf("%s, %q leaks the key, or leaves %q: %v", line, u.env, files, got)
	}
	return got
}

// answers hold the key as it is, as JSON spells it in two ways, and its secret PART alone.
var answers = []string{
	`HEAD{"message":"JSON ESCAPED PART"}`,
	`HEAD{"message":"LONGPART"}`, // is cut in the key
	`HEAD{"projects":[{"id":"JSON","name":"<ESCAPED>","JSON":1,"a":{"JSON":["PART"]}}],` +
		`"entities":{"stages":[{"id":"JSON","name":"PART","status":"ESCAPED","JSON":"JSON"}]}}`,
	"HEAD<html>KEY",
	"HTTP/1.1 STATUS KEY\r\nRetry-After: KEY\r\nSet-Cookie: k=KEY\r\n\r\n" + everything,
	"KEY 200 OK\r\n\r\n",
	"HTTP/1.1 KEY OK\r\n\r\n",
	"HTTP/1.1 STATUS\r\nKEY \x1b\r\n\r\n",
	"HTTP/1.1 STATUS\r\nContent-Length: KEY\r\n\r\n{}",
	"HTTP/1.1 STATUS\r\nTransfer-Encoding: chunked\r\n\r\nKEY\r\n{}\r\n0\r\n\r\n",
	"HTTP/1.1 103 KEY\r\nLink: KEY\r\n\r\nHEAD" + everything,
}

// places are where other answers point.
var places = strings.Fields("http://NEAR/projects https://NEAR //NEAR http://API/me /x file:///x " +
	"http://a:hunter2@NEAR/?k=KEY#KEY http://KEY.example/KEY http://LONGPART/ http://a:KEY/ " +
	"http://127.0.0.1:999999/ http://NEAR/%zz http://[::1")

// filled returns a template with a key, a status and other replacements in it.
func filled(template, key string, status int, others ...string) string {
	quoted, _ := json.Marshal(key)
	inside := strings.Trim(string(quoted), `"`)
	const head = "HTTP/1.1 STATUS No\r\nRetry-After: 31\r\n\r\n"
	template = strings.Replace(template, "HEAD", head, 1)
	return strings.NewReplacer(append(others, "KEY", key, "JSON", inside, "ESCAPED", `\u006D`+
		inside[1:], "PART", inside[len(fakeapi.Prefix)+1:], "STATUS", fmt.Sprint(status),
		"LONG", strings.Repeat("a", 290))...).Replace(template)
}

// TestTortureAnswers gives every command answers of many statuses, 300 to 399 among them. No place
// hears of a redirect.
func TestTortureAnswers(t *testing.T) {
	all := slices.Clone(answers)
	for _, place := range places {
		all = append(all, "HTTP/1.1 STATUS KEY\r\nLocation: "+place+"\r\nRetry-After: 31\r\n\r\n{}")
	}
	statuses := []int{200, 401, 403, 404, 418, 429, 500, 503, 600, 302, 308}
	for i := range times(7, 100) {
		statuses = append(statuses, 300+i*times(15, 1))
	}
	forms := []string{"", " --json", " --query @", " --query to_string(@) --raw"}
	for k, line := range append(requests, "login --token KEY") {
		t.Run(line, func(t *testing.T) {
			t.Parallel()
			var answer atomic.Value
			api := fakeapi.NewRaw(t, func(conn net.Conn) {
				fakeapi.Answering(answer.Load().(string))(conn)
			})
			near := fakeapi.NewRaw(t, func(net.Conn) {})
			u, runs, masked := newUser(t, api.Base()), 0, 0
			for n := range len(statuses) * len(all) {
				i, j := n%len(statuses), n/len(statuses)
				if !large() && (5*i+j+k)%127 > 0 && (i > 8 || j > 2 || (i+k)%3 > 0) {
					continue
				}
				status, template, key := statuses[i], all[j], []string{fakeapi.Key, nastyKey}[n%2]
				answer.Store(filled(template, key, status, "NEAR", near.Host, "API", api.Host))
				got := u.checked(key, strings.Replace(line, "KEY", key, 1)+forms[n/2%4])
				heard, requests := api.Taken()
				rest := strings.ReplaceAll(heard, "X-Microtica-Api-Key: "+key+"\r\n", "")
				_, others := near.Taken()
				isRedirect := strings.Contains(template, "Location") && status/100 == 3
				told := got.exit == 6 && strings.Contains(got.stderr, "the API redirects ") &&
					(got.stdout != "") == (line == "whoami")
				if requests == 0 || strings.Count(rest, "GET ") != requests ||
					strings.Contains(rest, "canary") || others > 0 || isRedirect && !told {
					t.Errorf("%s, %d, %q: the API heard %q, others %d requests: %v",
						line, status, template, heard, others, got)
				}
				runs, masked = runs+1, masked+strings.Count(got.stdout+got.stderr, "bea1d_…")
			}
			t.Logf("%d answers, %d keys masked, 0 shown, 0 foreign requests", runs, masked)
		})
	}
}

// surroundings are variables that make Go talk, or that hold a key. LONG is a label for which no
// name server is asked.
var surroundings = []string{"GODEBUG=http2debug=2", "GODEBUG=netdns=cgo+2", "GODEBUG=gctrace=1",
	"GODEBUG=inittrace=1,schedtrace=1,scheddetail=1", "SSLKEYLOGFILE=HOME/keys", "DEBUG=*",
	"MICROTICA_API_URL=API/KEY", "MICROTICA_API_URL=https://KEY.LONG", "MICROTICA_TOKEN_FILE=/KEY",
	"MICROTICA_API_URL=https://KEY:KEY@a.example", "MICROTICA_PROJECT_ID=KEY",
	"MICROTICA_API_URL=https://x.y HTTPS_PROXY=http://KEY:KEY@127.0.0.1:1",
	"MICROTICA_API_URL=https://x.y HTTPS_PROXY=http://PART.LONG", "HTTPS_PROXY=http://KEY:KEY"}

// TestTortureSurroundings tries each with a command, and ends one so that Go prints all stacks.
func TestTortureSurroundings(t *testing.T) {
	t.Parallel()
	needShell(t)
	ca := fakeapi.NewAuthority(t)
	api := fakeapi.NewTLS(t, ca.Good())
	for i, setting := range surroundings {
		for _, line := range requests[times(i%5, 0):times(i%5+1, 5)] {
			u := newUser(t, api.Base())
			setting := filled(setting, fakeapi.Key, 0, "HOME", u.home, "API/", api.Base()+"/")
			u = u.with("SSL_CERT_FILE=" + ca.File).with(strings.Fields(setting)...)
			got := u.checked(fakeapi.Key, line)
			if i < 6 && got.exit != 0 && !strings.Contains(got.stderr, "GODEBUG") { // Go dropped it
				t.Errorf("%s, %s: %v", setting, line, got)
			}
		}
	}
	u := newUser(t, fakeapi.NewRaw(t, fakeapi.JustListen).Base())
	u.save(fakeapi.Key)
	got := u.script("GOTRACEBACK=system microtica whoami & sleep 0.3; kill -ABRT $!; wait")
	if !strings.Contains(got.stderr, "goroutine 1 ") {
		t.Errorf("no stacks: %v", got)
	}
}

// after returns what makes a server read once, and send text.
func after(text string) func(net.Conn) {
	return func(conn net.Conn) {
		conn.Read(make([]byte, 4096))
		io.WriteString(conn, text)
	}
}

// overTLS returns what makes a server speak TLS, and serve what is inside.
func overTLS(config *tls.Config, serve func(net.Conn)) func(net.Conn) {
	return func(conn net.Conn) {
		if inside := tls.Server(conn, config); inside.Handshake() == nil {
			serve(inside)
			inside.Close()
		}
	}
}

// TestWhatFails brings the key through servers and proxies that fail, and holds whoami and login to
// the contract. A proxy hears no key, and what it says is not shown.
func TestWhatFails(t *testing.T) {
	t.Parallel()
	needShell(t) // SSL_CERT_FILE means nothing on macOS and Windows
	ca := fakeapi.NewAuthority(t)
	const ok, password = "HTTP/1.1 200 OK\r\n", "Basic YW5hOmh1bnRlcjI= hunter2 \x1b[2J"
	unknown := overTLS(fakeapi.NewAuthority(t).Good(), after(""))
	named := func(name string) func(net.Conn) {
		return overTLS(ca.Issue(time.Now(), nil, name+".example"), after(""))
	}
	works := overTLS(ca.Good("api.example"), after(ok+"\r\n"+everything))
	for _, row := range []struct {
		name, to string // the scheme of the API, or "proxy" and that of a proxy
		serve    func(net.Conn)
		code     string
	}{
		{"EOF", "http", after(""), "network.connect"},
		{"reset", "http", func(conn net.Conn) { conn.Read(make([]byte, 1)) }, "network.connect"},
		{"garbage", "http", after("SSH-2.0-\x1b[31mOpenSSH\r\n"), "api.bad_response"},
		{"cut", "http", after(ok + "Content-Length: 9\r\n\r\n[]"), "api.bad_response"},
		{"EOF", "https", after(""), "network.connect"},
		{"cut", "https", after("\x16\x03\x03\x00\x64\x02"), "api.bad_response"},
		{"alert", "https", after("\x15\x03\x03\x00\x02\x02\x28"), "network.tls"},
		{"no TLS", "https", after("HTTP/1.1 400 No\r\n\r\n"), "network.tls"},
		{"EOF over TLS", "https", overTLS(ca.Good(), after("")), "network.connect"},
		{"unknown authority", "https", unknown, "network.tls"},
		{"certificate for the key", "https", named(fakeapi.Key), "network.tls"},
		{"certificate for its secret part", "https", named(fakeapi.Secret), "network.tls"},
		{"works", "proxy http", fakeapi.Beginning(ok+"\r\n", works), ""},
		{"407", "proxy http", after("HTTP/1.1 407 " + password + "\r\n\r\n"), "network.proxy"},
		{"EOF", "proxy http", after(""), "network.proxy"},
		{"cut", "proxy http", after(ok), "network.proxy"},
		{"garbage", "proxy http", after(password), "network.proxy"},
		{"header", "proxy http", after(ok + password + "\r\n\r\n"), "network.proxy"},
		{"EOF behind", "proxy http", fakeapi.Beginning(ok+"\r\n", after("")), "network.connect"},
		{"noise", "proxy http", fakeapi.Beginning(ok+"\r\n", after(password)), "network.tls"},
		{"no TLS", "proxy https", after("HTTP/1.1 400 No\r\n\r\n"), "network.proxy"},
		{"unknown authority", "proxy https", unknown, "network.proxy"},
		{"no SOCKS", "proxy socks5", after(password), "network.proxy"},
	} {
		t.Run(row.to+" "+row.name, func(t *testing.T) {
			t.Parallel()
			server := fakeapi.NewRaw(t, row.serve)
			u := newUser(t, row.to+"://"+server.Host).with("SSL_CERT_FILE=" + ca.File)
			scheme, isProxy := strings.CutPrefix(row.to, "proxy ")
			if isProxy {
				u = u.with("MICROTICA_API_URL=https://api.example",
					"HTTPS_PROXY="+scheme+"://ana:hunter2@"+server.Host)
			}
			for _, line := range requests[:times(2, 5)] {
				exit, code := map[byte]int{'n': 5, 'a': 6, 0: 0}[(row.code + "\x00")[0]], row.code
				if line == "login" && exit == 5 {
					exit, code = 0, "key.unchecked"
				}
				got := u.checked(fakeapi.Key, line+" --json")
				said := regexp.MustCompile("hunter2|YW5h|u001b|SSH").FindString(got.stderr)
				if got.exit != exit || !strings.Contains(got.stderr, code) || said != "" {
					t.Errorf("%s, wanted exit %d, %s, not %q: %v", line, exit, code, said, got)
				}
			}
			if heard, n := server.Taken(); isProxy && strings.Contains(heard, "mic_") || n == 0 {
				t.Errorf("%d connections heard %q", n, heard)
			}
		})
	}
}

// TestTortureMutatedLines makes mistakes in lines with login and logout: what is stored changes
// only where the line is right, and what login does not take is not shown.
func TestTortureMutatedLines(t *testing.T) {
	t.Parallel()
	right := func(command, flags string) *regexp.Regexp { // a line feed ends each word
		flags = `(?:--?(?:json|quiet)\n|--?(?:project|query)[=\n][^-\n].*\n` + flags + `)*`
		words := "(?:--\n" + command + "\n|" + command + "\n" + flags + "(?:--\n)?)"
		return regexp.MustCompile("^" + flags + words + "$")
	}
	logout := right("logout", "")
	login := right("login", `|--?no-verify\n|--?token[=\n]([^-\n].*)\n`)
	isKey := regexp.MustCompile("^ *mic_[A-Za-z0-9]+_[!-~]+ *$")
	lines := []string{"login --no-verify --token mic_typed_key", "login --json", "logout",
		"logout --json --quiet", "-project 5f1c login -no-verify -query @"}
	pieces := strings.Split("login logout help x  - -- -h --help --json -json --json=1 @ 5f1c "+
		"-no-verify -no-verify=0 --token --token= --token=mic_a_b mic_a_b --project --query", " ")
	u, random := newUser(t, "http://127.0.0.1:1"), rand.New(rand.NewPCG(0, 4))
	u.stdin = "mic_std1n_key0of0stdin"
	for i := range times(60, 10000) {
		line := strings.ReplaceAll(lines[i%len(lines)], " ", "\n") + "\n"
		for range 1 + random.IntN(2) {
			words := strings.SplitAfter(line, "\n")
			place := random.IntN(len(words))
			word := words[place]
			at, piece := random.IntN(len(word)+1), pieces[random.IntN(len(pieces))]
			words[place] = []string{"", piece + "\n" + word, word[:max(0, at-1)] + word[at:],
				word[:at] + string("-= xN\n"[random.IntN(6)]) + word[at:]}[random.IntN(4)]
			line = strings.TrimSuffix(strings.Join(words, ""), "\n") + "\n"
		}
		want, old := fakeapi.OtherKey+"\n", fakeapi.OtherKey+"\n"
		if groups := login.FindStringSubmatch(line); groups != nil {
			if token := cmp.Or(groups[2], groups[1], u.stdin); isKey.MatchString(token) {
				want = strings.TrimSpace(token) + "\n"
			}
		} else if logout.MatchString(line) {
			want = ""
		}
		u.save(fakeapi.OtherKey)
		got := u.run(strings.Split(strings.TrimSuffix(line, "\n"), "\n")...)
		data, _ := os.ReadFile(u.credentials())
		maybe := strings.Contains(line, "-query") && string(data) == old // it may be wrong
		shown := strings.HasPrefix(line, "login\n") && strings.Contains(got.stderr, "mic_typed_")
		if string(data) != want && !maybe || shown {
			t.Errorf("%q: %q is stored, want %q: %v", line, data, want, got)
		}
	}
	t.Logf("%d mutated lines, 0 keys lost by wrong ones", times(60, 10000))
}
