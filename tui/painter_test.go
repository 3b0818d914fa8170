package tui

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"
)

// grid is a terminal that knows what a painter may write, and the half of a wide rune that is overwritten.
type grid struct {
	w, h, x, y int
	cells      []gridCell
	sgr        string
	err        error
}

type gridCell struct {
	r   rune // 0 is the right half of a wide one
	sgr string
}

func newGrid(w, h int) *grid {
	g := &grid{w: w, h: h, cells: make([]gridCell, w*h)}
	for i := range g.cells {
		g.cells[i] = gridCell{'#', ""} // what a frame must not leave
	}
	return g
}

func (g *grid) Write(b []byte) (int, error) {
	for s := string(b); s != ""; {
		if !strings.HasPrefix(s, "\x1b[") {
			r := []rune(s)[0]
			s = s[len(string(r)):]
			g.set(r)
			continue
		}
		end := strings.IndexAny(s, "HCmhl")
		g.control(s[2:end], s[end])
		s = s[end+1:]
	}
	return len(b), nil
}

func (g *grid) control(arg string, final byte) {
	switch final {
	case 'H':
		if _, err := fmt.Sscanf(arg, "%d;%d", &g.y, &g.x); err != nil {
			g.err = fmt.Errorf("position %q: %w", arg, err)
		}
		g.x, g.y = g.x-1, g.y-1
	case 'C':
		n, err := strconv.Atoi(arg)
		if err != nil {
			g.err = err
		}
		g.x += n
	case 'm':
		g.sgr += "\x1b[" + arg + "m"
		if arg == "" {
			g.sgr = ""
		}
	}
}

func (g *grid) set(r rune) {
	n := ansi.StringWidth(string(r))
	if g.x < 0 || g.y < 0 || g.x+n > g.w || g.y >= g.h {
		g.err = fmt.Errorf("%q of %d cells at %d, %d", r, n, g.x, g.y)
		return
	}
	row := g.cells[g.y*g.w : (g.y+1)*g.w]
	if row[g.x].r == 0 {
		row[g.x-1].r = ' '
	}
	if g.x+n < g.w && row[g.x+n].r == 0 {
		row[g.x+n].r = ' '
	}
	row[g.x] = gridCell{r, g.sgr}
	if n == 2 {
		row[g.x+1] = gridCell{0, g.sgr}
	}
	g.x += n
}

// requireShows fails unless the terminal shows the frame.
func (g *grid) requireShows(t *testing.T, c *canvas, sgr [styleCount]string) {
	t.Helper()
	if g.err != nil {
		t.Fatal(g.err)
	}
	for i, got := range g.cells {
		want := gridCell{c.cells[i].r, sgr[c.cells[i].style]}
		reversed := sgr[styleTab]
		if got.r != want.r || got.sgr != want.sgr && (got.r != ' ' && got.r != 0 || got.sgr == reversed || want.sgr == reversed) {
			t.Fatalf("cell %d, %d is %q in %q, want %q in %q", i%c.w, i/c.w, got.r, got.sgr, want.r, want.sgr)
		}
	}
}

// scribble changes parts of a frame.
func scribble(rnd *rand.Rand, c *canvas) *canvas {
	next := *c
	next.cells = append([]cell(nil), c.cells...)
	for range rnd.IntN(12) {
		text := []string{"x", "P99 41.2 ms", "  ", "界", "模型 a", "▂▃▄", "        "}[rnd.IntN(7)]
		next.all().text(rnd.IntN(c.w), rnd.IntN(c.h), text, styleID(rnd.IntN(int(styleCount))))
	}
	return &next
}

// After each of many frames that differ a little or much, the terminal shows the last one, whatever the renderer of
// Bubble Tea does between them.
func TestPainterShowsEachFrame(t *testing.T) {
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 15))
		g := newGrid(1+rnd.IntN(40), 1+rnd.IntN(8))
		p := &painter{out: g, open: true, sync: seed%2 == 0}
		sgr := newTheme(true).sgr
		c := newCanvas(g.w, g.h)
		for n := range 100 {
			switch c = scribble(rnd, c); {
			case n%31 == 30:
				sgr = newTheme(n%2 == 0).sgr
			case n%29 == 28:
				c = newCanvas(1+rnd.IntN(40), 1+rnd.IntN(8))
				*g = *newGrid(c.w, c.h)
			case n%23 == 22:
				g.cells = newGrid(g.w, g.h).cells
				if _, err := p.Write([]byte("\x1b[1;1H")); err != nil {
					t.Fatal(err)
				}
				g.requireShows(t, p.frame, p.sgr)
			}
			p.paint(c, sgr)
			g.requireShows(t, c, sgr)
		}
	}
}

