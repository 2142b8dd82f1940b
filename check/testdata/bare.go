//go:build ignore

// Bare is what the benchmark compares the program with: it links net/http and, given a URL, makes
// one request and counts the projects in the answer. It does nothing else.
package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
)

func main() {
	if len(os.Args) < 2 {
		return
	}
	req, err := http.NewRequest(http.MethodGet, os.Args[1], nil)
	if err != nil {
		panic(err)
	}
	req.Header.Set("X-Microtica-Api-Key", os.Getenv("MICROTICA_TOKEN"))
	res, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		panic(err)
	}
	var answer struct{ Projects []struct{} }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
		panic(err)
	}
	fmt.Println(len(answer.Projects))
}
