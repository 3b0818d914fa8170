package chart_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"sweetspot/tui/chart"
)

// randomChart is a chart of random kind, size and data.
func randomChart(rng *rand.Rand) chart.Spec {
	s := chart.Spec{
		Join: chart.Join(rng.IntN(2)), Foot: chart.Foot(rng.IntN(3)), Fill: rng.IntN(4) == 0, Cells: rng.IntN(4) == 0,
		SLALabel: "SLA", Right: "now", Empty: "nothing yet", Every: time.Second, Span: rng.IntN(3) * rng.IntN(700),
		SLA: math.Pow(10, rng.Float64()*6-2),
	}
	spread := []float64{.1, 1, 3}[rng.IntN(3)]
	center := math.Exp(rng.NormFloat64() * spread)
	for range rng.IntN(600) {
		v := s.SLA * center * math.Exp(rng.NormFloat64()*spread)
		switch rng.IntN(30) {
		case 0, 1, 2:
			v = math.NaN()
		case 3:
			v = s.SLA
		case 4:
			v = math.Nextafter(s.SLA, math.Inf(1))
		case 5:
			v = []float64{0, -1, math.Inf(1), math.Inf(-1), 1e12}[rng.IntN(5)]
		}
		s.Values = append(s.Values, v)
	}
	s.Seq = len(s.Values) + rng.IntN(50)
	if rng.IntN(3) == 0 {
		s.Top = s.SLA * rng.Float64() * 10
	}
	if rng.IntN(8) == 0 {
		s.SLA = 0
	}
	for range rng.IntN(4) {
		s.Marks = append(s.Marks, chart.Mark{At: rng.IntN(600), Text: "A1"})
	}
	return s
}

func checkRandomChart(t *testing.T, seed uint64, w, h int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 9))
	s, sym := randomChart(rng), chart.Symbols(rng.IntN(3))
	m, ok := readChart(t, s, w, h, sym)
	if !ok {
		return
	}
	for y := range m.rows {
		var line strings.Builder
		for _, c := range m.row(y) {
			line.WriteString(string(c.Rune))
		}
		m.hasWords = m.hasWords || strings.Contains(line.String(), "clip") || strings.Contains(line.String(), "nothing") || strings.ContainsAny(line.String(), "▲^")
	}
	m.check()
}

// For random series, sizes, axes and symbols, the row and the color of every cell
// agree with the values and the SLA.
func TestChartsTellTheTruth(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 10))
	for seed := range uint64(3000) {
		checkRandomChart(t, seed, rng.IntN(140), rng.IntN(40))
	}
}

// No size from 0x0 up makes any chart panic.
func TestEverySize(t *testing.T) {
	latencies := strip(20)
	for w := range 34 {
		for h := range 14 {
			checkRandomChart(t, uint64(w*100+h), w, h)
			for _, sym := range []chart.Symbols{chart.Braille, chart.Blocks, chart.ASCII} {
				requireGrid(t, chart.Spark{Values: demo(), SLA: 50}.Draw(w, h, sym), w, h, sym)
				requireGrid(t, chart.TimeAxis{Values: w * h, Every: time.Second, Right: "now", Marks: []chart.Mark{{At: w, Text: "A1"}}}.Draw(w, h, sym), w, h, sym)
				requireGrid(t, settings().Draw(w, h, sym), w, h, sym)
				requireGrid(t, workersByBatch().Draw(w, h, sym), w, h, sym)
				requireGrid(t, latencies.Draw(w, h, sym), w, h, sym)
			}
		}
	}
}

func FuzzTruth(f *testing.F) {
	f.Add(uint64(1), 80, 12)
	f.Add(uint64(2), 0, 0)
	f.Add(uint64(3), 16, 3)
	f.Fuzz(func(t *testing.T, seed uint64, w, h int) {
		checkRandomChart(t, seed, max(w%220, 0), max(h%70, 0))
	})
}
