// Package tuitest has the terminal emulator of tests of the screen and of cmd/bench.
package tuitest

import (
	"fmt"
	"unicode/utf8"

	"github.com/hinshun/vt10x"
)

// Emulator is a vt10x terminal without two of its faults, each of which leaves wrong cells on a screen that was written
// correctly:
//
//   - It loses a character whose bytes arrive in two writes, as every read of a pseudo terminal can divide one.
//   - When it grows, the new columns have no tab stops, and the program moves the cursor with tabs.
//
// It is not safe for concurrent use, except Lock, Unlock and String.
type Emulator struct {
	vt10x.Terminal
	rest []byte // the first bytes of a character
}

// NewEmulator returns an empty terminal of w columns and h rows.
func NewEmulator(w, h int) *Emulator {
	return &Emulator{Terminal: vt10x.New(vt10x.WithSize(w, h))}
}

// Write shows the output of a program. Bytes of a character that is not complete are kept for the next call. The error is always nil.
func (e *Emulator) Write(p []byte) (int, error) {
	all := append(e.rest, p...)
	n := WholeRunes(all)
	_, _ = e.Terminal.Write(all[:n]) // it returns no error
	e.rest = append([]byte(nil), all[n:]...)
	return len(p), nil
}

// Resize changes the size as a terminal does, which keeps what is on the screen. Colours are not kept: after a change of the size a
// program draws all of its screen. An escape sequence that is not complete is lost.
func (e *Emulator) Resize(w, h int) {
	old := e.Terminal
	oldW, oldH := old.Size()
	if w == oldW && h == oldH {
		return
	}
	e.Terminal = vt10x.New(vt10x.WithSize(w, h))
	for y := range min(h, oldH) {
		line := make([]rune, min(w, oldW))
		for x := range line {
			line[x] = max(old.Cell(x, y).Char, ' ')
		}
		fmt.Fprintf(e.Terminal, "\x1b[%d;1H%s", y+1, string(line))
	}
	at := old.Cursor()
	fmt.Fprintf(e.Terminal, "\x1b[%d;%dH", at.Y+1, at.X+1)
}

// WholeRunes is the length of p without a character at its end that is not complete.
func WholeRunes(p []byte) int {
	for i := len(p) - 1; i >= max(0, len(p)-utf8.UTFMax); i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				return len(p)
			}
			return i
		}
	}
	return len(p)
}
