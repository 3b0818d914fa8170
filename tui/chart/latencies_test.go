package chart_test

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/tui/chart"
)

// binsOf are values as bins whose edges are steps of 9% from the limit.
func binsOf(limit float64, values ...float64) []chart.Bin {
	var out []chart.Bin
	for _, v := range values {
		i := math.Ceil(8 * math.Log2(v/limit))
		if v <= limit {
			i = min(i, 0)
		} else {
			i = max(i, 1)
		}
		out = append(out, chart.Bin{Low: limit * math.Exp2((i-1)/8), High: limit * math.Exp2(i/8), N: 1})
	}
	return out
}

// requests are the latencies of one second, of which about 1% are beyond the limit.
func requests(rng *rand.Rand, limit float64, n int) []chart.Bin {
	values := make([]float64, n)
	for i := range values {
		values[i] = limit * math.Exp(rng.NormFloat64()/2-1.2)
	}
	return binsOf(limit, values...)
}

func strip(seconds int) chart.Strip {
	rng := rand.New(rand.NewPCG(1, 9))
	s := chart.Strip{
		SLA: 20, SLALabel: "SLA 20", Every: time.Second, Right: "now", Foot: chart.MarkFoot, Empty: "no answer yet",
		Marks: []chart.Mark{{At: seconds / 2, Text: "A1"}, {At: seconds - 9, Text: "held", Sign: '▪'}},
	}
	for i := range seconds {
		var bins []chart.Bin
		if i < seconds-9 || i > seconds-5 {
			bins = requests(rng, 20*math.Exp2(float64(2*(1-2*i/seconds))), 300)
		}
		s.Seconds = append(s.Seconds, bins)
	}
	return s
}

func TestLatenciesGolden(t *testing.T) {
	batches := chart.Batches{MaxSize: 8, Workers: [][]chart.Batch{
		{{8, chart.FullBatch}, {8, chart.FullBatch}, {3, chart.DelayEnded}, {1, chart.IdleWorker}, {0, chart.IdleWorker}},
		{{5, chart.DelayEnded}, {8, chart.FullBatch}, {6, chart.DelayEnded}},
	}}
	type plot interface {
		Draw(w, h int, sym chart.Symbols) *chart.Grid
	}
	histogram := chart.Histogram{SLA: 20, SLALabel: "SLA 20", Empty: "no answer yet", Bins: requests(rand.New(rand.NewPCG(2, 9)), 20, 4000)}
	cases := []struct {
		name string
		plot plot
		w, h int
		sym  chart.Symbols
	}{
		{"histogram", histogram, 60, 14, chart.Braille},
		{"histogram ascii", histogram, 40, 7, chart.ASCII},
		{"histogram empty", chart.Histogram{SLA: 20, SLALabel: "SLA 20", Empty: "no answer yet"}, 40, 5, chart.Braille},
		{"strip", strip(60), 66, 13, chart.Blocks},
		{"strip ascii", strip(60), 40, 8, chart.ASCII},
		{"strip empty", chart.Strip{SLA: 20, Foot: chart.MarkFoot, Empty: "no answer yet"}, 40, 6, chart.Braille},
		{"batches", batches, 24, 8, chart.Braille},
		{"batches of many workers", chart.Batches{Workers: append(batches.Workers, batches.Workers...)}, 24, 5, chart.ASCII},
		{"batches empty", chart.Batches{Empty: "no batch yet"}, 24, 3, chart.Braille},
		{"blocks", chart.Spec{Values: demo(), SLA: 50, SLALabel: "SLA 50", Foot: chart.MarkFoot, Every: time.Second, Right: "now"}, 80, 9, chart.Blocks},
		{"before", chart.Spec{Values: demo(), Before: demo()[20:], SLA: 50, Foot: chart.TimeFoot, Every: 5 * time.Second, Right: "now"}, 60, 9, chart.Braille},
		{"logarithmic", chart.Spec{Values: spike(150, 40), SLA: 20, SLALabel: "SLA 20", Foot: chart.MarkFoot, Every: time.Second, Right: "now"}, 80, 9, chart.Braille},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			g := c.plot.Draw(c.w, c.h, c.sym)
			requireGrid(t, g, c.w, c.h, c.sym)
			golden.RequireEqual(t, strings.Join(g.Lines(chart.Colors{}), "\n")+"\n")
		})
	}
}

