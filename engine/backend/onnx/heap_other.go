//go:build !linux

package onnx

// Other C libraries than Linux's glibc return what is free by themselves.
func singleHeap() {}
func trimHeap()   {}

// NativeInUse is unknown on other systems.
func NativeInUse() uint64 { return 0 }
