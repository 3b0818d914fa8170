package report

import (
	"fmt"

	"sweetspot/profiles/report/draw"
	"sweetspot/sweep/trial"
)

// hold draws the percentile of the promise in the periods of a hold, with intervals and the limit; nil without two periods.
func (s *section) hold(width float64) *draw.Picture {
	var values, times []float64
	for _, p := range s.profile.Hold {
		if v, ok := p.Verdict.ValueMS.Get(); ok {
			values, times = append(values, v, p.Verdict.HighMS.Or(v)), append(times, minutesOf(p))
		}
	}
	if len(times) < 2 {
		return nil
	}
	limit := s.sla.Limit.Seconds() * 1000
	if s.hasSLA {
		values = append(values, limit)
	}
	height := max(220, min(width*.3, 300))
	f := frame{Picture: draw.New(width, height, "Latency in the periods of the hold"), left: 46, right: width - 14, top: 34, bottom: height - 42}
	f.x, f.y = newAxis(times, f.left, f.right, false), newAxis(values, f.bottom, f.top, false)
	f.drawY(5)
	f.drawX(int(width / 75))
	f.Text(draw.Muted, labelSize, draw.Start, draw.Point{X: 2, Y: 14}, s.percentileTitle())
	f.Text(draw.Muted, labelSize, draw.End, draw.Point{X: f.right, Y: height - 6}, "minutes")
	if s.hasSLA {
		y := f.y.at(limit)
		f.Dashed(draw.Limit, 1.5, draw.Point{X: f.left, Y: y}, draw.Point{X: f.right, Y: y})
		f.Text(draw.Limit, labelSize, draw.End, draw.Point{X: f.right, Y: y - 5}, fmt.Sprintf("promise %v", s.sla.Limit))
	}
	s.drawPeriods(f)
	return f.Picture
}

// drawPeriods draws a mark with its interval for each period, and a line that ends where a period has no figure.
func (s *section) drawPeriods(f frame) {
	var line []draw.Point
	end := func() {
		if len(line) > 1 {
			f.Line(draw.Axis, 1.5, line...)
		}
		line = nil
	}
	for _, p := range s.profile.Hold {
		v, ok := p.Verdict.ValueMS.Get()
		if !ok {
			end()
			continue
		}
		x := f.x.at(minutesOf(p))
		f.Line(draw.Muted, 1, draw.Point{X: x, Y: f.y.at(p.Verdict.LowMS.Or(v))}, draw.Point{X: x, Y: f.y.at(p.Verdict.HighMS.Or(v))})
		line = append(line, draw.Point{X: x, Y: f.y.at(v)})
	}
	end()
	for _, p := range s.profile.Hold {
		if v, ok := p.Verdict.ValueMS.Get(); ok {
			markAt(f.Picture, draw.Point{X: f.x.at(minutesOf(p)), Y: f.y.at(v)}, markOf(p), p.Text(len(s.profile.Hold)))
		}
	}
}

// markOf is the answer that the mark of a period shows: a disturbed period shows none.
func markOf(p trial.HoldPeriod) trial.Answer {
	switch {
	case p.Broken:
		return trial.Fail
	case p.Disturbed() || p.Verdict.Likely() != trial.Pass:
		return trial.Undecided
	}
	return trial.Pass
}

// minutesOf is the middle of a period.
func minutesOf(p trial.HoldPeriod) float64 { return (p.FromS + p.Seconds/2) / 60 }

// heldState returns the class and the text of the verdict of a hold; false without one.
func (s *section) heldState() (class, text string, ok bool) {
	h, ok := s.profile.HoldResult()
	if !ok {
		return "", "", false
	}
	switch h.Result {
	case trial.Pass:
		return "pass", "keeps the promise, validated and held", true
	case trial.Fail:
		return "fail", "broke the promise when it was held", true
	}
	return "undecided", "validated; when it was held: cannot tell", true
}