// A frame that looks like the one before it writes nothing, and one with a different number writes few bytes.
func TestPainterWritesDifferences(t *testing.T) {
	var out bytes.Buffer
	p := &painter{out: &out, open: true, sync: true}
	frame := func(text string) int {
		out.Reset()
		c := newCanvas(120, 36)
		c.all().text(10, 20, text, styleData)
		p.paint(c, newTheme(true).sgr)
		return out.Len()
	}
	if n := frame("P99 41.2 ms, 812/s"); n < 120*36 {
		t.Errorf("the first frame wrote %d bytes", n)
	}
	if n := frame("P99 41.2 ms, 812/s"); n != 0 {
		t.Errorf("the same frame wrote %d bytes: %q", n, out.String())
	}
	if n := frame("P99 41.3 ms, 815/s"); n == 0 || n > 50 {
		t.Errorf("two digits wrote %d bytes: %q", n, out.String())
	}
}

// Frames are shown only on the alternate screen, and again when it was left and entered.
func TestPainterNeedsTheAlternateScreen(t *testing.T) {
	var out bytes.Buffer
	p := &painter{out: &out}
	write := func(s string) string {
		out.Reset()
		if n, err := p.Write([]byte(s)); n != len(s) || err != nil {
			t.Errorf("Write(%q) = %d, %v", s, n, err)
		}
		return out.String()
	}
	c := newCanvas(20, 3)
	c.all().text(0, 0, "sweetspot", styleBold)
	p.paint(c, [styleCount]string{})
	if out.Len() > 0 {
		t.Errorf("before the alternate screen it wrote %q", out.String())
	}
	for range 2 {
		if got := write("\x1b[?25l" + ansi.SetModeAltScreenSaveCursor); !strings.HasPrefix(got, "\x1b[?25l"+ansi.SetModeAltScreenSaveCursor) || !strings.Contains(got, "sweetspot") {
			t.Errorf("entering the alternate screen wrote %q", got)
		}
		for _, s := range []string{ansi.SetWindowTitle("title"), ansi.SetModeMouseButtonEvent + ansi.SetModeMouseExtSgr, ansi.SetProgressBar(7), ansi.RequestKittyKeyboard, ansi.SetSystemClipboard("text")} {
			if got := write(s); got != s {
				t.Errorf("Write(%q) wrote %q", s, got)
			}
		}
		if got := write(ansi.EraseEntireScreen); !strings.Contains(got, "sweetspot") {
			t.Errorf("after an erasure it wrote %q", got)
		}
		if got := write(ansi.CursorHomePosition + ansi.ResetModeAltScreenSaveCursor); strings.Contains(got, "sweetspot") {
			t.Errorf("leaving the alternate screen wrote %q", got)
		}
		out.Reset()
		if p.paint(c, [styleCount]string{}); out.Len() > 0 {
			t.Errorf("after the alternate screen it wrote %q", out.String())
		}
	}
}

// The terminal gets only colours that it has, and marks for frames only if it knows them.
func TestPaintedFitsTheTerminal(t *testing.T) {
	var out bytes.Buffer
	s := NewScreen(Deps{Workbench: &fakeWorkbench{snap: serving()}, Out: &out})
	if s, _ = s.Update(tea.WindowSizeMsg{Width: 80, Height: 24}); !strings.Contains(out.String(), newTheme(true).sgr[stylePass]) {
		t.Error("a terminal with colours gets none")
	}
	out.Reset()
	s, _ = s.Update(tea.ColorProfileMsg{Profile: colorprofile.ASCII})
	if got := colours(out.String()); got != "" || !strings.Contains(out.String(), "\x1b[1m") {
		t.Errorf("a terminal without colours gets the sequence %q, or no bold text: %q", got, out.String())
	}
	out.Reset()
	s, _ = s.Update(tea.ModeReportMsg{Mode: ansi.ModeSynchronizedOutput, Value: ansi.ModeReset})
	_, _ = s.Update(tea.KeyPressMsg{Code: '2', Text: "2"})
	if got := out.String(); !strings.HasPrefix(got, ansi.SetModeSynchronizedOutput) || !strings.HasSuffix(got, ansi.ResetModeSynchronizedOutput) {
		t.Errorf("the frame is not marked: %q", got)
	}
	if s.View().Content != " " {
		t.Errorf("the renderer of Bubble Tea shows %q", s.View().Content)
	}
}

// colours is the first escape sequence of s that sets a colour, or "".
func colours(s string) string {
	for i := strings.Index(s, "\x1b["); i >= 0; i = strings.Index(s, "\x1b[") {
		s = s[i+2:]
		arg := s[:strings.IndexFunc(s, func(r rune) bool { return r >= '@' })]
		if s[len(arg)] != 'm' {
			continue
		}
		for p := range strings.SplitSeq(arg, ";") {
			if n, _ := strconv.Atoi(p); n >= 30 {
				return arg
			}
		}
	}
	return ""
}
