package chart

import "testing"

func TestDrawSafely(t *testing.T) {
	lines := drawSafely(12, 2, false, DefaultColors(), func(*canvas) { panic("a bug") })
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

func TestRoundUp(t *testing.T) {
	cases := map[float64]float64{0: 1, -1: 1, 1: 1, 1.1: 1.2, 7: 8, 9.9: 10, 100: 100, 101: 120, 441: 500, 1000: 1000, .03: .03}
	for v, want := range cases {
		if got := roundUp(v); got-want > 1e-12 || want-got > 1e-12 {
			t.Errorf("roundUp(%g) = %g, want %g", v, got, want)
		}
	}
}

func TestChooseScale(t *testing.T) {
	cases := []struct {
		name             string
		peak, floor, sla float64
		rows             int
		top              float64
		slaRow           int
	}{
		{"percentage has its fixed top", 99.9, 100, 0, 4, 100, 0},
		{"above the floor", 130, 100, 0, 4, 150, 0},
		{"SLA on a row", 64, 0, 50, 7, 70, 5},
		{"floor from an axis", 30, 160, 20, 8, 160, 1},
		{"clipped", 1840, 0, 20, 8, 160, 1},
		{"one row has no SLA", 10, 0, 20, 1, 12, 0},
		{"negative SLA", 10, 0, -3, 8, 12, 0},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s := chooseScale(c.peak, c.floor, c.sla, c.rows)
			if s.top-c.top > 1e-9 || c.top-s.top > 1e-9 || s.slaRow != c.slaRow {
				t.Errorf("chooseScale: top %g, SLA row %d; want %g, %d", s.top, s.slaRow, c.top, c.slaRow)
			}
		})
	}
}