// For random latencies, cells beyond the SLA have the failing color and lie above its
// row; there are such cells exactly if a latency is beyond it.
func FuzzLatencies(f *testing.F) {
	f.Add(uint64(1), 60, 14)
	f.Add(uint64(2), 0, 0)
	f.Add(uint64(3), 17, 3)
	f.Fuzz(func(t *testing.T, seed uint64, w, h int) {
		rng := rand.New(rand.NewPCG(seed, 6))
		w, h = max(w%200, 0), max(h%60, 0)
		sla := math.Exp(rng.NormFloat64() * 4)
		s := chart.Strip{SLA: sla, Span: rng.IntN(2) * rng.IntN(200), Foot: chart.Foot(rng.IntN(4)), Every: time.Second, Right: "now", Empty: "nothing"}
		for range rng.IntN(120) {
			s.Seconds = append(s.Seconds, requests(rng, sla*math.Exp(rng.NormFloat64()), rng.IntN(9)))
		}
		for i, bins := range s.Seconds { // bins of the same values, with the SLA as an edge
			values := make([]float64, len(bins))
			for k, b := range bins {
				values[k] = b.High
			}
			s.Seconds[i] = binsOf(sla, values...)
		}
		if rng.IntN(9) == 0 && len(s.Seconds) > 0 {
			s.Seconds[0] = append(s.Seconds[0], chart.Bin{Low: math.NaN(), High: math.Inf(1), N: 3}, chart.Bin{N: -5}, chart.Bin{Low: -1, High: 0, N: 2})
		}
		sym := chart.Symbols(rng.IntN(3))
		g := s.Draw(w, h, sym)
		requireGrid(t, g, w, h, sym)
		checkRows(t, g)
		hist := chart.Histogram{SLA: sla, SLALabel: "SLA", Empty: "nothing"}
		for _, bins := range s.Seconds {
			hist.Bins = append(hist.Bins, bins...)
		}
		g = hist.Draw(w, h, sym)
		requireGrid(t, g, w, h, sym)
		checkRows(t, g)
		over := false
		for _, b := range hist.Bins {
			over = over || b.N > 0 && b.High > sla && b.High < math.Inf(1)
		}
		if red := hasPart(g, chart.PartOver); w > 30 && h > 2 && red != over {
			t.Fatalf("a latency is beyond the SLA: %v, a bar is: %v", over, red)
		}
		batches := chart.Batches{MaxSize: rng.IntN(9) - 1, Empty: "nothing"}
		for range rng.IntN(9) {
			var of []chart.Batch
			for range rng.IntN(60) {
				of = append(of, chart.Batch{Size: rng.IntN(12) - 1, Left: chart.Reason(rng.IntN(5))})
			}
			batches.Workers = append(batches.Workers, of)
		}
		requireGrid(t, batches.Draw(w, h, sym), w, h, sym)
	})
}

func hasPart(g *chart.Grid, p chart.Part) bool {
	for _, c := range g.Cells {
		if c.Part == p {
			return true
		}
	}
	return false
}

// checkRows checks that data lies at or below the row of the SLA, and what is beyond
// it above.
func checkRows(t *testing.T, g *chart.Grid) {
	t.Helper()
	sla := -1
	for y := range g.H {
		for _, c := range g.Row(y) {
			if c.Part == chart.PartSLA {
				sla = y
			}
		}
	}
	for y := range g.H {
		for _, c := range g.Row(y) {
			if sla >= 0 && (c.Part == chart.PartOver && y >= sla || c.Part == chart.PartData && y < sla) {
				t.Fatalf("row %d has the part %d, the SLA is in row %d:\n%s", y, c.Part, sla, strings.Join(g.Lines(chart.Colors{}), "\n"))
			}
		}
	}
}

func TestBeyond(t *testing.T) {
	h := chart.Histogram{SLA: 20, Bins: []chart.Bin{{10, 20, 90}, {20, 22, 7}, {19, 21, 2}, {100, 200, 1}}}
	if n, of := h.Beyond(); n != 10 || of != 100 {
		t.Errorf("Beyond() = %d of %d, want 10 of 100", n, of)
	}
}
