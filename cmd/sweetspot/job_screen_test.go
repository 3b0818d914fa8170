//go:build linux

package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hinshun/vt10x"
)

// TestJobControl: ctrl+z in a shell restores the terminal and stops the program with its load held; fg continues both.
func TestJobControl(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("no bash")
	}
	model, err := filepath.Abs(detector[len("sim:"):])
	if err != nil {
		t.Fatal(err)
	}
	s := startOnScreen(t, 120, 36, "bash", "--norc", "--noprofile", "-i")
	s.press("echo sh''ell\r")
	s.waitFor("\nshell")
	s.press("sweetspot sim:" + model + " --sla=1s --rate=20\r")
	s.waitForMoreThan(0) // the load is on
	jobs := childrenOf(s.cmd.Process.Pid)
	if len(jobs) != 1 {
		t.Fatalf("jobs of the shell: %v", jobs)
	}
	s.press("\x1a")
	s.waitFor("Stopped")
	if state, _ := procStat(jobs[0]); state != "T" {
		t.Errorf("the program is in state %q, not stopped", state)
	}
	s.mu.Lock()
	if s.vt.Mode()&vt10x.ModeAltScreen != 0 || !s.vt.CursorVisible() {
		t.Errorf("the terminal is not restored: mode %b, cursor %v", s.vt.Mode(), s.vt.CursorVisible())
	}
	s.mu.Unlock()
	s.press("fg\r")
	s.waitFor("continued; the load was held meanwhile")
	s.waitForMoreThan(s.sent())
	for _, line := range []string{"refused             0", "failed              0", "timeout             0"} {
		if !strings.Contains(s.text(), line) {
			t.Errorf("no %q on the screen:\n%s", line, s.text())
		}
	}
	s.press("q")
	s.checkEnded(jobs)
	s.press("exit\r")
	s.waitForEnd()
}

// waitForMoreThan waits until more than n requests were sent.
func (s *screen) waitForMoreThan(n int) {
	s.t.Helper()
	for deadline := time.Now().Add(hang); s.sent() <= n; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("not more than %d requests are sent:\n%s", n, s.text())
		}
	}
}

var sentCount = regexp.MustCompile(`sent +([0-9 ]*[0-9])`)

// sent is the number of requests in the last frame that the program has written to the terminal.
func (s *screen) sent() int {
	found := sentCount.FindStringSubmatch(s.text())
	if found == nil {
		return 0
	}
	n, _ := strconv.Atoi(strings.ReplaceAll(found[1], " ", ""))
	return n
}

// TestPortInUse: if another program listens on the port of the server that a plan starts, there is no screen: the shell
// says so. On a screen that is open it is TestReadableStates of package tui.
func TestPortInUse(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	dir := t.TempDir()
	text := fmt.Sprintf("version: 1\nserver:\n  command: sleep 1 {batch}\n  ready: http://%[1]s/\n  request: http://%[1]s/\n"+
		"input: %[2]s/body.json\nknobs: {batch: [1, 2]}\nload: {concurrency: 2}\nsla: {limit: 1s}\n", l.Addr(), dir)
	for name, text := range map[string]string{"plan.yaml": text, "body.json": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The program is the leader of its session. When a leader ends, Linux hangs up the terminal, and with it may be lost what
	// was written last.
	shown := false
	for try := 0; try < 3 && !shown; try++ {
		s := openScreen(t, 160, 36, "--plan", filepath.Join(dir, "plan.yaml"))
		if code := s.waitForEnd(); code != exitError {
			t.Fatalf("exit %d:\n%s", code, s.text())
		}
		shown = s.appears("port in use: another program listens on "+l.Addr().String(), 5*time.Second)
	}
	if !shown {
		t.Error("the screen does not say why it ended")
	}
}
