package chart

import (
	"math"
	"strconv"
)

// Bin is the number of values above Low and up to High.
type Bin struct {
	Low, High float64
	N         int
}

// binScale is a logarithmic axis for bins. Bins without values do not count.
func binScale(bins []Bin, sla float64, rows int) (sc scale, largest int) {
	lowest, highest := math.NaN(), math.NaN()
	for _, b := range bins {
		if b.N > 0 && finite(b.Low) && finite(b.High) && b.High > 0 {
			low, high := min(max(b.Low, b.High/2, minMagnitude), maxMagnitude), min(max(b.High, minMagnitude), maxMagnitude)
			lowest, highest, largest = lower(low, lowest), Max.join([]float64{highest, high}), max(largest, b.N)
		}
	}
	if math.IsNaN(lowest) {
		lowest, highest = 1, 1
		if usable(sla) {
			lowest, highest = sla, sla
		}
	}
	return spreadScale(lowest, highest, sla, rows), largest
}

// lower is the smaller number; NaN is no number.
func lower(a, b float64) float64 {
	if math.IsNaN(b) || a < b {
		return a
	}
	return b
}

// Histogram is a chart of the distribution of latencies: a bar for each range of a
// logarithmic axis. The SLA is the edge between two ranges. A bin that holds the SLA
// inside counts as beyond it.
type Histogram struct {
	Bins     []Bin
	SLA      float64
	SLALabel string
	Empty    string
}

// Beyond is how many values may be beyond the SLA, and the number of all values.
func (h Histogram) Beyond() (n, of int) {
	for _, b := range h.Bins {
		of += max(b.N, 0)
		if b.High > h.SLA {
			n += max(b.N, 0)
		}
	}
	return n, of
}

// Draw draws the histogram in w x h cells.
func (h Histogram) Draw(width, height int, sym Symbols) *Grid {
	return draw(width, height, sym, func(g *Grid) { h.drawOnto(g, sym) })
}

// percentWidth is the width of the column with the percentages.
const percentWidth = 7

func (h Histogram) drawOnto(g *Grid, sym Symbols) {
	left := axisColumn(g.W) + 1
	cols := g.W - left - percentWidth
	if cols < 2 || g.H < 2 {
		return
	}
	sc, _ := binScale(h.Bins, h.SLA, g.H)
	counts, total, largest := make([]int, sc.rows), 0, 0
	for _, b := range h.Bins {
		if b.N > 0 && finite(b.High) {
			row := sc.row(b.High)
			counts[row] += b.N
			total, largest = total+b.N, max(largest, counts[row])
		}
	}
	yAxis(g, sc)
	slaLabel(g, sc, h.SLALabel)
	if total == 0 {
		g.centered(min(1, g.H-1), h.Empty, PartText)
		return
	}
	for row, n := range counts {
		if n == 0 {
			continue
		}
		part, y := PartData, sc.rows-1-row
		if sc.over(row) {
			part = PartOver
		}
		end := bar(g, left, y, float64(n)/float64(largest)*float64(cols), sym, part)
		for x := max(end, g.W-percentWidth); x < g.W; x++ {
			g.set(x, y, ' ', PartNone)
		}
		text := percent(n, total)
		g.text(g.W-runes(text), y, text, part)
	}
}

// bar draws a horizontal bar of a length in cells, at least a thin one, and returns
// the column after it.
func bar(g *Grid, x, y int, length float64, sym Symbols, part Part) int {
	parts := [...]rune{'▏', '▎', '▍', '▌', '▋', '▊', '▉'}
	eighths := max(int(math.Round(length*8)), 1)
	if sym == ASCII {
		eighths = max(eighths/8, 1) * 8
	}
	for ; eighths >= 8; eighths -= 8 {
		g.set(x, y, '█', part)
		x++
	}
	if eighths > 0 {
		g.set(x, y, parts[eighths-1], part)
		x++
	}
	return x
}

// percent is the share of n in total, never 0% or 100% by rounding.
func percent(n, total int) string {
	share := 100 * float64(n) / float64(total)
	switch {
	case n < total && share >= 99.95:
		return ">99.9%"
	case share < .05:
		return "<0.1%"
	}
	return strconv.FormatFloat(share, 'f', 1, 64) + "%"
}
