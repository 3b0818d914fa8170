package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"
)

// cell holds one rune, or the right half of a wide one when r is 0.
type cell struct {
	r   rune
	ink ink
}

// canvas is a frame under construction: h rows of w cells. Because every rune
// is placed with its width, a finished frame has exact lines without measuring
// any string, and dialogs are drawn over what lies below.
type canvas struct {
	w, h  int
	cells []cell
	zones []zone
}

// zone is a part of the frame that answers to a click.
type zone struct {
	rect
	hit func() // what the click does to the model
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: max(w, 0), h: max(h, 0)}
	c.cells = make([]cell, c.w*c.h)
	c.all().clear()
	return c
}

// all is the whole canvas as a pane.
func (c *canvas) all() pane { return pane{c, rect{0, 0, c.w, c.h}} }

// set writes one rune of n cells. A wide rune that loses a half goes blank.
func (c *canvas) set(x, y int, r rune, n int, i ink) {
	row := c.cells[y*c.w : (y+1)*c.w]
	if row[x].r == 0 && x > 0 {
		row[x-1].r = ' '
	}
	if end := x + n; end < c.w && row[end].r == 0 {
		row[end].r = ' '
	}
	row[x] = cell{r, i}
	if n == 2 {
		row[x+1] = cell{0, i}
	}
}

// render is the frame as lines with the theme's colours.
func (c *canvas) render(t *theme, ascii bool) string {
	var b strings.Builder
	b.Grow(3 * len(c.cells))
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		on := ""
		for _, cell := range c.cells[y*c.w : (y+1)*c.w] {
			switch {
			case cell.r == 0 && !ascii:
				continue
			case ascii && (cell.r >= 0x80 || cell.r == 0):
				cell.r = toASCII(cell.r) // a wide rune becomes two signs
			}
			// A blank looks the same in every ink but that of the open view.
			if sgr := t.sgr[cell.ink]; sgr != on && (cell.r != ' ' || cell.ink == inkTab || on == t.sgr[inkTab]) {
				b.WriteString(reset)
				b.WriteString(sgr)
				on = sgr
			}
			b.WriteRune(cell.r)
		}
		if on != "" {
			b.WriteString(reset)
		}
	}
	return b.String()
}

const reset = "\x1b[m"

// pane is a rectangle of a canvas to draw in. Coordinates are relative to it;
// what lies outside is cut off.
type pane struct {
	c *canvas
	rect
}

// sub is a part of the pane, cut to it.
func (p pane) sub(x, y, w, h int) pane {
	x, y = min(max(x, 0), p.w), min(max(y, 0), p.h)
	return pane{p.c, rect{p.x + x, p.y + y, min(max(w, 0), p.w-x), min(max(h, 0), p.h-y)}}
}

// at is the part of the canvas a layout names.
func (p pane) at(r rect) pane { return p.sub(r.x, r.y, r.w, r.h) }

func (p pane) clear() {
	for y := range p.h {
		for x := range p.w {
			p.c.set(p.x+x, p.y+y, ' ', 1, inkText)
		}
	}
}

// text writes s from (x, y) and returns the column after it. Text that does not
// fit ends in an ellipsis.
func (p pane) text(x, y int, s string, i ink) int {
	if y < 0 || y >= p.h || x < 0 {
		return x
	}
	for _, r := range s {
		r, n := oneOf(r)
		switch {
		case n == 0:
			continue
		case x+n > p.w:
			if p.w > 0 {
				p.c.set(p.x+p.w-1, p.y+y, '…', 1, i)
			}
			return p.w
		}
		p.c.set(p.x+x, p.y+y, r, n, i)
		x += n
	}
	return x
}

// fill repeats r over a row from x to the column before end.
func (p pane) fill(x, end, y int, r rune, i ink) {
	if y < 0 || y >= p.h {
		return
	}
	for x = max(x, 0); x < min(end, p.w); x++ {
		p.c.set(p.x+x, p.y+y, r, 1, i)
	}
}

// click makes the pane answer to the mouse.
func (p pane) click(hit func()) {
	if p.w > 0 && p.h > 0 {
		p.c.zones = append(p.c.zones, zone{p.rect, hit})
	}
}

// oneOf returns the rune to show for r and its cells. Which runes join into one
// cluster differs between terminals, so only scripts and symbols that never do
// pass; the others become question marks.
func oneOf(r rune) (rune, int) {
	switch {
	case r >= ' ' && r < 0x7f:
		return r, 1
	case r == '\t' || r == '\n':
		return ' ', 1
	case r >= 0x2500 && r < 0x25a0: // boxes and blocks, most of a frame
		return r, 1
	case r < ' ' || unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return r, 0
	case r < 0x590, r >= 0x2010 && r < 0x2600:
		return narrow(r, 1)
	case r >= 0x3041 && r < 0xa000, r >= 0xac00 && r < 0xd7a4, r >= 0xff01 && r < 0xff61:
		return narrow(r, 2)
	case r >= 0x2800 && r < 0x2900, r == '★', r == '✓', r == '✗': // Braille is the spinner's
		return r, 1
	}
	return '?', 1
}

// narrow lets r pass if it is n cells wide.
func narrow(r rune, n int) (rune, int) {
	if unicode.IsPrint(r) && ansi.StringWidth(string(r)) == n {
		return r, n
	}
	return '?', 1
}

// width is how many cells s takes on a canvas.
func width(s string) int {
	n := 0
	for _, r := range s {
		_, cells := oneOf(r)
		n += cells
	}
	return n
}

// printable is s as a canvas shows it, for the window's title.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r, n := oneOf(r); n > 0 {
			return r
		}
		return -1
	}, s)
}

// toASCII replaces the symbols of the screens.
func toASCII(r rune) rune {
	const from = "─╴╶│┤┌╭╮╰╯┼└┴┬┄▲▸●★·→←↑↓…–—−×✓✗•±≤█░"
	const into = "---||+++++++++.^>**.><^v~---x+x*~<#."
	if i := strings.IndexRune(from, r); i >= 0 {
		return rune(into[len([]rune(from[:i]))])
	}
	return '?'
}
