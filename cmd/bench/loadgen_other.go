//go:build !linux

package main

// onOneCore runs start. The process it starts may use all cores; the detail of its
// figure has their number.
func onOneCore(start func() error) error { return start() }
