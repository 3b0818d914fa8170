//go:build !unix

package worker

import (
	"errors"
	"os/exec"
)

func (*group) run(_ *exec.Cmd, _ []int, started chan<- error) {
	started <- errors.New("workers in Python need Linux or macOS: they listen on a unix socket")
}

func killGroup(int) {}

func waitEnd(int) bool { return false }

func endText(err error) string { return err.Error() }
