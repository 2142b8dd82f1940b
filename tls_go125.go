//go:build go1.25

// go.mod names Go 1.24, so that the program builds there, and a newer Go would keep that release's
// defaults for it. Take the newer ones for TLS: no SHA-1 in signatures.

//go:debug tlssha1=0
package main
