package tuitest

import (
	"strings"
	"testing"

	"github.com/hinshun/vt10x"
)

// output is text that needs tab stops in the columns after 40 and has characters of several bytes.
const output = "\x1b[2J\x1b[1;1H│\t\t\t\t\t\t\tx\x1b[2;1H─ é ★ 語 ─"

// check writes the output in pieces of n bytes to a terminal that was 40 columns wide.
func check(vt vt10x.Terminal, n int) (got, want string) {
	vt.Resize(80, 2)
	for p := []byte(output); len(p) > 0; p = p[min(n, len(p)):] {
		_, _ = vt.Write(p[:min(n, len(p))])
	}
	line := func(s string) string { return s + strings.Repeat(" ", 80-len([]rune(s))) + "\n" }
	return vt.String(), line("│"+strings.Repeat(" ", 55)+"x") + line("─ é ★ 語 ─")
}

func TestEmulator(t *testing.T) {
	for n := range len(output) {
		if got, want := check(NewEmulator(40, 2), n+1); got != want {
			t.Errorf("in pieces of %d bytes:\n%s, want\n%s", n+1, got, want)
		}
	}
}

// The faults for which there is an Emulator are in vt10x, not in the screen. Without them there need be none.
func TestFaultsOfVT10x(t *testing.T) {
	got, want := check(vt10x.New(vt10x.WithSize(40, 2)), len(output))
	if tabs, _, _ := strings.Cut(got, "\n"); tabs == strings.Split(want, "\n")[0] {
		t.Error("new columns have tab stops")
	}
	got, want = check(vt10x.New(vt10x.WithSize(80, 2)), 1)
	if got == want {
		t.Error("a character may be divided")
	}
}

// What was on the screen before a change of the size stays there, with the cursor.
func TestResizeKeepsTheText(t *testing.T) {
	e := NewEmulator(10, 3)
	_, _ = e.Write([]byte("one\r\ntwo\r\nthree"))
	e.Resize(4, 2)
	if got, want := e.String(), "one \ntwo \n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	e.Resize(6, 4)
	_, _ = e.Write([]byte("x\xe2\x96"))
	e.Resize(7, 4)
	_, _ = e.Write([]byte("\x88"))
	if got, want := e.String(), "one    \ntwox█  \n       \n       \n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
