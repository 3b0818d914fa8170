package chart

import (
	"math"
	"strconv"
	"strings"
)

// scale maps values to the rows of a plot, and the rows to levels. Row 0 is the
// lowest. The SLA is the upper edge of its row, so that a value within it lies in
// that row or below, and a value beyond it lies above.
type scale struct {
	low, high float64 // the lower edge of row 0 and the upper edge of the last row
	log       bool
	rows      int
	sla       float64 // 0 is none
	slaRow    int     // -1 is none
}

// The headroom above the data and above the SLA, as factors.
const (
	dataHeadroom = 1.05
	slaHeadroom  = 1.25
)

// logFrom is how many times the SLA the top of an axis must reach for the axis to
// become logarithmic. A linear axis that long has too few rows for values within
// the SLA.
const logFrom = 4

// The range of a logarithmic axis in octaves below and above the SLA: from 1/8 to
// 16 times the SLA.
const (
	octavesBelow = 3
	octavesAbove = 4
)

// timeScale chooses the y axis of a chart over time for values up to peak. The
// axis ends at floor or above. NaN is no value.
func timeScale(peak, floor, sla float64, rows int) scale {
	want := Wanted([]float64{peak}, 0)
	if finite(floor) && floor > 0 {
		if floor = min(floor, maxMagnitude); !(peak > floor) {
			want = 0 // the floor has its own headroom
		}
		want = max(want, floor)
	}
	if !usable(sla) || rows < 2 {
		return scale{high: roundUp(want), rows: rows, slaRow: -1}
	}
	if want > logFrom*sla {
		return logScale(octavesBelow, octavesAbove, sla, rows)
	}
	// Rows up to and with the row of the SLA. The largest number whose top is
	// above the data wastes the fewest rows.
	within := min(max(int(float64(rows)*sla/max(want, slaHeadroom*sla)), 1), rows-1)
	return scale{high: sla * float64(rows) / float64(within), rows: rows, sla: sla, slaRow: within - 1}
}

// logScale is an axis with at least these octaves below and above the SLA.
func logScale(below, above, sla float64, rows int) scale {
	within := min(max(int(math.Round(float64(rows)*below/(below+above))), 1), rows-1)
	perRow := max(below/float64(within), above/float64(rows-within))
	return scale{
		low: sla * math.Exp2(-perRow*float64(within)), high: sla * math.Exp2(perRow*float64(rows-within)),
		log: true, rows: rows, sla: sla, slaRow: within - 1,
	}
}

// spreadScale is a logarithmic axis over all values from lowest to highest, which
// are above 0, and the SLA.
func spreadScale(lowest, highest, sla float64, rows int) scale {
	const widest = 24 // octaves on a side; values beyond them are drawn at the edge
	if !usable(sla) || rows < 2 {
		highest *= dataHeadroom
		lowest = max(lowest, highest*math.Exp2(-2*widest))
		return scale{low: min(lowest/dataHeadroom, highest/2), high: highest, log: true, rows: rows, slaRow: -1}
	}
	below := min(max(math.Log2(sla/lowest)+.2, 1), widest)
	above := min(max(math.Log2(highest/sla)+.2, .5), widest)
	return logScale(below, above, sla, rows)
}

// position is the place of v in rows above the lower edge of row 0.
func (s scale) position(v float64) float64 {
	if !s.log {
		return float64(s.rows) * (v - s.low) / (s.high - s.low)
	}
	if v <= s.low {
		return 0
	}
	return float64(s.rows) * math.Log2(v/s.low) / math.Log2(s.high/s.low)
}

// level is the level of v if every row has n levels. Each level has its upper
// edge, but not its lower one. Values beyond the axis are at its ends.
func (s scale) level(v float64, n int) int {
	last := s.rows*n - 1
	level := int(min(max(math.Ceil(s.position(v)*float64(n))-1, 0), float64(last)))
	if s.slaRow < 0 {
		return level
	}
	// The comparison with the SLA is exact, other than the position.
	if within := (s.slaRow+1)*n - 1; v <= s.sla {
		return min(level, within)
	} else {
		return max(level, within+1)
	}
}

// row is the row of v.
func (s scale) row(v float64) int { return s.level(v, 1) }

// over reports whether a row is beyond the SLA.
func (s scale) over(row int) bool { return s.slaRow >= 0 && row > s.slaRow }

// tick is a label of an axis.
type tick struct {
	row   int
	value float64
}

