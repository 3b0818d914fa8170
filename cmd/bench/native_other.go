//go:build !linux

package main

// nativeInUse is unknown on other systems.
func nativeInUse() uint64 { return 0 }
