package report

import (
	"cmp"
	"slices"
	"strconv"

	"sweetspot/engine/knob"
	"sweetspot/profiles/report/draw"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// knobCurve has the rows that differ from the best one only in one knob, by its value.
type knobCurve struct {
	knob   knob.Knob
	values []string
	rows   []rank.Row
}

// knobCurves returns a curve for each knob with at least two values around the best row.
func (s *section) knobCurves() []knobCurve {
	best, ok := s.best()
	if !ok {
		return nil
	}
	var out []knobCurve
	for _, k := range s.varied {
		c := knobCurve{knob: k}
		for _, r := range s.rows {
			if s.differsOnlyIn(k.Name, r.Joined, best.Joined) && xOf(r) > 0 && yOf(r) > 0 {
				c.rows = append(c.rows, r)
			}
		}
		slices.SortStableFunc(c.rows, func(a, b rank.Row) int {
			return compareValues(a.Joined.Settings.Display(k.Name), b.Joined.Settings.Display(k.Name))
		})
		c.rows = slices.CompactFunc(c.rows, func(a, b rank.Row) bool {
			return a.Joined.Settings.Display(k.Name) == b.Joined.Settings.Display(k.Name)
		})
		for _, r := range c.rows {
			c.values = append(c.values, r.Joined.Settings.Display(k.Name))
		}
		if len(c.values) > 1 {
			out = append(out, c)
		}
	}
	return out
}

// compareValues compares two values of a knob, as numbers if they are.
func compareValues(a, b string) int {
	x, err1 := strconv.ParseFloat(a, 64)
	y, err2 := strconv.ParseFloat(b, 64)
	if err1 == nil && err2 == nil {
		return cmp.Compare(x, y)
	}
	return cmp.Compare(a, b)
}

// differsOnlyIn reports whether two trials have the same load and the same settings except one
// knob. A matched concurrency follows from the settings, so it may differ.
func (s *section) differsOnlyIn(n knob.Name, a, b trial.Trial) bool {
	if a.Load.Matched && b.Load.Matched {
		a.Load.Concurrency = b.Load.Concurrency
	}
	if a.Load != b.Load {
		return false
	}
	for _, k := range s.varied {
		if k.Name != n && a.Settings.Display(k.Name) != b.Settings.Display(k.Name) {
			return false
		}
	}
	return true
}

// draw draws the throughput and, below it, the percentile by the values of the knob.
func (c knobCurve) draw(s *section, width float64) *draw.Picture {
	const height = 300.0
	p := draw.New(width, height, "Throughput and latency by "+knobTitle(c.knob))
	p.Bold(draw.Text, 13, draw.Start, draw.Point{X: 4, Y: 16}, knobTitle(c.knob))
	top := frame{Picture: p, left: 46, right: width - 12, top: 42, bottom: 138}
	low := frame{Picture: p, left: 46, right: width - 12, top: 178, bottom: 272}
	c.drawPanel(top, "requests/s", yOf, 0)
	limit := 0.0
	if s.hasSLA {
		limit = s.sla.Limit.Seconds() * 1000
	}
	c.drawPanel(low, s.percentileTitle(), xOf, limit)
	for i, v := range c.values {
		p.Text(draw.Muted, labelSize, draw.Middle, draw.Point{X: c.x(low, i), Y: height - 10}, v)
	}
	return p
}

// x returns the place of a value: the values are at equal distances.
func (c knobCurve) x(f frame, i int) float64 {
	return f.left + (f.right-f.left)*(float64(i)+.5)/float64(len(c.values))
}

func (c knobCurve) drawPanel(f frame, title string, of func(rank.Row) float64, limit float64) {
	values := []float64{limit}
	for _, r := range c.rows {
		values = append(values, of(r))
	}
	f.y = newAxis(values, f.bottom, f.top, true)
	f.drawY(4)
	f.Line(draw.Axis, 1, draw.Point{X: f.left, Y: f.bottom}, draw.Point{X: f.right, Y: f.bottom})
	f.Text(draw.Muted, labelSize, draw.Start, draw.Point{X: 4, Y: f.top - 9}, title+logText(f.y))
	if limit > 0 {
		f.Dashed(draw.Limit, 1.5, draw.Point{X: f.left, Y: f.y.at(limit)}, draw.Point{X: f.right, Y: f.y.at(limit)})
	}
	var line []draw.Point
	for i, r := range c.rows {
		line = append(line, draw.Point{X: c.x(f, i), Y: f.y.at(of(r))})
	}
	f.Line(draw.Accent, 2, line...)
	for i, r := range c.rows {
		markAt(f.Picture, line[i], r.Verdict().Result, tip(r))
	}
}
