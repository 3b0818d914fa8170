//go:build linux

package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/creack/pty"
)

// pictures is the folder for pictures and recordings of real sessions. Documents show them; without the flag none are made.
var pictures = flag.String("pictures", "", "write pictures and a recording of real sessions to this folder")

// detector is a simulated device, so that the speed of the machine has little effect.
const detector = "sim:../../testdata/simulated/detector.csv"

// startDetector opens the workbench on the simulated device. 16 clients break the promise at batch size 1 and keep it at 8.
// background is the terminal's answer to the question for its colour.
func startDetector(t *testing.T, w, h int, background string) *screen {
	t.Helper()
	model, err := filepath.Abs(detector[len("sim:"):])
	if err != nil {
		t.Fatal(err)
	}
	budget := "15s" // for the keys; a recording shall show a verdict too
	if *pictures != "" {
		budget = "60s"
	}
	s := openScreen(t, w, h, "sim:"+model, "--sla=100ms", "--concurrency=16", "--budget="+budget)
	s.answerBackground(background)
	return s
}

// answerBackground answers the question of the program for the colour of the background.
func (s *screen) answerBackground(answer string) {
	s.t.Helper()
	asked := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return bytes.Contains(s.raw.Bytes(), []byte("\x1b]11;?"))
	}
	for deadline := time.Now().Add(hang); !asked() && time.Now().Before(deadline); { // an earlier answer would be echoed
		time.Sleep(10 * time.Millisecond)
	}
	if _, err := s.tty.WriteString(answer); err != nil {
		s.t.Fatal(err)
	}
}

// Answers of a terminal about its background.
const (
	darkBackground  = "\x1b]11;rgb:1414/1717/1c1c\x1b\\"
	lightBackground = "\x1b]11;rgb:ffff/ffff/ffff\x1b\\"
)

// TestColdStart: from a cold start by a sweep to exported settings, with what the screen says and at most 8 keys.
func TestColdStart(t *testing.T) {
	t.Parallel()
	s := startDetector(t, 100, 30, darkBackground)
	s.waitFor("s sweep")
	s.waitFor("concurrency 16")
	s.press("s")
	s.waitFor("enter starts")
	s.press(enter)
	s.waitFor("sweep done")
	s.waitFor("enter load in Live")
	s.press(enter)
	s.waitFor("enter apply")
	s.press(enter)
	s.waitFor("A1")
	s.press("e")
	s.waitFor("enter writes")
	s.press(enter)
	s.waitForOne("exported to config.properties", "export anyway?")
	if strings.Contains(s.text(), "export anyway?") { // a busy machine, or a short sweep, has no verdict
		s.press("y")
	}
	s.waitFor("exported to config.properties")
	if s.keys > 8 {
		t.Errorf("it took %d keys, want at most 8", s.keys)
	}
	data, err := os.ReadFile(filepath.Join(s.dir, "config.properties"))
	if err != nil || !bytes.Contains(data, []byte(`"batchSize": `)) || bytes.Contains(data, []byte(`"batchSize": 1,`)) {
		t.Errorf("config.properties: %v\n%s", err, data)
	}
	if *pictures != "" {
		s.writeCast(filepath.Join(*pictures, "cold-start.cast"), "sweetspot: from a cold start to exported settings")
	}
}

// TestPictures makes pictures of the four views of real sessions, for documents.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Skip("no -pictures")
	}
	for name, background := range map[string]string{"dark": darkBackground, "light": lightBackground} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := startDetector(t, 120, 36, background)
			s.waitFor("the model alone:")
			s.press("s")
			s.waitFor("enter starts")
			s.press(enter)
			s.waitFor("sweep done")
			s.waitFor("enter load in Live")
			s.press(enter)
			s.waitFor("enter apply")
			s.press(enter)
			s.waitFor("A1")
			time.Sleep(15 * time.Second) // some traffic with the new settings
			for _, size := range [][2]int{{120, 36}, {80, 24}} {
				if w, _ := s.vt.Size(); w != size[0] {
					s.resize(size[0], size[1])
				}
				for i, view := range []string{"live", "sweep", "frontier", "profiles"} {
					s.press(fmt.Sprint(i + 1))
					time.Sleep(1500 * time.Millisecond) // a frame of the new view at this size
					file := fmt.Sprintf("%s-%dx%d-%s.svg", view, size[0], size[1], name)
					s.writePicture(filepath.Join(*pictures, file), palettes[name], size[0], size[1])
				}
			}
		})
	}
}

// waitForOne waits until one of the texts is on the screen.
func (s *screen) waitForOne(texts ...string) {
	s.t.Helper()
	for deadline := time.Now().Add(hang); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		all := s.text()
		if slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(all, text) }) {
			return
		}
	}
	s.t.Fatalf("none of %q is on the screen:\n%s", texts, s.text())
}

// resize changes the size of the terminal: first its own, then that of the program, as terminals do.
func (s *screen) resize(w, h int) {
	s.t.Helper()
	s.mu.Lock()
	s.vt.Resize(w, h)
	s.cast = append(s.cast, castEvent{time.Now(), "r", fmt.Sprintf("%dx%d", w, h)})
	s.mu.Unlock()
	if err := pty.Setsize(s.tty, &pty.Winsize{Rows: uint16(h), Cols: uint16(w)}); err != nil {
		s.t.Fatal(err)
	}
}
