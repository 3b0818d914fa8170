//go:build linux

package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestCommandOnScreen: --plan opens the workbench on a server that the plan starts. A change of an own knob starts it
// again under live load, and at the end no process is left.
func TestCommandOnScreen(t *testing.T) {
	if _, err := exec.LookPath("python3"); err != nil {
		t.Skip("no python3")
	}
	folder, err := filepath.Abs("../../testdata/command")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(folder, "plan.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "plan.yaml")
	text = []byte(strings.NewReplacer("server.py", folder+"/server.py", "body.json", folder+"/body.json").Replace(string(text)))
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	s := openScreen(t, 130, 40, "--plan", file)
	s.waitFor("max_batch_size")
	s.waitFor("over ") // answers have arrived
	children := childrenOf(s.cmd.Process.Pid)
	s.press("\x1b[A", "\x1b[C", "\r")
	s.waitFor("max_batch_size 1→8 (")
	s.waitFor("failed              0")
	s.press("q")
	if code := s.waitForEnd(); code != exitYes {
		t.Errorf("exit %d", code)
	}
	s.checkEnded(children)
}
