package tui

import (
	"encoding/xml"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

// kept compares a file of docs with what it is made from, or with -update, the
// flag of the goldens, writes it.
func kept(t *testing.T, path, want string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s is not what the program shows now: run go test ./tui -update (%v)", path, err)
	}
}

func TestKeysPage(t *testing.T) {
	m := newScreen(t, 80, 24, serving()).model
	var b strings.Builder
	b.WriteString("# Keys\n\nMade by a test of package tui from the table that also dispatches the keys and fills `?`.\n")
	var last heading
	for i := range m.table {
		k := &m.table[i]
		if k.Help().Desc == "" {
			continue
		}
		if k.group != last {
			where := ""
			for v, name := range viewNames {
				if k.in == 1<<v {
					where = ", in " + name
				}
			}
			fmt.Fprintf(&b, "\n## %s%s\n\n| key | does |\n|---|---|\n", k.group, where)
			last = k.group
		}
		fmt.Fprintf(&b, "| `%s` | %s |\n", k.Help().Key, k.Help().Desc)
	}
	b.WriteString("\nLetters mean the same in every view, capitals the stronger form. What is hard to take back asks.\n" +
		"A key that does not work now says why. In dialogs `esc` closes; `y` and `n` answer.\n")
	kept(t, "../docs/keys.md", b.String())
}

// TestPicture keeps the picture of Live in the README: a real frame.
func TestPicture(t *testing.T) {
	s := serving()
	s.Info.Fixed = nil
	sc := newScreen(t, 112, 32, s)
	sc.press("right")
	kept(t, "../docs/live.svg", svg(sc.frame()))
}

// svg draws a frame as a picture that every browser shows: runs of one ink per
// line, stretched to the exact width of their cells whatever the font.
func svg(c *canvas) string {
	const cw, ch, base = 8, 17, 13
	fills := [inkCount]string{
		inkText: "#d8dee9", inkDim: "#7b8494", inkBold: "#ffffff", inkAccent: "#5fd7ff", inkPass: "#6cb6ff", inkFail: "#ff7b72",
		inkWarn: "#f2cc60", inkTab: "#5fd7ff", inkData: "#5fd7ff", inkSLA: "#e3b341", inkMark: "#d2a8ff",
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="DejaVu Sans Mono, Menlo, Consolas, monospace" font-size="13">`+"\n",
		c.w*cw+16, c.h*ch+16)
	b.WriteString(`<title>sweetspot: the Live view</title><rect width="100%" height="100%" rx="6" fill="#14171c"/>` + "\n")
	for y := range c.h {
		row := c.cells[y*c.w : (y+1)*c.w]
		for x := 0; x < c.w; {
			from := x
			for x < c.w && row[x].ink == row[from].ink && (row[x].r == ' ') == (row[from].r == ' ') {
				x++
			}
			if row[from].r == ' ' {
				continue
			}
			var text strings.Builder
			for _, cell := range row[from:x] {
				text.WriteRune(cell.r)
			}
			fmt.Fprintf(&b, `<text x="%d" y="%d" textLength="%d" fill="%s">`, 8+from*cw, 8+y*ch+base, (x-from)*cw, fills[row[from].ink])
			_ = xml.EscapeText(&b, []byte(text.String())) // a Builder takes everything
			b.WriteString("</text>\n")
		}
	}
	b.WriteString("</svg>\n")
	return b.String()
}
