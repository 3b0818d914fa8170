package worker_test

import (
	"bufio"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A worker that hangs ends with its parent, although nobody could end it.
func TestParentIsKilled(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), parentVariable+"=1", "TMPDIR="+t.TempDir())
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	pid, notPID := strconv.Atoi(strings.TrimSpace(line))
	if err != nil || notPID != nil {
		t.Fatalf("%q, %v", line, err)
	}
	if gone(pid) != nil {
		t.Fatalf("the worker %d does not exist", pid)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // it was killed
	for gone(pid) == nil && !isZombie(pid) {
		if t.Context().Err() != nil {
			t.Fatalf("the worker %d still exists", pid)
		}
		time.Sleep(time.Millisecond) // its signal is on the way
	}
}
