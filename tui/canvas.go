package tui

import (
	"strings"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"sweetspot/tui/chart"
)

// cell holds one rune. If r is 0, it is the right half of a wide rune.
type cell struct {
	r     rune
	style styleID
}

// canvas is a frame of h rows of w cells that is being drawn. Every rune is written with
// its width, so that all lines of the result are exactly w cells wide. Later parts, such
// as dialogs, are drawn over earlier ones.
type canvas struct {
	w, h       int
	cells      []cell
	symbols    chart.Symbols // of the charts
	clickAreas []clickArea
	dialogFrom int // index of the first click area of the dialog
}

// clickArea is a part of the frame that can be clicked.
type clickArea struct {
	rect
	onClick func() // changes the model
}

func newCanvas(w, h int) *canvas {
	c := &canvas{w: max(w, 0), h: max(h, 0)}
	c.cells = make([]cell, c.w*c.h)
	for i := range c.cells {
		c.cells[i] = cell{' ', styleText}
	}
	return c
}

// all is the whole canvas as a pane.
func (c *canvas) all() pane { return pane{c, rect{0, 0, c.w, c.h}} }

// set writes one rune of n cells. If it covers half of a wide rune, the other half
// becomes blank.
func (c *canvas) set(x, y int, r rune, n int, style styleID) {
	row := c.cells[y*c.w : (y+1)*c.w]
	if row[x].r == 0 && x > 0 {
		row[x-1].r = ' '
	}
	if end := x + n; end < c.w && row[end].r == 0 {
		row[end].r = ' '
	}
	row[x] = cell{r, style}
	if n == 2 {
		row[x+1] = cell{0, style}
	}
}

// render returns the frame as lines with the escape sequences of the theme.
func (c *canvas) render(t *theme, ascii bool) string {
	if ascii {
		c.toASCII()
	}
	var b strings.Builder
	b.Grow(3 * len(c.cells))
	for y := range c.h {
		if y > 0 {
			b.WriteByte('\n')
		}
		current := "" // the escape sequence in effect
		for _, cell := range c.cells[y*c.w : (y+1)*c.w] {
			if cell.r == 0 {
				continue
			}
			// A blank looks the same in all styles except styleTab, which is reversed.
			if sgr := t.sgr[cell.style]; sgr != current && (cell.r != ' ' || cell.style == styleTab || current == t.sgr[styleTab]) {
				b.WriteString(reset)
				b.WriteString(sgr)
				current = sgr
			}
			b.WriteRune(cell.r)
		}
		if current != "" {
			b.WriteString(reset)
		}
	}
	return b.String()
}

// toASCII replaces all runes by ASCII; a wide one becomes two characters.
func (c *canvas) toASCII() {
	for i, cell := range c.cells {
		if cell.r >= 0x80 || cell.r == 0 {
			c.cells[i].r = toASCII(cell.r)
		}
	}
}

const reset = "\x1b[m"

// pane is a rectangle of a canvas. Coordinates are relative to it. What is drawn outside
// of it is cut off.
type pane struct {
	c *canvas
	rect
}

// sub is a rectangle in the pane, without what is outside of the pane.
func (p pane) sub(x, y, w, h int) pane {
	x, y = min(max(x, 0), p.w), min(max(y, 0), p.h)
	return pane{p.c, rect{p.x + x, p.y + y, min(max(w, 0), p.w-x), min(max(h, 0), p.h-y)}}
}

// at is sub for a rectangle of a layout.
func (p pane) at(r rect) pane { return p.sub(r.x, r.y, r.w, r.h) }

// clear fills the pane with blanks.
func (p pane) clear() {
	for y := range p.h {
		for x := range p.w {
			p.c.set(p.x+x, p.y+y, ' ', 1, styleText)
		}
	}
}

// text writes s from (x, y) and returns the column after it. Text that does not fit ends
// with an ellipsis.
func (p pane) text(x, y int, s string, style styleID) int {
	if y < 0 || y >= p.h || x < 0 {
		return x
	}
	for _, r := range s {
		r, n := displayRune(r)
		switch {
		case n == 0:
			continue
		case x+n > p.w:
			if p.w > 0 {
				p.c.set(p.x+p.w-1, p.y+y, '…', 1, style)
			}
			return p.w
		}
		p.c.set(p.x+x, p.y+y, r, n, style)
		x += n
	}
	return x
}

// fill writes r to every column of row y from x to the one before end.
func (p pane) fill(x, end, y int, r rune, style styleID) {
	if y < 0 || y >= p.h {
		return
	}
	for x = max(x, 0); x < min(end, p.w); x++ {
		p.c.set(p.x+x, p.y+y, r, 1, style)
	}
}

// onClick makes the pane a click area.
func (p pane) onClick(do func()) {
	if p.w > 0 && p.h > 0 {
		p.c.clickAreas = append(p.c.clickAreas, clickArea{p.rect, do})
	}
}

// displayRune returns the rune to show for r, and its width. Terminals differ in which
// runes they join into one cluster. So only scripts and symbols that none joins are
// shown; other runes become question marks.
func displayRune(r rune) (rune, int) {
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
		return ifWidth(r, 1)
	case r >= 0x3041 && r < 0xa000, r >= 0xac00 && r < 0xd7a4, r >= 0xff01 && r < 0xff61:
		return ifWidth(r, 2)
	case r >= 0x2800 && r < 0x2900, r == '★', r == '✓', r == '✗': // Braille is used by the spinner
		return r, 1
	}
	return '?', 1
}

// ifWidth returns r if it is n cells wide, otherwise a question mark.
func ifWidth(r rune, n int) (rune, int) {
	if unicode.IsPrint(r) && ansi.StringWidth(string(r)) == n {
		return r, n
	}
	return '?', 1
}

// width is the number of cells of s on a canvas.
func width(s string) int {
	n := 0
	for _, r := range s {
		_, cells := displayRune(r)
		n += cells
	}
	return n
}

// printable is s as a canvas shows it, for the title of the window.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r, n := displayRune(r); n > 0 {
			return r
		}
		return -1
	}, s)
}

// toASCII replaces the symbols of the screen, those of charts as the charts do.
func toASCII(r rune) rune {
	const from = "┌→←↑↓—−✓✗•±≤"
	const into = "+><^v--+x*~<"
	if i := strings.IndexRune(from, r); i >= 0 {
		return rune(into[len([]rune(from[:i]))])
	}
	return chart.ToASCII(r)
}
