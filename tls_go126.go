//go:build go1.26

// As in tls_go125.go, take Go 1.26's default for TLS: it offers more key exchanges that are safe
// from a quantum computer.

//go:debug tlssecpmlkem=1
package main
