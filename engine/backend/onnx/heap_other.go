//go:build !linux

package onnx

// Other C libraries than Linux's glibc return what is free by themselves.
func singleHeap() {}
func trimHeap()   {}
