//go:build !linux

package main

// onOneCore runs start. The process it starts may use every core: its figure
// says so.
func onOneCore(start func() error) error { return start() }
