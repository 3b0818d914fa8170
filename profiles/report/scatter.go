package report

import (
	"cmp"
	"fmt"
	"slices"

	"sweetspot/profiles/report/draw"
	"sweetspot/sweep/rank"
	"sweetspot/sweep/trial"
)

// scatter draws the throughput of each row against its percentile, with the limit of the promise,
// the frontier, and the choice. nil if no row has both figures.
func (s *section) scatter(width float64) *draw.Picture {
	height := max(260, min(width*.5, 400))
	var xs, ys []float64
	rows := s.measuredRows()
	for _, r := range rows {
		xs, ys = append(xs, xOf(r)), append(ys, yOf(r))
	}
	if len(rows) == 0 {
		return nil
	}
	limit := s.sla.Limit.Seconds() * 1000
	if s.hasSLA {
		xs = append(xs, limit)
	}
	f := frame{Picture: draw.New(width, height, "Throughput of each setting against its latency"), left: 46, right: width - 14, top: 34, bottom: height - 42}
	f.x = newAxis(xs, f.left, f.right, true)
	f.y = newAxis(ys, f.bottom, f.top, false)
	f.drawY(5)
	f.drawX(int(width / 75))
	f.Text(draw.Muted, labelSize, draw.Start, draw.Point{X: 2, Y: 14}, "requests/s")
	f.Text(draw.Muted, labelSize, draw.End, draw.Point{X: f.right, Y: height - 6}, s.percentileTitle()+logText(f.x))
	if s.hasSLA {
		s.drawLimit(f, limit)
	}
	drawFrontier(f, rows)
	for i := len(rows) - 1; i >= 0; i-- { // the best ones are above the others
		drawMark(f, rows[i])
	}
	if s.choice >= 0 {
		drawChoice(f, s.rows[s.choice])
	}
	return f.Picture
}

func logText(a axis) string {
	if a.log {
		return ", logarithmic"
	}
	return ""
}

// measuredRows returns the rows with a throughput and a percentile.
func (s *section) measuredRows() []rank.Row {
	var out []rank.Row
	for _, r := range s.rows {
		if xOf(r) > 0 && yOf(r) > 0 {
			out = append(out, r)
		}
	}
	return out
}

func xOf(r rank.Row) float64 { return r.Verdict().ValueMS.Or(r.Joined.Latency.P99.Value.Or(0)) }
func yOf(r rank.Row) float64 { return r.Joined.Throughput.Value.Or(0) }

// drawLimit draws the limit of the promise, and the side that keeps it.
func (s *section) drawLimit(f frame, limit float64) {
	x := f.x.at(limit)
	f.Area(draw.Pass, draw.Point{X: f.left, Y: f.top}, draw.Point{X: x, Y: f.top}, draw.Point{X: x, Y: f.bottom}, draw.Point{X: f.left, Y: f.bottom})
	f.Dashed(draw.Limit, 1.5, draw.Point{X: x, Y: f.top - 6}, draw.Point{X: x, Y: f.bottom})
	text := fmt.Sprintf("promise %v", s.sla.Limit)
	align := draw.Middle
	switch w := draw.Width(text, labelSize); {
	case x+w/2 > f.right:
		align = draw.End
	case x-w/2 < f.left:
		align = draw.Start
	}
	f.Text(draw.Limit, labelSize, align, draw.Point{X: x, Y: f.top - 11}, text)
}

// frontier returns the rows of which no other one has a higher throughput at a lower percentile, by
// percentile.
func frontier(rows []rank.Row) []rank.Row {
	sorted := slices.Clone(rows)
	slices.SortStableFunc(sorted, func(a, b rank.Row) int { return cmp.Or(cmp.Compare(xOf(a), xOf(b)), cmp.Compare(yOf(b), yOf(a))) })
	var out []rank.Row
	for _, r := range sorted {
		if len(out) == 0 || yOf(r) > yOf(out[len(out)-1]) {
			out = append(out, r)
		}
	}
	return out
}

func drawFrontier(f frame, rows []rank.Row) {
	var line []draw.Point
	for _, r := range frontier(rows) {
		p := draw.Point{X: f.x.at(xOf(r)), Y: f.y.at(yOf(r))}
		if len(line) > 0 { // a step: between two rows only the lower one is known to be reached
			line = append(line, draw.Point{X: p.X, Y: line[len(line)-1].Y})
		}
		line = append(line, p)
	}
	if len(line) > 1 {
		f.Line(draw.Axis, 1.5, line...)
	}
}

// drawMark draws a row with a mark for its verdict: a disc for a pass, a ring for an undecided one,
// a cross for a failure.
func drawMark(f frame, r rank.Row) {
	at := draw.Point{X: f.x.at(xOf(r)), Y: f.y.at(yOf(r))}
	markAt(f.Picture, at, r.Verdict().Result, tip(r))
}

func markAt(p *draw.Picture, at draw.Point, v trial.Answer, tip string) {
	switch v {
	case trial.Pass:
		p.Disc(draw.Pass, at, 4.5, tip)
	case trial.Fail:
		p.Cross(draw.Fail, at, 3.2, 1.6, tip)
	default:
		p.Ring(draw.Undecided, at, 4, 1.6, tip)
	}
}

// tip is the text of a row where a pointer rests on its mark.
func tip(r rank.Row) string {
	t := r.Joined
	return fmt.Sprintf("%v, %v: %s requests/s, %s ms, %s", t.Settings, t.Load, figure(t.Throughput.Value), figure(r.Verdict().ValueMS), r.Verdict().Label())
}

// drawChoice marks the choice and writes its figures beside it.
func drawChoice(f frame, r rank.Row) {
	at := draw.Point{X: f.x.at(xOf(r)), Y: f.y.at(yOf(r))}
	f.Halo(draw.Accent, at, 9, 2.2)
	text := fmt.Sprintf("choice: %s/s at %s ms", figure(r.Joined.Throughput.Value), figure(r.Verdict().ValueMS))
	w := draw.Width(text, 13) * 1.1
	align, x := draw.Start, at.X+14
	if x+w > f.right {
		align, x = draw.End, at.X-14
	}
	if align == draw.End && x-w < f.left {
		align, x = draw.Middle, (f.left+f.right)/2
	}
	y := at.Y + 4
	if align == draw.Middle {
		y = at.Y + 24
	}
	y = max(y, f.top+12)
	left := x - w*[]float64{draw.Start: 0, draw.Middle: .5, draw.End: 1}[align]
	f.Rect(draw.Paper, left-3, y-13, w+6, 18, "") // marks behind the text would make it illegible
	f.Bold(draw.Accent, 13, align, draw.Point{X: x, Y: y}, text)
}
