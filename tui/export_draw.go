package tui

import (
	"fmt"
	"strings"
)

const (
	exportWidth = 100
	exportRows  = 8 // of the dialog besides the preview and the notes
)

func (d *exportDialog) rect(m *model) rect {
	return centred(m.w, m.h-1, exportWidth, min(exportRows+len(d.lines())+len(d.noteLines(m)), m.h-1))
}

// previewRows is the number of rows for the preview.
func (d *exportDialog) previewRows(m *model) int {
	return max(d.rect(m).h-exportRows-len(d.noteLines(m)), 1)
}

// lines are the lines of the preview: the differences to the existing file, or the new file.
func (d *exportDialog) lines() []string {
	text := d.preview.Text
	if d.showsDiff() {
		text = d.preview.Diff
	}
	return strings.Split(strings.TrimRight(text, "\n"), "\n")
}

func (d *exportDialog) showsDiff() bool { return d.preview.Diff != "" && !d.showText }

// noteLines are the notes on values without a key in the format, at most a few.
func (d *exportDialog) noteLines(m *model) []string {
	const most = 4
	limit := min(most, max(m.h/6, 1))
	var out []string
	whole := 0 // lines of the notes that fit whole above the last line
	for _, n := range d.preview.Notes {
		for i, l := range wrap(n, min(exportWidth, m.w)-8) {
			mark := "! "
			if i > 0 {
				mark = "  "
			}
			out = append(out, mark+l)
		}
		if len(out) < limit {
			whole = len(out)
		}
	}
	if len(out) > limit { // no note is cut
		out = append(out[:whole], fmt.Sprintf("! %s in all, which the file has too", plural(len(d.preview.Notes), "note")))
	}
	return out
}

// lineCount is the number of lines of a file.
func lineCount(text string) int {
	n := strings.Count(text, "\n")
	if text != "" && !strings.HasSuffix(text, "\n") {
		n++
	}
	return n
}

func (d *exportDialog) draw(m *model, p pane) {
	lines, rows := d.lines(), d.previewRows(m)
	from := d.firstVisible(len(lines), rows)
	hint := "↑↓ scroll"
	if len(lines) > rows {
		hint = fmt.Sprintf("%d-%d of %d · ↑↓ scroll", from+1, min(from+rows, len(lines)), len(lines))
	}
	in := p.at(d.rect(m)).box("Export", dim(hint))
	in = in.sub(2, 0, in.w-4, in.h)
	d.drawFields(in)
	in.line(0, 3, d.previewTitle())
	for y, l := range lines[from:min(from+rows, len(lines))] {
		in.text(0, 4+y, l, d.lineStyle(l))
	}
	y := 4 + min(rows, len(lines))
	for i, n := range d.noteLines(m) {
		in.text(0, y+i, n, styleWarn)
	}
	d.drawAnswer(in.sub(0, in.h-1, in.w, 1))
}

func (d *exportDialog) drawFields(p pane) {
	format := d.preview.Format
	source := d.sources[d.source].name
	if n := len(d.sources); n > 1 {
		source = fmt.Sprintf("%s  (%d of %d)", source, d.source+1, n)
	}
	if n := len(d.preview.Formats); n > 1 && format != "" {
		format = fmt.Sprintf("%s  (%d of %d)", format, d.format+1, n)
	}
	state := ""
	switch {
	case d.preview.Path == "":
	case !d.preview.Exists:
		state = "  new file"
	case d.preview.Diff == "":
		state = "  exists, with the same content"
	default:
		state = "  exists, " + plural(lineCount(d.preview.Existing), "line")
	}
	for i, f := range []struct{ label, text, after string }{
		{"source", source, ""},
		{"format", format, ""},
		{"path", d.path, state},
	} {
		style := styleText
		if exportField(i) == d.field {
			p.text(7, i, "▸", styleAccent)
			style = styleBold
		}
		p.text(0, i, f.label, styleDim)
		text := f.text
		for exportField(i) == pathField && width(text) > max(p.w-9-width(f.after)-1, 8) {
			text = string([]rune(text)[1:]) // its end says more
		}
		x := p.text(9, i, text, style)
		if exportField(i) == pathField && d.field == pathField {
			x = p.line(x, i, span{" ", styleTab})
		}
		p.text(x, i, f.after, styleDim)
	}
}

// previewTitle is the line above the preview.
func (d *exportDialog) previewTitle() span {
	switch {
	case d.problem != "":
		return span{"✗ " + d.problem, styleFail}
	case d.loading && d.preview.Text == "":
		return dim("making the preview …")
	case d.showsDiff():
		return span{"changes to the existing file; d shows the whole file", styleAccent}
	case d.preview.Diff != "":
		return span{"the whole new file; d shows the changes", styleAccent}
	case d.preview.Source != "":
		return span{"from " + d.preview.Source, styleAccent}
	}
	return span{}
}

func (d *exportDialog) lineStyle(l string) styleID {
	if !d.showsDiff() {
		if strings.HasPrefix(l, "#") {
			return styleDim
		}
		return styleText
	}
	switch {
	case strings.HasPrefix(l, "+"):
		return stylePass
	case strings.HasPrefix(l, "-"):
		return styleFail
	case strings.HasPrefix(l, "@"):
		return styleDim
	}
	return styleText
}

func (d *exportDialog) drawAnswer(p pane) {
	if d.question != "" {
		x := p.line(0, 0, span{d.question + "  ", styleFail})
		p.line(x, 0, bold("y"), plain(" yes   "), span{"n", styleAccent}, plain(" no"))
		return
	}
	if d.confirmed || d.writing {
		text, esc := "writes it when the preview is made  ", " cancels"
		if d.writing {
			text, esc = "writing …  ", " closes"
		}
		p.line(0, 0, dim(text), bold("esc"), dim(esc))
		return
	}
	p.line(0, 0, span{"enter", styleAccent}, dim(" writes  "), bold("tab"), dim(" field  "), bold("←→"), dim(" change  "), bold("esc"), dim(" cancels"))
}
