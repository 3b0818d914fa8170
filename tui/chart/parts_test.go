package chart_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"sweetspot/tui/chart"
)

func TestBucket(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	cases := []struct {
		name   string
		values []float64
		n      int
		how    chart.Join
		want   []float64
	}{
		{"none", nil, 3, chart.Max, nil},
		{"no columns", []float64{1}, 0, chart.Max, nil},
		{"fits", []float64{1, 2}, 3, chart.Max, []float64{1, 2}},
		{"max", []float64{1, 9, 2, 3}, 2, chart.Max, []float64{9, 3}},
		{"mean", []float64{1, 9, 2, 3}, 2, chart.Mean, []float64{5, 2.5}},
		{"uneven", []float64{1, 2, 3, 4, 5}, 2, chart.Max, []float64{2, 5}},
		{"gaps", []float64{nan, inf, nan, 3, 5, nan}, 3, chart.Mean, []float64{nan, 3, 5}},
		{"negative", []float64{-3, -1}, 1, chart.Max, []float64{-1}},
		{"no overflow", []float64{math.MaxFloat64, math.MaxFloat64}, 1, chart.Mean, []float64{math.MaxFloat64}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got := chart.Bucket(c.values, c.n, c.how)
			if d := cmp.Diff(c.want, got, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("Bucket (-want +got):\n%s", d)
			}
		})
	}
}

// Max keeps the largest value, and Mean stays within the range of the values.
func TestBucketKeepsRange(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 8))
	for range 500 {
		values := make([]float64, 1+rng.IntN(500))
		for i := range values {
			values[i] = rng.NormFloat64()
		}
		low, high := values[0], values[0]
		for _, v := range values {
			low, high = min(low, v), max(high, v)
		}
		n := 1 + rng.IntN(120)
		largest := math.Inf(-1)
		for _, v := range chart.Bucket(values, n, chart.Max) {
			largest = max(largest, v)
		}
		if largest != high {
			t.Fatalf("Max of %d values in %d columns: the largest is %g, got %g", len(values), n, high, largest)
		}
		for _, v := range chart.Bucket(values, n, chart.Mean) {
			if v < low-1e-9 || v > high+1e-9 {
				t.Fatalf("Mean is %g, outside %g-%g", v, low, high)
			}
		}
	}
}

func TestAxis(t *testing.T) {
	start := time.Unix(0, 0)
	steps := []struct {
		sec        float64
		want, show float64
	}{
		{0, 100, 100},
		{1, 80, 100},    // above 60% of the top: unchanged
		{2, 110, 110},   // grows at once
		{3, 40, 110},    // low from now on
		{8, 50, 110},    // still low
		{12.9, 45, 110}, // 9.9 s
		{13, 30, 50},    // low for 10 s: the largest value since then, not the last
		{14, 20, 50},
		{20, 40, 50}, // not low any more
		{21, 20, 50},
		{30.9, 20, 50},
		{31, 20, 20},
		{32, math.NaN(), 20},
		{33, math.Inf(1), 20},
	}
	var a chart.Axis
	for _, s := range steps {
		a = a.Next(start.Add(time.Duration(s.sec*float64(time.Second))), s.want)
		if a.Top != s.show {
			t.Fatalf("at %gs with a wanted top of %g: got %g, want %g", s.sec, s.want, a.Top, s.show)
		}
	}
}

func TestWanted(t *testing.T) {
	cases := []struct {
		values []float64
		sla    float64
		want   float64
	}{
		{nil, 0, 0},
		{nil, 20, 25},
		{[]float64{math.NaN(), 100, math.Inf(1)}, 20, 105},
		{[]float64{-5}, 0, 0},
	}
	for _, c := range cases {
		if got := chart.Wanted(c.values, c.sla); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("Wanted(%v, %g) = %g, want %g", c.values, c.sla, got, c.want)
		}
	}
}

func TestSparkline(t *testing.T) {
	nan := math.NaN()
	cases := []struct {
		values []float64
		w      int
		ascii  bool
		want   string
	}{
		{nil, 3, false, "   "},
		{[]float64{1}, 0, false, ""},
		{[]float64{1}, -1, false, ""},
		{[]float64{0, 0}, 2, false, "▁▁"},
		{[]float64{1, 2, 3, 4, 5, 6, 7, 8}, 8, false, "▂▃▄▅▆▇██"},
		{[]float64{0, nan, 8}, 4, false, " ▁ █"},
		{[]float64{1, 1, 9, 1}, 2, false, "▁█"},
		{[]float64{0, 4, 8}, 3, true, "_+#"},
		{[]float64{-4, -1}, 2, false, "▁▁"},
	}
	for _, c := range cases {
		if got := chart.Sparkline(c.values, c.w, c.ascii); got != c.want {
			t.Errorf("Sparkline(%v, %d) = %q, want %q", c.values, c.w, got, c.want)
		}
	}
}

func TestGauge(t *testing.T) {
	cases := []struct {
		percent float64
		w       int
		ascii   bool
		want    string
	}{
		{0, 4, false, "░░░░"},
		{50, 4, false, "██░░"},
		{83, 4, false, "███▎"},
		{100, 4, false, "████"},
		{170, 4, false, "████"},
		{-3, 4, false, "░░░░"},
		{60, 5, true, "###.."},
		{math.NaN(), 5, false, "n/a  "},
		{math.NaN(), 2, false, "n/"},
		{50, -1, false, ""},
	}
	for _, c := range cases {
		got := chart.Gauge(c.percent, c.w, c.ascii)
		if got != c.want {
			t.Errorf("Gauge(%g, %d) = %q, want %q", c.percent, c.w, got, c.want)
		}
		if ansi.StringWidth(got) != max(c.w, 0) {
			t.Errorf("Gauge(%g, %d) is %d cells wide", c.percent, c.w, ansi.StringWidth(got))
		}
	}
}

// A chart with the span that fits has the same time axis; a wider or narrower one
// shows at least that span.
func TestFits(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 12))
	for range 2000 {
		s := chart.Spec{Seq: rng.IntN(2000), Span: rng.IntN(2) * rng.IntN(900), Values: make([]float64, rng.IntN(700))}
		w, sym := 1+rng.IntN(200), chart.Symbols(rng.IntN(3))
		same := s
		same.Span = s.Fits(w, sym)
		if w > 10 && same.Shown(w, sym) != s.Shown(w, sym) {
			t.Fatalf("%d cells show %d, with the span %d that fits %d", w, s.Shown(w, sym), same.Span, same.Shown(w, sym))
		}
		if other := 10 + rng.IntN(200); same.Shown(other, sym) < same.Span {
			t.Fatalf("%d cells show %d of the span %d", other, same.Shown(other, sym), same.Span)
		}
	}
}
