//go:build linux

package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestPeerOnScreen tunes a LitServe server from the workbench's screen, by a plan of ten lines. With -pictures it is
// recorded.
func TestPeerOnScreen(t *testing.T) {
	venv := peers(t)
	t.Setenv("PATH", filepath.Join(venv, "bin")+string(os.PathListSeparator)+os.Getenv("PATH"))
	dir := t.TempDir()
	for _, name := range []string{"tune.yaml", "litserver.py", "body.json"} {
		data, err := os.ReadFile(filepath.Join("../../testdata/command", name))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := startInFolder(t, dir, 110, 32, "sweetspot", "--plan", "tune.yaml")
	s.answerBackground(darkBackground)
	s.waitFor("s sweep")
	s.waitFor(" over ") // answers have arrived
	children := childrenOf(s.cmd.Process.Pid)
	s.press("s")
	s.waitFor("enter starts")
	s.press(enter)
	s.waitFor("sweep done")
	s.waitFor("enter load in Live")
	s.press(enter)
	s.waitFor("enter apply")
	s.press(enter)
	s.waitFor("A1")
	if row := regexp.MustCompile(`max_batch_size 1 {2,}`); row.MatchString(s.text()) { // with more, the message has "1 to 32"
		t.Errorf("batches of 1 were chosen:\n%s", s.text())
	}
	s.press("e")
	s.waitFor("enter writes")
	s.press(enter)
	s.waitForOne("exported to choice.json", "export anyway?")
	if strings.Contains(s.text(), "export anyway?") { // a busy machine has no verdict
		s.press("y")
	}
	s.waitFor("exported to choice.json")
	if *pictures != "" {
		s.writeCast(filepath.Join(*pictures, "litserve.cast"), "sweetspot: a LitServe server, tuned by a plan of ten lines")
	}
	s.press("q")
	s.waitForEnd()
	s.checkEnded(children)
}
