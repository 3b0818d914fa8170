package chart_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/tui/chart"
)

// requireGrid fails unless the grid is w x h cells of one cell each.
func requireGrid(t *testing.T, g *chart.Grid, w, h int, sym chart.Symbols) {
	t.Helper()
	w, h = max(w, 0), max(h, 0)
	if g.W != w || g.H != h || len(g.Cells) != w*h {
		t.Fatalf("the grid is %dx%d with %d cells, want %dx%d", g.W, g.H, len(g.Cells), w, h)
	}
	text := strings.Join(g.Lines(chart.Colors{}), "")
	if ansi.StringWidth(text) != w*h || sym == chart.ASCII && strings.ContainsFunc(text, func(r rune) bool { return r >= utf8.RuneSelf }) {
		t.Fatalf("not %d cells of the symbols %d: %q", w*h, sym, text)
	}
	if strings.Contains(text, "cannot draw") {
		t.Fatal("drawing panicked")
	}
}

func settings() chart.Scatter {
	return chart.Scatter{SLA: 200, SLALabel: "SLA 200", XUnit: "/s", Points: []chart.Point{
		{X: 471, Y: 57, XLow: 378, XHigh: 560, YLow: 14, YHigh: 57, Verdict: chart.Pass, Best: true, Text: "A"},
		{X: 481, Y: 36, Verdict: chart.Pass, Frontier: true, Selected: true, Text: "B"},
		{X: 302, Y: 67, XLow: 283, XHigh: 328, Verdict: chart.Undecided, Text: "C"},
		{X: 275, Y: 60, Verdict: chart.Pass, Text: "D"},
		{X: 350, Y: 420, YLow: 150, YHigh: 900, Verdict: chart.Fail, Text: "E"},
		{X: 420, Y: 16, Predicted: true},
		{X: 190, Y: 41, Predicted: true},
		{X: 600, Y: 16, Predicted: true},
		{X: 100, Y: math.NaN()},
		{X: math.Inf(1), Y: 3},
		{X: -1, Y: 3},
	}}
}

func workersByBatch() chart.HeatMap {
	return chart.HeatMap{
		RowTitle: "wrk", ColTitle: "batch", Rows: []string{"1", "2", "4"}, Cols: []string{"1", "2", "4", "8", "16"}, Limit: 200,
		Cells: [][]chart.MapCell{
			{{Value: 41, Predicted: true}, {Value: 60, Verdict: chart.Pass}, {Value: 57, Verdict: chart.Pass, Best: true}, {Value: math.NaN()}, {Value: math.NaN()}},
			{{Value: 52, Predicted: true}, {Value: 67, Verdict: chart.Undecided}, {Value: 16, Predicted: true, Selected: true}, {Value: 190, Verdict: chart.Pass}},
			{{Value: 300, Verdict: chart.Fail}},
		},
	}
}

func TestSettingsGolden(t *testing.T) {
	type plot interface {
		Draw(w, h int, sym chart.Symbols) *chart.Grid
	}
	cases := []struct {
		name string
		plot plot
		w, h int
		sym  chart.Symbols
	}{
		{"scatter", settings(), 66, 19, chart.Braille},
		{"scatter small ascii", settings(), 38, 8, chart.ASCII},
		{"scatter empty", chart.Scatter{SLA: 20, SLALabel: "SLA 20", Empty: "no trial yet"}, 40, 7, chart.Braille},
		{"map", workersByBatch(), 50, 5, chart.Braille},
		{"map narrow", workersByBatch(), 30, 3, chart.Braille},
		{"map empty", chart.HeatMap{Empty: "no trial yet"}, 30, 3, chart.Braille},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := c.plot.Draw(c.w, c.h, c.sym)
			requireGrid(t, g, c.w, c.h, c.sym)
			golden.RequireEqual(t, strings.Join(g.Lines(chart.Colors{}), "\n")+"\n")
		})
	}
}

// A point beyond the SLA is drawn above the row of the SLA, and no other point is.
func FuzzScatter(f *testing.F) {
	f.Add(uint64(1), 60, 18)
	f.Add(uint64(2), 0, 0)
	f.Add(uint64(3), 12, 3)
	f.Fuzz(func(t *testing.T, seed uint64, w, h int) {
		rng := rand.New(rand.NewPCG(seed, 4))
		w, h = w%220, h%70
		s := chart.Scatter{SLA: math.Pow(10, rng.Float64()*6-2), SLALabel: "SLA", XUnit: "/s"}
		odd := []float64{0, -1, math.NaN(), math.Inf(1), 1e300, 1e-300}
		value := func(scale float64) float64 {
			if rng.IntN(12) == 0 {
				return odd[rng.IntN(len(odd))]
			}
			return scale * math.Exp(rng.NormFloat64()*2)
		}
		for range 1 + rng.IntN(30) {
			s.Points = append(s.Points, chart.Point{
				X: value(300), Y: value(s.SLA), XLow: value(200), XHigh: value(400), YLow: value(s.SLA / 2), YHigh: value(s.SLA * 2),
				Verdict: chart.Verdict(rng.IntN(4)), Predicted: rng.IntN(4) == 0, Selected: rng.IntN(9) == 0, Text: "#1",
			})
		}
		sym := chart.Symbols(rng.IntN(3))
		requireGrid(t, s.Draw(w, h, sym), w, h, sym)
		s.Points = s.Points[:1]
		p := &s.Points[0]
		p.Text, p.Best, p.Predicted, p.XLow, p.YLow = "", true, false, 0, 0
		checkPoint(t, s, s.Draw(w, h, chart.Braille))
	})
}

// checkPoint checks the row of the only point of a chart against the SLA.
func checkPoint(t *testing.T, s chart.Scatter, g *chart.Grid) {
	t.Helper()
	p := s.Points[0]
	sla, at := -1, -1
	for y := range g.H {
		for _, c := range g.Row(y) {
			switch {
			case c.Rune == '★':
				at = y
			case c.Rune == '┄':
				sla = y
			}
		}
	}
	if at < 0 || sla < 0 {
		return // too small, or not a number
	}
	if over := p.Y > s.SLA; over != (at < sla) {
		t.Fatalf("a point at %g is in row %d, the SLA %g is in row %d", p.Y, at, s.SLA, sla)
	}
}

func FuzzHeatMap(f *testing.F) {
	f.Add(uint64(1), 60, 18)
	f.Add(uint64(2), 0, 0)
	f.Add(uint64(3), 9, 2)
	f.Fuzz(func(t *testing.T, seed uint64, w, h int) {
		rng := rand.New(rand.NewPCG(seed, 5))
		w, h = w%220, h%70
		m := chart.HeatMap{RowTitle: "wrk", ColTitle: "batch", Limit: rng.NormFloat64() * 100, Empty: "nothing"}
		for y := range rng.IntN(12) {
			m.Rows = append(m.Rows, strings.Repeat("9", rng.IntN(20)))
			m.Cells = append(m.Cells, nil)
			for range rng.IntN(12) {
				c := chart.MapCell{Value: math.Exp(rng.NormFloat64() * 9), Verdict: chart.Verdict(rng.IntN(4)), Predicted: rng.IntN(2) == 0, Selected: rng.IntN(20) == 0}
				if rng.IntN(6) == 0 {
					c.Value = math.Log(-c.Value)
				}
				m.Cells[y] = append(m.Cells[y], c)
			}
		}
		for range rng.IntN(12) {
			m.Cols = append(m.Cols, strings.Repeat("1", rng.IntN(6)))
		}
		sym := chart.Symbols(rng.IntN(3))
		requireGrid(t, m.Draw(w, h, sym), w, h, sym)
	})
}
