//go:build linux

package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"sweetspot/tui/tuitest"
)

// storm changes the size of the terminal and the view many times without a pause, from small to w x h at the end.
func (s *screen) storm(w, h int) {
	s.t.Helper()
	r := rand.New(rand.NewPCG(7, 11))
	for range 60 {
		if _, err := fmt.Fprint(s.tty, 1+r.IntN(4)); err != nil {
			s.t.Fatal(err)
		}
		s.resize(1+r.IntN(150), 1+r.IntN(50))
	}
	s.resize(20, 5)
	s.resize(w, h)
}

// checkCells fails unless each cell is as if all of the screen were drawn again, on an empty terminal.
func (s *screen) checkCells() {
	s.t.Helper()
	s.press("f")
	s.waitFor("the picture is frozen") // below what it says this of, and so written after it
	before := stillLines(s.text())
	w, h := s.vt.Size()
	s.mu.Lock()
	s.fresh = tuitest.NewEmulator(w, h)
	s.mu.Unlock()
	s.press("\x0c")
	after := func() []string {
		s.mu.Lock()
		defer s.mu.Unlock()
		return stillLines(s.fresh.String())
	}
	for deadline := time.Now().Add(hang); !slices.Equal(before, after()); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			s.t.Fatalf("the screen:\n%s\ndrawn again:\n%s", strings.Join(before, "\n"), strings.Join(after(), "\n"))
		}
	}
	s.press("f")
}

// stillLines are the lines of a frozen picture without the first one, which has its age, and the line of messages.
func stillLines(text string) []string {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	return slices.Concat(lines[1:len(lines)-2], lines[len(lines)-1:])
}
