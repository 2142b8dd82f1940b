//go:build go1.26

// As in tls_go125.go, take the TLS default of Go 1.26: it offers more post-quantum key exchanges.

//go:debug tlssecpmlkem=1
package main
