package main

import (
	"errors"
	"strings"
	"testing"
)

// TestListsAreTables covers columns, order, what stands for a missing value, and text that a terminal must not get.
func TestListsAreTables(t *testing.T) {
	for _, test := range []struct{ name, body, want string }{
		{"as they come", `{"projects":[{"name":"b","id":"2"},{"id":"1","name":"a"}]}`, "ID  NAME\n2   b\n1   a\n"},
		{"a bare array", `[{"id":"1","name":"a"}]`, "ID  NAME\n1   a\n"},
		{"missing, empty, of another type", `[{},{"id":"","name":null},{"id":7,"name":["x"]},{"id":true,"name":{}}]`, "ID  NAME\n-   -\n-   -\n-   -\n-   -\n"},
		{"wide runes count as one", `[{"id":"日本","name":"a"},{"id":"x","name":"é"}]`, "ID  NAME\n日本  a\nx   é\n"},
		{"dangerous runes", `[{"id":"a\tb","name":"x\u001b[31m\n\u202e\u2028\u00ad\udb40\udc01\u0085\u007f"}]`,
			"ID      NAME\na\\x09b  x\\x1b[31m\\x0a\\u202e\\u2028\\u00ad\\U000e0001\\u0085\\x7f\n"},
		{"invalid UTF-8", "[{\"id\":\"\xff\",\"name\":\"\\ud800!\"}]", "ID    NAME\n\\xff  \uFFFD!\n"},
		{"the last of two members of a name", `[{"id":"1","name":"a","id":"2"}]`, "ID  NAME\n2   a\n"},
		{"escaped names", `[{"\u0069d":"1","n\u0061me":"a"}]`, "ID  NAME\n1   a\n"},
		{"escaped names behind one that stands twice", `[{"a":1,"a":2,"\u0069d":"1","n\u0061me":"a"}]`, "ID  NAME\n1   a\n"},
	} {
		api := newFakeAPI(t)
		api.answer("/projects", reply(200, test.body))
		t.Run(test.name, func(t *testing.T) {
			newShell(t, api).with("MICROTICA_TOKEN", testKey).want(result{test.want, "", 0}, "project", "list")
		})
	}
}

// brokenPipe fails after so many bytes.
type brokenPipe struct{ left int }

func (b *brokenPipe) Write(p []byte) (int, error) {
	if b.left -= len(p); b.left < 0 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

// TestAWriteErrorIsAnError covers every command that prints, at the first byte and later.
func TestAWriteErrorIsAnError(t *testing.T) {
	api := newFakeAPI(t)
	api.answer("/projects", reply(200, `[`+strings.Repeat(`{"id":"1","name":"a project of some length"},`, 10000)+`{}]`))
	for _, line := range []string{"whoami", "whoami --json", "project list", "project list --json", "env list", "version", "help", "help login", "logout --json"} {
		for _, room := range []int{0, 100000} {
			if room > 0 && !strings.HasPrefix(line, "project list") {
				continue
			}
			s := newShell(t, api).with("MICROTICA_TOKEN", testKey, "MICROTICA_PROJECT_ID", "5f1c")
			s.output = &brokenPipe{room}
			got := s.run(append(strings.Fields(line), "--quiet")...)
			text, json := "error: cannot write to stdout: no space left on device\n",
				`{"error":{"code":"output.write","message":"cannot write to stdout: no space left on device","hint":"","httpStatus":null,"retryAfter":null,"retryable":false,"exitCode":1}}`+"\n"
			if got.code != 1 || got.stderr != text && got.stderr != json {
				t.Errorf("%s: %s", line, got)
			}
		}
	}
}
