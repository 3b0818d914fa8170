package chart_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/charmbracelet/x/exp/golden"

	"sweetspot/tui/chart"
)

// requireExactSize fails unless lines has exactly the size of s.
func requireExactSize(t *testing.T, s chart.Spec, lines []string) {
	t.Helper()
	if len(lines) != max(s.Height, 0) {
		t.Fatalf("Line returned %d lines, want %d, for %+v", len(lines), s.Height, s)
	}
	for i, l := range lines {
		if got := ansi.StringWidth(l); got != max(s.Width, 0) {
			t.Fatalf("line %d is %d cells wide, want %d: %q, for %+v", i, got, s.Width, l, s)
		}
		if s.ASCII && strings.ContainsFunc(l, func(r rune) bool { return r >= utf8.RuneSelf }) {
			t.Fatalf("line %d is not ASCII: %q", i, l)
		}
	}
}

// demo is a P99 that falls below the SLA after value 40, with a gap.
func demo() []float64 {
	v := make([]float64, 72)
	for i := range v {
		v[i] = 66 + 4*math.Sin(float64(i)/2)
		if i > 40 {
			v[i] = 37 + 2*math.Sin(float64(i)/3)
		}
	}
	v[60], v[61] = math.NaN(), math.Inf(1)
	return v
}

func spike(n, at int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 12
	}
	v[at] = 500
	return v
}

func TestGolden(t *testing.T) {
	marks := []chart.Mark{{At: 10, Text: "A6"}, {At: 41, Text: "A7"}, {At: 70, Text: "A8"}}
	cases := []struct {
		name string
		spec chart.Spec
	}{
		{"wide", chart.Spec{Width: 78, Height: 11, Values: demo(), SLA: 50, SLALabel: "SLA 50", Foot: chart.TimeFoot, Marks: marks, Left: "-72s", Right: "now"}},
		{"color", chart.Spec{Width: 78, Height: 8, Values: demo(), SLA: 50, SLALabel: "SLA 50", Foot: chart.MarkFoot, Marks: marks, Colors: chart.DefaultColors()}},
		{"ascii", chart.Spec{Width: 78, Height: 8, Values: demo(), SLA: 50, SLALabel: "SLA 50", Foot: chart.MarkFoot, Marks: marks, ASCII: true}},
		{"shared columns", chart.Spec{Width: 40, Height: 7, Values: spike(1000, 500), Span: 1000, SLA: 100, SLALabel: "SLA 100"}},
		{"clipped", chart.Spec{Width: 40, Height: 7, Values: demo(), SLA: 5, SLALabel: "SLA 5"}},
		{"all clipped", chart.Spec{Width: 30, Height: 5, Values: spike(200, 3)[:100], SLA: 1, SLALabel: "SLA 1"}},
		{"percent", chart.Spec{Width: 39, Height: 5, Values: []float64{12, 70, 83, 99.9, 84}, Top: 100, Join: chart.Mean}},
		{"empty", chart.Spec{Width: 40, Height: 6, SLA: 20, SLALabel: "SLA 20", Empty: "first P99 after 100 answers"}},
		{"narrow", chart.Spec{Width: 12, Height: 4, Values: demo(), SLA: 50, SLALabel: "SLA 50"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			lines := chart.Line(c.spec)
			requireExactSize(t, c.spec, lines)
			golden.RequireEqual(t, strings.Join(lines, "\n")+"\n")
		})
	}
}

func TestLineHasExactSize(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	odd := []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, -5, 1e-300, 1e300, math.MaxFloat64}
	for range 1000 {
		s := chart.Spec{
			Width: rng.IntN(130) - 2, Height: rng.IntN(40) - 2,
			Span: rng.IntN(300), Seq: rng.IntN(500), Join: chart.Join(rng.IntN(2)),
			Foot: chart.Foot(rng.IntN(3)), Left: "-300s", Right: "now", Empty: "nothing yet",
			SLALabel: "SLA", ASCII: rng.IntN(2) == 0,
			Marks: []chart.Mark{{At: rng.IntN(400) - 50, Text: "A1"}, {At: rng.IntN(400), Text: "日本\x1b[31m\t🏳️‍🌈"}},
		}
		if rng.IntN(2) == 0 {
			s.Colors = chart.DefaultColors()
		}
		scale := math.Pow(10, float64(rng.IntN(12)-4))
		for range rng.IntN(400) {
			s.Values = append(s.Values, scale*rng.ExpFloat64())
		}
		for i := range s.Values {
			if rng.IntN(20) == 0 {
				s.Values[i] = odd[rng.IntN(len(odd))]
			}
		}
		for _, p := range []*float64{&s.SLA, &s.Top} {
			switch rng.IntN(4) {
			case 0:
				*p = odd[rng.IntN(len(odd))]
			case 1, 2:
				*p = scale * rng.ExpFloat64()
			}
		}
		requireExactSize(t, s, chart.Line(s))
	}
}

