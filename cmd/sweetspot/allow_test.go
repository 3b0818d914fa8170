//go:build linux

package main

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/creack/pty"
)

// TestAllow: on a terminal a server elsewhere is loaded after a yes. The key file, which is read after it, does not exist.
func TestAllow(t *testing.T) {
	path, err := exec.LookPath("sweetspot") // installed by testscript.Main
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		answer string
		args   []string
		want   string
	}{
		{"n\n", []string{"--sweep"}, "ts.example.test:8081 is not on this machine\r\nhint: add --yes"},
		{"\n", nil, "ts.example.test:8081 is not on this machine\r\nhint: add --yes"}, // before the screen
		{"Yes\n", []string{"--sweep"}, "--key-file: /no/such.json: open /no/such.json"},
	} {
		dir := t.TempDir()
		cmd := exec.Command(path, append(c.args, "--target", "http://ts.example.test:8081", "--key-file", "/no/such.json")...)
		cmd.Env = append(os.Environ(), "TERM=xterm", "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_STATE_HOME="+dir)
		tty, err := pty.Start(cmd)
		if err != nil {
			t.Skipf("no pseudo terminal: %v", err)
		}
		if _, err := io.WriteString(tty, c.answer); err != nil {
			t.Fatal(err)
		}
		out, _ := io.ReadAll(tty) // it ends with an error when the program has ended
		code := exitCode(cmd.Wait())
		tty.Close()
		if code != exitError || !strings.Contains(string(out), c.want) || !strings.Contains(string(out), "at most ") || !strings.Contains(string(out), "Go on? [y/N] ") {
			t.Errorf("%q %q: exit %d, %s, want %q", c.args, c.answer, code, out, c.want)
		}
	}
}
