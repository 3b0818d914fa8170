//go:build !linux

package main

import (
	"os/exec"
	"testing"
)

// startWithTest starts a server. This system does not end it with the process of the tests.
func startWithTest(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
}