// A spike of one value in a long history is on the chart at any position and for
// any number of values recorded before.
func TestSpikesStayVisible(t *testing.T) {
	for _, span := range []int{60, 61, 75, 600, 1000, 3600} {
		for at := 0; at < span; at += 1 + span/31 {
			s := chart.Spec{Width: 66, Height: 9, Values: spike(span, at), Span: span, Seq: span + 7*at, SLA: 100}
			if !slices.ContainsFunc(s.Draw(s.Width, s.Height, chart.Braille).Cells, func(c chart.Cell) bool { return c.Part == chart.PartOver }) {
				t.Fatalf("span %d: the spike at %d is not on the chart", span, at)
			}
			if n := s.Shown(s.Width, chart.Braille); n < span {
				t.Fatalf("span %d: only %d shown", span, n)
			}
		}
	}
}

// When values are added, columns shift as a whole.
func TestColumnsDoNotRegroup(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	all := make([]float64, 400)
	for i := range all {
		all[i] = rng.Float64() * 90
	}
	draw := func(seq int) []string {
		return chart.Line(chart.Spec{Width: 66, Height: 8, Values: all[max(seq-270, 0):seq], Span: 200, Seq: seq, Top: 100})
	}
	before, after := draw(300), draw(304) // 4 values per column
	for y := range before {
		a, b := []rune(before[y]), []rune(after[y])
		if got, want := string(b[7:64]), string(a[8:65]); got != want {
			t.Errorf("row %d:\n got %s\nwant %s", y, got, want)
		}
	}
}

func TestSLARowIsMarkedWithoutColor(t *testing.T) {
	s := chart.Spec{Width: 60, Height: 8, SLA: 20, SLALabel: "SLA 20", Values: make([]float64, 120)}
	for i := range s.Values {
		s.Values[i] = 5
	}
	has := func(text string) bool { return strings.Contains(strings.Join(chart.Line(s), "\n"), text) }
	if !has("SLA 20") {
		t.Error("the text of the SLA is missing")
	}
	for i := range s.Values {
		s.Values[i] = 20 // covers all dashes
	}
	if has("SLA 20") || !has("▸") {
		t.Error("when data covers the row of the SLA, its label must still mark it")
	}
}

func TestGapsStayBlank(t *testing.T) {
	v := []float64{5, 5, math.NaN(), math.NaN(), math.NaN(), 5, 5}
	lines := chart.Line(chart.Spec{Width: 24, Height: 3, Values: v, Top: 10, Cells: true})
	if got, want := strings.TrimSpace(string([]rune(lines[1])[6:])), "─╴   ──"; got != want {
		t.Errorf("gap drawn as %q, want %q", got, want)
	}
}

func FuzzLine(f *testing.F) {
	f.Add(80, 10, 100, 500, 50., 0., uint8(2), "SLA 50", []byte{1, 2, 3, 250})
	f.Add(16, 3, 0, 0, 1e-9, 1e300, uint8(5), "\x1b[31m日本\u0e33", []byte{0})
	f.Add(-1, -1, -1, -1, math.Inf(1), math.NaN(), uint8(255), "", []byte(nil))
	f.Fuzz(func(t *testing.T, w, h, span, seq int, sla, top float64, bits uint8, text string, data []byte) {
		s := chart.Spec{
			Width: w % 200, Height: h % 60, Span: span, Seq: seq, SLA: sla, Top: top,
			SLALabel: text, Left: text, Right: text, Empty: text, Marks: []chart.Mark{{At: span, Text: text}, {At: 1, Text: text}},
			Join: chart.Join(bits & 1), Foot: chart.Foot(bits >> 1 & 3), ASCII: bits&8 != 0,
		}
		if bits&16 != 0 {
			s.Colors = chart.DefaultColors()
		}
		for i, b := range data {
			v := float64(b) * math.Pow(2, float64(i%64-20))
			if b > 250 {
				v = []float64{math.NaN(), math.Inf(1), math.Inf(-1), math.MaxFloat64, -1}[b-251]
			}
			s.Values = append(s.Values, v)
		}
		lines := chart.Line(s)
		requireExactSize(t, s, lines)
		if strings.Contains(strings.Join(lines, ""), "cannot draw") && !strings.Contains(text, "cannot draw") {
			t.Fatalf("drawing panicked for %+v", s)
		}
		s.Shown(s.Width, chart.Blocks)
	})
}

func BenchmarkLine(b *testing.B) {
	history := make([]float64, 3600)
	for i := range history {
		history[i] = 40 + 20*math.Sin(float64(i)/40)
	}
	cases := []struct {
		name string
		spec chart.Spec
	}{
		{"76x8", chart.Spec{Width: 76, Height: 8, Values: demo(), SLA: 50, SLALabel: "SLA 50", Colors: chart.DefaultColors()}},
		{"100x20 from 3600", chart.Spec{Width: 100, Height: 20, Values: history, Span: 3600, SLA: 50, SLALabel: "SLA 50", Foot: chart.TimeFoot, Colors: chart.DefaultColors()}},
	}
	for _, c := range cases {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				chart.Line(c.spec)
			}
		})
	}
}
