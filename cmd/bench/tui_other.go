//go:build !linux

package main

import (
	"os/exec"
	"time"
)

// threadTime is the time since the start: the CPU time of a thread is not known here.
func threadTime() time.Duration { return time.Since(began) }

// setTerminal does nothing: the terminal is only used by its descriptors.
func setTerminal(*exec.Cmd) {}
