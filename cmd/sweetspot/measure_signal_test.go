//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestMeasureInterrupted: Ctrl-C ends a running comparison with exit code 130 and a message,
// without a result, and with its engine. The device is simulated in real time, so that no
// ONNX Runtime is needed.
func TestMeasureInterrupted(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	command := func(args ...string) *exec.Cmd {
		c := exec.Command(path, args...)
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_STATE_HOME="+dir)
		return c
	}
	out, err := command("sim:animated-drawings", "--target", "virtual", "--sweep", "--strategy", "grid", "--workers", "1", "--batch-size", "8",
		"--batch-delay", "1", "--precision", "fp16", "--device", "gpu", "--sla", "1s", "-q", "--out", "a").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	profile := filepath.Join(dir, "a", "profile.jsonl")
	data, err := os.ReadFile(profile)
	if err != nil {
		t.Fatal(err)
	}
	data = bytes.Replace(data, []byte(`"target":"virtual"`), []byte(`"target":"local"`), 1)
	if err := os.WriteFile(profile, data, 0o600); err != nil {
		t.Fatal(err)
	}
	c := command("profiles", "compare", profile, profile, "--measure", "--percentile", "50")
	var stdout bytes.Buffer
	c.Stdout = &stdout
	stderr, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	var printed []string
	var children []int
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		printed = append(printed, lines.Text())
		if strings.HasPrefix(lines.Text(), "block 0 of 120, ETA ") {
			children = childrenOf(c.Process.Pid)
			_ = c.Process.Signal(os.Interrupt)
		}
	}
	err = c.Wait()
	quit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || quit.ExitCode() != 128+int(syscall.SIGINT) || stdout.Len() > 0 {
		t.Errorf("it ended with %v and stdout %q", err, stdout.String())
	}
	if last := printed[len(printed)-1]; !strings.HasPrefix(last, "stopped after ") {
		t.Errorf("it printed %q", printed)
	}
	if len(children) != 1 {
		t.Fatalf("%d engines, want 1", len(children))
	}
	if alive(children[0]) {
		t.Error("the engine still runs")
	}
}
