//go:build !cgo

package main

func loadLibrary() string {
	panic(skip("a static program has no dynamic linker"))
}