// ticks are the values to label besides the SLA, at most one in a row.
func (s scale) ticks() []tick {
	used := make([]bool, s.rows)
	if s.slaRow >= 0 {
		used[s.slaRow] = true
	}
	var out []tick
	add := func(v float64) {
		if v < s.low || v > s.high*(1+1e-9) {
			return
		}
		if row := s.row(v); !used[row] {
			used[row] = true
			out = append(out, tick{row, v})
		}
	}
	if s.log {
		first, last := math.Floor(math.Log10(s.low)), math.Ceil(math.Log10(s.high))
		for _, m := range []float64{1, 5, 2} { // the rounder number has priority
			for e := first; e <= last; e++ {
				add(decimal(m, int(e)))
			}
		}
		return out
	}
	for _, rowsApart := range []float64{2, 1, .5} {
		m, e := step125(s.high / float64(s.rows) * rowsApart)
		for i := range s.rows*2 + 1 {
			add(decimal(float64(i)*m, e))
		}
		if len(out) > 1 || s.slaRow >= 0 {
			break
		}
	}
	return out
}

// decimal is m times 10^e, correctly rounded.
func decimal(m float64, e int) float64 {
	v, _ := strconv.ParseFloat(strconv.FormatFloat(m, 'f', -1, 64)+"e"+strconv.Itoa(e), 64)
	return v
}

// step125 is the smallest of 1, 2 and 5 times a power of ten that is at least v,
// as m times 10^e.
func step125(v float64) (m float64, e int) {
	if !(v >= minMagnitude) {
		v = minMagnitude
	}
	e = int(math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 5} {
		if decimal(m, e) >= v*(1-1e-9) {
			return m, e
		}
	}
	return 1, e + 1
}

// Wanted is the top of the y axis that values and SLA (0 is none) need; 0 if
// there is nothing to show. It is the argument of [Axis.Next].
func Wanted(values []float64, sla float64) float64 {
	want := peak(values)
	if math.IsNaN(want) {
		want = 0
	}
	want = min(max(want, 0), maxMagnitude) * dataHeadroom
	if usable(sla) {
		want = max(want, slaHeadroom*sla)
	}
	return want
}

// The smallest and the largest magnitude drawn. Values beyond them are drawn at
// them.
const (
	minMagnitude = 1e-9
	maxMagnitude = 1e15
)

func usable(sla float64) bool { return sla >= minMagnitude && sla <= maxMagnitude }

// roundUp is the next number at or above v with few digits, which reads well on
// an axis; 1 if v is 0.
func roundUp(v float64) float64 {
	if v < minMagnitude {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10} {
		if m*unit >= v*(1-1e-9) {
			return m * unit
		}
	}
	return 12 * unit
}

// The width of a label column is fixed, because one as wide as its widest label
// would move the plot sideways when 99 becomes 101.
const (
	labelWidth  = 1 + numberWidth // the first cell marks the row of the SLA
	numberWidth = 4
)

// label formats v >= 0 right-aligned in numberWidth cells with at most 3 digits.
func label(v float64) string {
	text := strconv.FormatFloat(v, 'g', 3, 64)
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		text = strconv.FormatFloat(v, 'f', -1, 64)
	}
	switch {
	case len(text) <= numberWidth:
	case v > 0 && v < .001:
		text = strings.Replace(strconv.FormatFloat(v, 'e', 0, 64), "e-0", "e-", 1)
	case v < .9995: // without the 0 before the point
		text = strings.TrimPrefix(strconv.FormatFloat(v, 'f', numberWidth-1, 64), "0")
	default:
		return number(v, numberWidth, 2)
	}
	return strings.Repeat(" ", max(numberWidth-len(text), 0)) + text
}

// number formats v >= 0 right-aligned in exactly w cells: with as many of the
// decimals as fit, otherwise in thousands (k), millions (M) and so on.
func number(v float64, w, decimals int) string {
	for _, unit := range []string{"", "k", "M", "G", "T", "P", "E"} {
		for d := decimals; d >= 0; d-- {
			if text := strconv.FormatFloat(v, 'f', d, 64) + unit; len(text) <= w {
				return strings.Repeat(" ", w-len(text)) + text
			}
		}
		v, decimals = v/1000, 1
	}
	return strings.Repeat("#", w)
}

// trimmed is a label without the blanks before it.
func trimmed(label string) string { return strings.TrimLeft(label, " ") }
