//go:build go1.25

// go.mod names Go 1.24, so that the program builds with it, and a newer Go would then keep the
// defaults of 1.24. Take the newer ones for TLS: no SHA-1 in signatures.

//go:debug tlssha1=0
package main
