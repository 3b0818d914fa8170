package report

import (
	"fmt"
	"math"
	"strings"

	"sweetspot/engine/knob"
	"sweetspot/profiles/report/draw"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// barRows is the number of rows in charts with bars.
const barRows = 8

// topRows returns the first rows that have what has says, the choice first.
func (s *section) topRows(has func(trial.Trial) bool) []rank.Row {
	var out []rank.Row
	add := func(i int) {
		if has(s.rows[i].Joined) && len(out) < barRows {
			out = append(out, s.rows[i])
		}
	}
	if s.choice >= 0 {
		add(s.choice)
	}
	for i := range s.rows {
		if i != s.choice {
			add(i)
		}
	}
	return out
}

// label names a row in charts, by the knobs that vary.
func (s *section) label(r rank.Row) string {
	var parts []string
	settings := r.Joined.Settings
	for _, k := range s.varied {
		parts = append(parts, knobText(k, settings))
	}
	if len(s.loads()) > 1 {
		parts = append(parts, r.Joined.Load.String())
	}
	if len(parts) == 0 {
		return settings.String()
	}
	return strings.Join(parts, ", ")
}

// knobText is the value of a knob in a few letters.
func knobText(k knob.Knob, s knob.Settings) string {
	v := s.Display(k.Name)
	switch k.Name {
	case knob.Workers:
		if v == "1" {
			return "1 worker"
		}
		return v + " workers"
	case knob.BatchSize:
		return "batch " + v
	case knob.BatchDelay:
		return "delay " + v + " ms"
	case knob.Threads:
		if v == "1" {
			return "1 thread"
		}
		return v + " threads"
	case knob.QueueSize:
		return "queue " + v
	case knob.Device, knob.FP16:
		return v
	}
	return string(k.Name) + " " + v
}

// part is one part of the time of a request.
type part struct {
	name string
	role draw.Role
	of   func(trial.Breakdown) trial.Num
}

var parts = []part{
	{"decode", draw.Part1, func(b trial.Breakdown) trial.Num { return b.Decode }},
	{"queue", draw.Part2, func(b trial.Breakdown) trial.Num { return b.Queue }},
	{"formation", draw.Part3, func(b trial.Breakdown) trial.Num { return b.Formation }},
	{"execution", draw.Part4, func(b trial.Breakdown) trial.Num { return b.Execution }},
	{"encode", draw.Part5, func(b trial.Breakdown) trial.Num { return b.Encode }},
}

// times draws the mean time of a request in each part of the server, for the first rows. nil if the
// target does not report it.
func (s *section) times(width float64) *draw.Picture {
	rows := s.topRows(func(t trial.Trial) bool { return t.Breakdown.Execution.OK() })
	if len(rows) == 0 {
		return nil
	}
	const rowHeight = 44.0
	head := 12 + legend(nil, 8, 14, width)
	height := head + rowHeight*float64(len(rows)) + 26
	f := frame{Picture: draw.New(width, height, "Mean time of a request by part, for the first settings"), left: 8, right: width - 64, top: head, bottom: height - 26}
	var totals []float64
	for _, r := range rows {
		totals = append(totals, totalTime(r.Joined.Breakdown))
	}
	f.x = newAxis(totals, f.left, f.right, false)
	legend(f.Picture, f.left, 14, width)
	f.drawX(int(width / 90))
	f.Text(draw.Muted, labelSize, draw.End, draw.Point{X: width - 4, Y: f.bottom + 17}, "ms")
	for i, r := range rows {
		y := f.top + rowHeight*float64(i)
		s.drawTimes(f, r, y)
	}
	return f.Picture
}

func totalTime(b trial.Breakdown) float64 {
	total := 0.0
	for _, p := range parts {
		total += p.of(b).Or(0)
	}
	return total
}

// drawTimes draws the bar of one row with its label above.
func (s *section) drawTimes(f frame, r rank.Row, y float64) {
	f.Text(draw.Text, labelSize, draw.Start, draw.Point{X: f.left, Y: y + 16}, fit(s.label(r), f.Width-16))
	x, total := 0.0, totalTime(r.Joined.Breakdown)
	for _, p := range parts {
		v := p.of(r.Joined.Breakdown).Or(0)
		from, to := f.x.at(x), f.x.at(x+v)
		if to-from > .2 {
			f.Rect(p.role, from, y+21, to-from, 15, fmt.Sprintf("%s %s ms", p.name, figure(trial.NumOf(v))))
		}
		x += v
	}
	f.Text(draw.Muted, labelSize, draw.Start, draw.Point{X: f.x.at(total) + 6, Y: y + 33}, figure(trial.NumOf(total)))
}

// legend names the colours of the parts, in lines that fit the width, and returns the lower end of
// its last line. Without a picture it only measures.
func legend(p *draw.Picture, left, y, width float64) float64 {
	x := left
	for _, part := range parts {
		w := 14 + draw.Width(part.name, labelSize)*1.08 + 12
		if x+w > width {
			x, y = left, y+18
		}
		if p != nil {
			p.Rect(part.role, x, y-9, 10, 10, "")
			p.Text(draw.Text, labelSize, draw.Start, draw.Point{X: x + 14, Y: y}, part.name)
		}
		x += w
	}
	return y + 4
}

// fit shortens a text to a width.
func fit(s string, width float64) string {
	if draw.Width(s, labelSize) <= width {
		return s
	}
	runes := []rune(s)
	for len(runes) > 1 && draw.Width(string(runes)+"...", labelSize) > width {
		runes = runes[:len(runes)-1]
	}
	return string(runes) + "..."
}

// use is one figure of the use of the machine.
type use struct {
	name, unit string
	of         func(s *section, r rank.Row) trial.Num
	full       float64 // the value of a full bar; 0 is the largest of the rows
}

var uses = []use{
	{"processor", "% of the machine", (*section).cpuShare, 100},
	{"memory", "MB", func(_ *section, r rank.Row) trial.Num { return r.Joined.Use.RSSMB }, 0},
	{"GPU", "%", func(_ *section, r rank.Row) trial.Num { return r.Joined.Use.GPU.PercentMean }, 100},
	{"GPU memory", "MB", func(_ *section, r rank.Row) trial.Num { return r.Joined.Use.GPU.MemoryMB }, 0},
	{"GPU power", "W", func(_ *section, r rank.Row) trial.Num { return r.Joined.Use.GPU.PowerW }, 0},
	{"GPU energy", "requests/J", func(_ *section, r rank.Row) trial.Num { return rank.PerJoule(r.Joined) }, 0},
}

// utilization draws the use of the machine by the first rows, as one column of bars for each figure
// that was measured. nil if none was; why then says the reason.
func (s *section) utilization(width float64) (pic *draw.Picture, why string) {
	rows := s.topRows(func(t trial.Trial) bool { return t.Throughput.Value.OK() })
	var measured []use
	for _, u := range uses {
		for _, r := range rows {
			if u.of(s, r).OK() {
				measured = append(measured, u)
				break
			}
		}
	}
	why = s.missingUse(rows)
	if len(measured) == 0 {
		return nil, why
	}
	columns := min(len(measured), max(1, int(width/190)))
	lines := (len(measured) + columns - 1) / columns
	const rowHeight, head = 40.0, 30.0
	blockHeight := head + rowHeight*float64(len(rows)) + 8
	pic = draw.New(width, blockHeight*float64(lines), "Use of the machine by the first settings")
	column := width / float64(columns)
	for i, u := range measured {
		s.drawUse(pic, u, rows, float64(i%columns)*column, float64(i/columns)*blockHeight, column-18)
	}
	return pic, why
}

func (s *section) drawUse(p *draw.Picture, u use, rows []rank.Row, x, y, width float64) {
	p.Bold(draw.Text, 13, draw.Start, draw.Point{X: x + 4, Y: y + 16}, u.name+", "+u.unit)
	full := u.full
	for _, r := range rows {
		full = max(full, u.of(s, r).Or(0))
	}
	for i, r := range rows {
		top := y + 30 + 40*float64(i)
		v, ok := u.of(s, r).Get()
		p.Text(draw.Muted, labelSize, draw.Start, draw.Point{X: x + 4, Y: top + 11}, fit(s.label(r), width-8))
		p.Rect(draw.Grid, x+4, top+16, width-62, 10, "")
		if ok && full > 0 {
			p.Rect(draw.Accent, x+4, top+16, math.Max(1, (width-62)*v/full), 10, "")
		}
		p.Text(draw.Text, labelSize, draw.Start, draw.Point{X: x + width - 52, Y: top + 25}, figure(u.of(s, r)))
	}
}

// missingUse says why figures of the GPU are missing; "" if they are not.
func (s *section) missingUse(rows []rank.Row) string {
	for _, r := range rows {
		if g := r.Joined.Use.GPU; !g.PercentMean.OK() && g.Reason != "" {
			return "GPU n/a: " + g.Reason
		}
	}
	if m := s.profile.Header.Machine; m.Remote != "" {
		return "n/a: the server is on another machine"
	}
	return ""
}
