// Microtica logs a machine in to Microtica, a cloud delivery platform, with an API key, and shows
// what that key can see.
//
// Usage:
//
//	microtica login [--token KEY] [--no-verify]   save an API key on this machine
//	microtica logout                              remove the saved key
//	microtica whoami                              check whether the key works
//	microtica project list                        list the projects a key can see
//	microtica env list [--project ID]             list a project's environments
//	microtica api PATH                            print the answer to GET PATH
//	microtica completion bash|zsh|fish            print a completion script
//	microtica version                             print the version
//	microtica help [COMMAND|TOPIC]                print help
//
// The key comes from MICROTICA_TOKEN, else from the file that MICROTICA_TOKEN_FILE names, else from
// ~/.microtica/credentials, where login saves it. 'microtica help environment' has all variables,
// 'microtica help errors' the exit statuses.
//
// To read the code, start here, with run. CONTRIBUTING.md says what each file is for.
package main

import (
	"fmt"
	"io"
	"log"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"syscall"
	"time"
)

// init lists the commands and topics: a variable would be an initialization cycle, since help and
// completion, which are in the list, read it.
func init() {
	commands = append([]*command{cmdLogin, cmdLogout, cmdWhoami, cmdProjectList, cmdEnvList, cmdAPI,
		cmdCompletion, cmdVersion, cmdHelp, helpEnvironment, helpErrors}, queryTopics...)
}

func main() {
	log.SetOutput(io.Discard) // net/http logs what a server sent
	a := &app{stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr, lookenv: os.LookupEnv,
		sleep: time.Sleep, onTerminal: isTerminal(os.Stderr), timeLimit: 60 * time.Second,
		loginLimit: 5 * time.Second, patience: 3 * time.Second, caught: make(chan struct{})}
	// In the background, because it takes as long as many a command. Until then Go itself dies of
	// these signals, of QUIT with a dump: that comes first.
	go func() {
		signals := make(chan os.Signal, 1)
		signal.Notify(signals, endingSignals()...)
		close(a.caught)
		s := <-signals
		restoreForGood()
		dieOf(s)
		os.Exit(128 + int(s.(syscall.Signal)))
	}()
	os.Exit(a.run(os.Args[1:]))
}

// endingSignals returns the signals that end the program, without those that were ignored when it
// started: HUP by nohup, INT and QUIT by a script for what it runs in the background. Go does not
// know whether QUIT was, so it follows INT. On Windows only INT and TERM are ever delivered.
func endingSignals() []os.Signal {
	if signal.Ignored(syscall.SIGINT) {
		signal.Ignore(syscall.SIGQUIT)
	}
	signals := []os.Signal{syscall.SIGQUIT, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}
	return slices.DeleteFunc(signals, signal.Ignored)
}

// dieOf makes the program die of a signal that it has caught, so that a shell ends its loop too. It
// returns for QUIT, of which Go would die with a dump, in process 1, which cannot kill itself, and
// on Windows.
func dieOf(s os.Signal) {
	self, err := os.FindProcess(os.Getpid())
	if err != nil || self.Pid == 1 || s == syscall.SIGQUIT {
		return
	}
	signal.Reset(s)
	if self.Signal(s) == nil {
		time.Sleep(time.Second) // it may take a moment
	}
}

// run carries out one command line and returns the exit status.
func (a *app) run(args []string) int {
	c, err := a.parse(args)
	if err == errNoCommand && !a.json {
		io.WriteString(a.stderr, overview())
		return errNoCommand.code.exit
	}
	if err == nil {
		err = c.run(a)
	}
	if err == nil {
		return 0
	}
	f := asFailure(err)
	a.say("error", f)
	return f.code.exit
}

var cmdVersion = &command{
	name:  "version",
	short: "print the version",
	help: `Prints the version, the Go version that built it, and the platform.

JSON: {"version","go","os","arch"}

Example:
  microtica --version
`,
	run: runVersion,
}

func runVersion(a *app) error {
	report := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		OS      string `json:"os"`
		Arch    string `json:"arch"`
	}{version, runtime.Version(), runtime.GOOS, runtime.GOARCH}
	return a.print(report, func(w io.Writer) {
		fmt.Fprintf(w, "microtica %s (%s %s/%s)\n",
			report.Version, report.Go, report.OS, report.Arch)
	})
}
