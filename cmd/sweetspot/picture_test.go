//go:build linux

package main

import (
	"encoding/json"
	"encoding/xml"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/hinshun/vt10x"

	"sweetspot/tui/tuitest"
)

// castEvent is output, a key or a new size of a terminal, as in an asciicast.
type castEvent struct {
	at   time.Time
	kind string
	text string
}

// writeCast writes the session as an asciicast of version 2. Players shorten its pauses to two seconds.
func (s *screen) writeCast(path, title string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	w, h := s.vt.Size()
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	must(enc.Encode(map[string]any{"version": 2, "width": w, "height": h, "idle_time_limit": 2, "title": title}))
	rest := ""
	for _, e := range s.cast {
		if e.kind == "o" {
			e.text = rest + e.text
			n := tuitest.WholeRunes([]byte(e.text))
			e.text, rest = e.text[:n], e.text[n:]
		}
		seconds := float64(e.at.Sub(s.cast[0].at).Milliseconds()) / 1000
		must(enc.Encode([]any{seconds, e.kind, e.text}))
	}
	must(os.WriteFile(path, []byte(b.String()), 0o644))
}

// palette has the colours of a picture, by their numbers in a terminal.
type palette struct {
	back, text, bold string
	colours          [16]string
}

var palettes = map[string]palette{
	"dark": {"#14171c", "#d8dee9", "#ffffff", [16]string{
		"#14171c", "#ff7b72", "#7ee787", "#e3b341", "#6cb6ff", "#d2a8ff", "#5fd7ff", "#d8dee9",
		"#7b8494", "#ff7b72", "#7ee787", "#f2cc60", "#6cb6ff", "#d2a8ff", "#5fd7ff", "#ffffff",
	}},
	"light": {"#ffffff", "#24292f", "#000000", [16]string{
		"#24292f", "#cf222e", "#116329", "#9a6700", "#0550ae", "#8250df", "#1b7c83", "#57606a",
		"#6e7781", "#cf222e", "#116329", "#9a6700", "#0550ae", "#8250df", "#1b7c83", "#ffffff",
	}},
}

// writePicture writes the screen as an SVG.
func (s *screen) writePicture(path string, p palette, w, h int) {
	s.t.Helper()
	s.mu.Lock()
	vt := vt10x.New(vt10x.WithSize(w, h))
	var b strings.Builder
	for _, e := range s.cast {
		switch e.kind {
		case "o":
			b.WriteString(e.text)
		case "r":
			b.Reset() // the program draws all of it after a new size
		}
	}
	s.mu.Unlock()
	_, _ = vt.Write([]byte(greyForFaint(b.String()))) // it returns no error
	if err := os.WriteFile(path, []byte(svg(vt, p, w, h)), 0o644); err != nil {
		s.t.Fatal(err)
	}
}

var sgr = regexp.MustCompile(`\x1b\[([0-9;]*)m`)

// greyForFaint replaces faint text, which the emulator does not know, by grey text.
func greyForFaint(all string) string {
	bold, faint, reverse, colour := false, false, false, ""
	return sgr.ReplaceAllStringFunc(all, func(seq string) string {
		for code := range strings.SplitSeq(sgr.FindStringSubmatch(seq)[1], ";") {
			switch n, _ := strconv.Atoi(code); {
			case n == 0:
				bold, faint, reverse, colour = false, false, false, ""
			case n == 1:
				bold = true
			case n == 2:
				faint = true
			case n == 22:
				bold, faint = false, false
			case n == 7:
				reverse = true
			case n == 27:
				reverse = false
			case n == 39:
				colour = ""
			case n >= 30 && n < 38, n >= 90 && n < 98:
				colour = code
			}
		}
		var out strings.Builder
		out.WriteString("\x1b[0")
		for _, part := range []struct {
			on   bool
			code string
		}{{bold, ";1"}, {reverse, ";7"}, {colour != "", ";" + colour}, {faint && colour == "", ";90"}} {
			if part.on {
				out.WriteString(part.code)
			}
		}
		return out.String() + "m"
	})
}

// Sizes of a cell in a picture.
const cellW, cellH, baseline = 8, 16, 12

// svg draws the cells of a terminal. The font is as wide as a cell in DejaVu Sans Mono. Cells of one colour are one text, which is stretched to their width, so that the
// picture is the same with every font.
func svg(vt vt10x.Terminal, p palette, w, h int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13.29">`+"\n", w*cellW+16, h*cellH+16)
	fmt.Fprintf(&b, `<rect width="100%%" height="100%%" rx="6" fill="%s"/>`+"\n", p.back)
	for y := range h {
		for x := 0; x < w; {
			from, first := x, vt.Cell(x, y)
			for x < w && alike(vt.Cell(x, y), first) {
				x++
			}
			fill := p.fill(first.FG, first.Mode)
			if back := p.fill(first.BG, 0); first.BG != vt10x.DefaultBG {
				fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" fill="%s"/>`+"\n", 8+from*cellW, 8+y*cellH, (x-from)*cellW, cellH, back)
			}
			switch {
			case first.Char == ' ' || first.Char == 0:
			case isBraille(first.Char):
				svgDots(&b, vt, from, x, y, fill)
			default:
				fmt.Fprintf(&b, `<text x="%d" y="%d" textLength="%d" fill="%s">`, 8+from*cellW, 8+y*cellH+baseline, (x-from)*cellW, fill)
				for at := from; at < x; at++ {
					_ = xml.EscapeText(&b, []byte(string(vt.Cell(at, y).Char))) // writing to a Builder cannot fail
				}
				b.WriteString("</text>\n")
			}
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// alike reports whether two cells are one text.
func alike(a, b vt10x.Glyph) bool {
	blank := func(g vt10x.Glyph) bool { return g.Char == ' ' || g.Char == 0 }
	return a.FG == b.FG && a.BG == b.BG && a.Mode == b.Mode && blank(a) == blank(b) && isBraille(a.Char) == isBraille(b.Char)
}

// fill is the colour of a cell in the picture.
func (p palette) fill(c vt10x.Color, mode int16) string {
	const bold = 4 // of the emulator
	switch {
	case c == vt10x.DefaultBG:
		return p.back
	case c < 16:
		return p.colours[c]
	case mode&bold != 0:
		return p.bold
	}
	return p.text
}

func isBraille(r rune) bool { return r >= 0x2800 && r < 0x2900 }

// svgDots draws Braille characters as squares, because not every font has them.
func svgDots(b *strings.Builder, vt vt10x.Terminal, from, end, y int, fill string) {
	places := [8][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}} // column and row of dot i+1
	b.WriteString(`<path fill="` + fill + `" d="`)
	for x := from; x < end; x++ {
		for dot, at := range places {
			if (vt.Cell(x, y).Char-0x2800)>>dot&1 == 1 {
				fmt.Fprintf(b, "M%d %dh3v3h-3z", 8+x*cellW+at[0]*4, 8+y*cellH+at[1]*cellH/4)
			}
		}
	}
	b.WriteString("\"/>\n")
}
