package tui

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// requireFile fails unless a file has this content. With the flag -update of the goldens
// it writes the file.
func requireFile(t *testing.T, path, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s differs from the program: run go test ./tui -update (%v)", path, err)
	}
}

func TestKeysPage(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	var b strings.Builder
	b.WriteString("# Keys\n\nA test of package tui writes this page from the table that the program itself uses.\n")
	var last heading
	for i := range m.bindings {
		k := &m.bindings[i]
		if k.Help().Desc == "" {
			continue
		}
		if k.group != last {
			where := ""
			for v, name := range viewNames {
				if k.views == 1<<v {
					where = ", in " + name
				}
			}
			fmt.Fprintf(&b, "\n## %s%s\n\n| key | does |\n|---|---|\n", k.group, where)
			last = k.group
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Help().Key, k.Help().Desc)
	}
	b.WriteString("\nA letter has the same meaning in every view. Actions that are hard to undo ask first.\n" +
		"A key that does not work now shows the reason. In dialogs `esc` closes; `y` and `n` answer.\n")
	requireFile(t, "../docs/keys.md", b.String())
}

// The picture of the Live view in the README is a frame of the program.
func TestPicture(t *testing.T) {
	s := serving()
	s.Info.Fixed = nil
	sc := newScreen(t, 112, 32, s)
	sc.press("right")
	requireFile(t, "../docs/live.svg", svg(sc.frame()))
}

// svg draws a frame as SVG. Cells of one style are one text, which is stretched to the
// width of the cells, so that the picture is the same with every font.
func svg(c *canvas) string {
	const cw, ch, base = 8, 17, 13
	fills := [styleCount]string{
		styleText: "#d8dee9", styleDim: "#7b8494", styleBold: "#ffffff", styleAccent: "#5fd7ff", stylePass: "#6cb6ff", styleFail: "#ff7b72",
		styleWarn: "#f2cc60", styleTab: "#5fd7ff", styleData: "#5fd7ff", styleSLA: "#e3b341", styleMark: "#d2a8ff",
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">`+"\n",
		c.w*cw+16, c.h*ch+16)
	b.WriteString(`<title>sweetspot: the Live view</title><rect width="100%" height="100%" rx="6" fill="#14171c"/>` + "\n")
	for y := range c.h {
		row := c.cells[y*c.w : (y+1)*c.w]
		for x := 0; x < c.w; {
			from, first := x, row[x]
			for x < c.w && row[x].style == first.style && (row[x].r == ' ') == (first.r == ' ') && isBraille(row[x].r) == isBraille(first.r) {
				x++
			}
			switch fill := fills[first.style]; {
			case first.r == ' ':
			case isBraille(first.r):
				svgDots(&b, row[from:x], 8+from*cw, 8+y*ch, fill)
			default:
				fmt.Fprintf(&b, `<text x="%d" y="%d" textLength="%d" fill="%s">`, 8+from*cw, 8+y*ch+base, (x-from)*cw, fill)
				_ = xml.EscapeText(&b, []byte(runesOf(row[from:x]))) // writing to a Builder cannot fail
				b.WriteString("</text>\n")
			}
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func isBraille(r rune) bool { return r >= 0x2800 && r < 0x2900 }

func runesOf(row []cell) string {
	var b strings.Builder
	for _, c := range row {
		b.WriteRune(c.r)
	}
	return b.String()
}

// svgDots draws Braille characters as squares, because not every font has them.
func svgDots(b *strings.Builder, row []cell, x, y int, fill string) {
	places := [8][2]int{{0, 0}, {0, 1}, {0, 2}, {1, 0}, {1, 1}, {1, 2}, {0, 3}, {1, 3}} // column and row of dot i+1
	b.WriteString(`<path fill="` + fill + `" d="`)
	for i, c := range row {
		for dot, at := range places {
			if (c.r-0x2800)>>dot&1 == 1 {
				fmt.Fprintf(b, "M%d %dh3v3h-3z", x+i*8+at[0]*4, y+at[1]*17/4)
			}
		}
	}
	b.WriteString("\"/>\n")
}
