package tui

import (
	"fmt"
	"slices"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/sweep/plan"
)

const (
	startWidth  = 76
	groupColumn = 10
	labelColumn = 14
	valueColumn = 12
)

func (d *startDialog) draw(m *model, p pane) {
	notes := d.notes(m)
	width := min(startWidth, m.w)
	lines := wholeTexts(notes, width-6, max(m.h-len(d.fields)-4, 3))
	r := centred(m.w, m.h, startWidth, len(d.fields)+len(lines)+4)
	in := p.at(r).box("Start a sweep", dim("what to find, and what it may cost"))
	in = in.sub(2, 0, in.w-4, in.h)
	rows := max(in.h-len(lines)-2, 1)
	from := min(max(d.index-rows+1, 0), max(len(d.fields)-rows, 0))
	for y, f := range d.fields[from:min(from+rows, len(d.fields))] {
		d.drawField(in.sub(0, y, in.w, 1), f, from+y == d.index)
	}
	y := min(rows, len(d.fields)) + 1
	for i, l := range lines {
		in.line(0, y+i, l)
	}
	in.line(0, in.h-1, span{"enter", styleAccent}, dim(" starts  "), bold("↑↓"), dim(" field  "), bold("←→"), dim(" change, or type  "), bold("esc"), dim(" cancels"))
}

func (d *startDialog) drawField(p pane, f startField, selected bool) {
	p.text(0, 0, f.group, styleDim)
	style := styleText
	switch {
	case selected:
		p.text(groupColumn-1, 0, "▸", styleAccent)
		style = styleBold
	case f.fixed != "":
		style = styleDim
	}
	p.text(groupColumn, 0, f.label, style)
	value := f.text
	if f.name == knob.FP16 {
		value = strings.NewReplacer(knob.FullPrecision.String(), "off", knob.HalfPrecision.String(), "on").Replace(value)
	}
	x := p.text(groupColumn+labelColumn, 0, value, style)
	if selected && d.typed {
		x = p.line(x, 0, span{" ", styleTab})
	}
	hint := f.unit
	switch {
	case f.fixed != "":
		hint = f.fixed
	case f.name != "":
		hint = valuesTried(d.points, f.name, f.text)
	}
	p.text(max(x+2, groupColumn+labelColumn+valueColumn), 0, hint, styleDim)
}

// valuesTried are the values of a knob in the points, if they are not the text itself.
func valuesTried(points []plan.Point, n knob.Name, text string) string {
	var all []string
	for _, p := range points {
		if v := knobValue(p.Settings, n); !slices.Contains(all, v) {
			all = append(all, v)
		}
	}
	if len(all) == 1 && all[0] == text {
		return "keeps this value"
	}
	return strings.Join(all, " ")
}

// notes are the lines below the fields.
func (d *startDialog) notes(m *model) []span {
	if d.problem != "" {
		return []span{{"✗ " + d.problem, styleFail}}
	}
	strategy := d.plan.Strategy
	if strategy == "" {
		strategy = "auto"
	}
	text := plural(len(d.points), "setting")
	if d.skipped > 0 {
		text += fmt.Sprintf(", %d skipped", d.skipped)
	}
	text += "; strategy " + strategy
	if strategy == "auto" {
		text += " predicts all of them and measures the most promising"
	}
	return []span{plain(text + "."), warning(d.takeover(m.snap))}
}
