//go:build !race

package main

import "testing"

// TestVirtual runs the scripts that need no server: commands on files, and sweeps of virtual devices, one after the other.
// The race detector makes them several times as slow, so that make test runs them without it. Of the same commands, the scripts
// at, earlier and outfolder of TestScript run with it.
func TestVirtual(t *testing.T) { runScripts(t, "testdata/virtual") }
