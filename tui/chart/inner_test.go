package chart

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestDrawIsSafe(t *testing.T) {
	lines := draw(12, 2, Braille, func(*Grid) { panic("a bug") }).Lines(DefaultColors())
	if len(lines) != 2 || lines[0] != "cannot draw " || lines[1] != "            " {
		t.Errorf("after a panic: %q", lines)
	}
}

func TestNumber(t *testing.T) {
	cases := []struct {
		v        float64
		decimals int
		want     string
	}{
		{0, 0, "   0"},
		{12.5, 1, "12.5"},
		{9999, 0, "9999"},
		{10000, 0, " 10k"},
		{12345, 0, " 12k"},
		{2345, 1, "2345"},
		{1234567, 0, "1.2M"},
		{1e15, 0, "1.0P"},
		{1.2e17, 0, "120P"},
		{1e300, 0, "####"},
	}
	for _, c := range cases {
		if got := number(c.v, numberWidth, c.decimals); got != c.want {
			t.Errorf("number(%g, %d) = %q, want %q", c.v, c.decimals, got, c.want)
		}
	}
}

func TestLabel(t *testing.T) {
	cases := map[float64]string{
		0: "   0", 20: "  20", 12.5: "12.5", 123.456: " 123", 1000: "1000", 20000: " 20k", .05: "0.05", .0005: "5e-4", .01738: ".017", .1234: ".123", .9994: ".999", .9999: "   1", .002: ".002", 15600: " 16k", 2e-9: "2e-9", 5e15: "5.0P",
	}
	for v, want := range cases {
		if got := label(v); got != want {
			t.Errorf("label(%g) = %q, want %q", v, got, want)
		}
	}
}

func TestRoundUp(t *testing.T) {
	cases := map[float64]float64{0: 1, -1: 1, 1: 1, 1.1: 1.2, 7: 8, 9.9: 10, 100: 100, 101: 120, 441: 500, 1000: 1000, .03: .03}
	for v, want := range cases {
		if got := roundUp(v); got-want > 1e-12 || want-got > 1e-12 {
			t.Errorf("roundUp(%g) = %g, want %g", v, got, want)
		}
	}
}

func TestTimeScale(t *testing.T) {
	cases := []struct {
		name             string
		peak, floor, sla float64
		rows             int
		low, high        float64
		slaRow           int
	}{
		{"percentage has its fixed top", 99.9, 100, 0, 4, 0, 100, -1},
		{"above the floor", 130, 100, 0, 4, 0, 150, -1},
		{"SLA on a row", 64, 0, 50, 8, 0, 80, 4},
		{"floor from an axis", 30, 70, 20, 8, 0, 80, 1},
		{"4 times the SLA is too long for a linear axis", 90, 0, 20, 7, 2.5, 320, 2},
		{"beyond the logarithmic axis", 1e6, 0, 20, 7, 2.5, 320, 2},
		{"one row has no SLA", 10, 0, 20, 1, 0, 12, -1},
		{"negative SLA", 10, 0, -3, 8, 0, 12, -1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := timeScale(c.peak, c.floor, c.sla, c.rows)
			if math.Abs(s.high-c.high) > 1e-9 || math.Abs(s.low-c.low) > 1e-9 || s.slaRow != c.slaRow || s.log != (c.low > 0) {
				t.Errorf("timeScale: %g to %g, SLA row %d; want %g to %g, %d", s.low, s.high, s.slaRow, c.low, c.high, c.slaRow)
			}
		})
	}
}

// Levels never fall with the value, every level holds its upper edge, and the SLA
// divides its row from the next one.
func TestLevels(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 2000 {
		sla := math.Pow(10, rng.Float64()*8-4)
		s := timeScale(sla*rng.ExpFloat64()*5, 0, sla, 2+rng.IntN(40))
		if rng.IntN(3) == 0 {
			s = spreadScale(sla*rng.Float64(), sla*(1+rng.ExpFloat64()*100), sla, 2+rng.IntN(40))
		}
		n := 1 + rng.IntN(8)
		a, b := sla*rng.ExpFloat64()*3, sla*rng.ExpFloat64()*3
		if (a < b) != (s.level(a, n) <= s.level(b, n)) && s.level(a, n) != s.level(b, n) {
			t.Fatalf("%g has level %d, %g has level %d, of %+v", a, s.level(a, n), b, s.level(b, n), s)
		}
		edge := (s.slaRow + 1) * n
		if got := s.level(sla, n); got != edge-1 {
			t.Fatalf("the SLA has level %d, want %d, of %+v", got, edge-1, s)
		}
		if got := s.level(math.Nextafter(sla, math.Inf(1)), n); got != edge {
			t.Fatalf("the next value above the SLA has level %d, want %d, of %+v", got, edge, s)
		}
	}
}

// Labels are 1, 2 or 5 times a power of ten, each in the row that holds it.
func TestTicks(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 2000 {
		sla := math.Pow(10, rng.Float64()*8-4)
		s := timeScale(sla*rng.ExpFloat64()*5, 0, sla, 2+rng.IntN(40))
		used := map[int]bool{s.slaRow: true}
		for _, k := range s.ticks() {
			if used[k.row] || k.row != s.row(k.value) {
				t.Fatalf("%g is the label of row %d, of %+v", k.value, k.row, s)
			}
			used[k.row] = true
			if s.log && k.value > 0 {
				m := k.value / math.Pow(10, math.Floor(math.Log10(k.value)+1e-9))
				if math.Abs(m-1) > 1e-6 && math.Abs(m-2) > 1e-6 && math.Abs(m-5) > 1e-6 {
					t.Fatalf("the label %g is not 1, 2 or 5 times a power of ten", k.value)
				}
			}
		}
	}
}
