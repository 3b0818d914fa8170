//go:build unix

package main

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestEndHasExitCode: for each signal, the last line of a profile has the exit code of the
// process. The device is simulated in real time, so that no ONNX Runtime is needed.
func TestEndHasExitCode(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	for sig, want := range map[syscall.Signal]string{
		syscall.SIGINT: `"exit":130}`, syscall.SIGTERM: `"exit":143}`, syscall.SIGHUP: `"exit":129}`,
	} {
		dir := t.TempDir()
		c := exec.Command(path, "sim:animated-drawings", "--sweep", "--strategy", "grid", "--workers", "1", "--batch-size", "1,8", "--batch-delay", "1", "-q", "--out", "a")
		c.Dir, c.Env = dir, append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_STATE_HOME="+dir)
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		profile := filepath.Join(dir, "a", "profile.jsonl")
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if data, _ := os.ReadFile(profile); bytes.Contains(data, []byte("\n")) {
				break
			}
			if time.Now().After(deadline) {
				_ = c.Process.Kill()
				t.Fatal("no profile after a minute")
			}
		}
		if err := c.Process.Signal(sig); err != nil {
			t.Fatal(err)
		}
		err := c.Wait()
		data, _ := os.ReadFile(profile)
		if got := exitCode(err); got != 128+int(sig) || !strings.HasSuffix(strings.TrimSpace(string(data)), want) {
			t.Errorf("%v: exit %d, want %d; the profile ends %.200q, want %s", sig, got, 128+int(sig), data[max(0, len(data)-120):], want)
		}
	}
}
