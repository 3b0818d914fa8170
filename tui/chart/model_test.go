package chart_test

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"sweetspot/tui/chart"
)

// This file has a model of what a line chart must show. It reads the drawn cells and
// compares them with the values. It shares no code with the chart: it finds the rows
// of the plot and of the SLA on the grid itself.

// truth is a chart with what the model knows about it.
type truth struct {
	t        *testing.T
	spec     chart.Spec
	sym      chart.Symbols
	g        *chart.Grid
	left     int       // first plot column
	rows     int       // plot rows
	slaRow   int       // grid row of the SLA, -1 is none
	sub      int       // slots in a column
	slots    []float64 // the value of each slot, NaN is a gap
	hasWords bool      // text may cover parts of the plot
}

func readChart(t *testing.T, s chart.Spec, w, h int, sym chart.Symbols) (truth, bool) {
	m := truth{t: t, spec: s, sym: sym, g: s.Draw(w, h, sym), slaRow: -1}
	requireGrid(t, m.g, w, h, sym)
	m.left = slices.IndexFunc(m.row(0), func(c chart.Cell) bool { return strings.ContainsRune("│┤┼|+", c.Rune) }) + 1
	if m.left == 0 {
		return m, false // too small for a plot
	}
	shape := m.g
	if sym == chart.ASCII {
		shape = s.Draw(w, h, chart.Blocks) // the same rows, with symbols that differ
	}
	for ; m.rows < h; m.rows++ {
		r := shape.Cells[m.rows*w+m.left-1].Rune
		if !strings.ContainsRune("│┤┼", r) {
			break
		}
		if r == '┼' {
			m.slaRow = m.rows
		}
	}
	m.sub = 1
	if sym == chart.Braille && !s.Cells {
		m.sub = 2
	}
	m.slots = m.join(w - m.left)
	return m, true
}

func (m truth) row(y int) []chart.Cell {
	if y >= m.g.H || m.g.W == 0 {
		return nil
	}
	return m.g.Row(y)
}

// join computes the value of each slot from the definition of Spec.Seq and Spec.Span.
func (m truth) join(cols int) []float64 {
	n := cols * m.sub
	each := m.spec.Shown(m.g.W, m.sym) / n // values in a slot
	seq := max(m.spec.Seq, len(m.spec.Values))
	lastColumn := max(seq-1, 0) / (each * m.sub)
	out := make([]float64, n)
	sums, counts := make([]float64, n), make([]float64, n)
	for i := range out {
		out[i] = math.NaN()
	}
	for i, v := range m.spec.Values {
		number := seq - len(m.spec.Values) + i
		column := cols - 1 - (lastColumn - number/(each*m.sub))
		if column < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
			continue
		}
		slot := column*m.sub + number/each%m.sub
		sums[slot], counts[slot] = sums[slot]+v, counts[slot]+1
		switch {
		case m.spec.Join == chart.Mean:
			out[slot] = sums[slot] / counts[slot]
		case !(out[slot] >= v):
			out[slot] = v
		}
	}
	return out
}

// at is the value of a slot, NaN outside of the plot.
func (m truth) at(slot int) float64 {
	if slot < 0 || slot >= len(m.slots) {
		return math.NaN()
	}
	return m.slots[slot]
}

// isData reports whether a cell shows data, not text or an axis.
func isData(c chart.Cell) bool { return c.Part == chart.PartData || c.Part == chart.PartOver }

// check compares every column of the plot with its values.
func (m truth) check() {
	m.t.Helper()
	for x := range m.g.W - m.left {
		m.checkColumn(x)
	}
	if m.sub == 2 {
		for i := range m.slots {
			m.checkDots(i)
		}
	}
	m.checkTops()
	m.checkSLALabel()
	m.checkMarks()
}

// checkMarks checks that the signs of marks are at the columns of their values, and
// nowhere else.
func (m truth) checkMarks() {
	m.t.Helper()
	if m.rows >= m.g.H || m.sym == chart.ASCII {
		return // no footer
	}
	cols := m.g.W - m.left
	each := m.spec.Shown(m.g.W, m.sym) / cols // values in a column
	seq := max(m.spec.Seq, len(m.spec.Values))
	want := map[int]bool{}
	for _, k := range m.spec.Marks {
		number := seq - len(m.spec.Values) + k.At
		if k.At < len(m.spec.Values) {
			want[cols-1-(max(seq-1, 0)/each-number/each)] = true
		}
	}
	for x := range cols {
		if got := m.row(m.rows)[m.left+x].Rune == '▲'; got != want[x] {
			m.fail(x, "the sign of a mark is here: %v, want %v", got, want[x])
		}
	}
}

// checkSLALabel checks that the row of the SLA has its value as the label.
func (m truth) checkSLALabel() {
	m.t.Helper()
	if m.slaRow < 0 || m.left < 6 {
		return
	}
	if v, ok := m.label(m.slaRow); !ok || math.Abs(v/m.spec.SLA-1) > rounding {
		m.fail(0, "the label of the row of the SLA is %g", v)
	}
}

// rounding is the rounding of a label with two digits.
const rounding = .06

// label reads the label of a row.
func (m truth) label(y int) (float64, bool) {
	text := ""
	for _, c := range m.row(y)[1:5] {
		text += string(c.Rune)
	}
	unit := 1.
	text = strings.TrimSpace(text)
	if n := len(text); n > 0 && strings.Contains("kMGTPE", text[n-1:]) {
		unit = math.Pow(1000, float64(1+strings.Index("kMGTPE", text[n-1:])))
		text = text[:n-1]
	}
	v, err := strconv.ParseFloat(text, 64)
	return v * unit, err == nil
}

func (m truth) checkColumn(x int) {
	m.t.Helper()
	if m.tooClose(x) {
		return
	}
	over, within, near := false, false, false // near: a line from or to a neighbour may cross this column
	for i := x*m.sub - 1; i <= (x+1)*m.sub; i++ {
		v := m.at(i)
		inside := i >= x*m.sub && i < (x+1)*m.sub
		over = over || inside && v > m.spec.SLA
		within = within || inside && v <= m.spec.SLA
		near = near || v > m.spec.SLA
	}
	hasOver, hasWithin := false, false
	for y := range m.rows {
		c := m.row(y)[m.left+x]
		if !isData(c) {
			continue
		}
		if m.slaRow >= 0 && (c.Part == chart.PartOver) != (y < m.slaRow) {
			m.fail(x, "row %d has the part %d, the SLA is in row %d", y, c.Part, m.slaRow)
		}
		hasOver = hasOver || c.Part == chart.PartOver
		hasWithin = hasWithin || c.Part == chart.PartData
	}
	if m.slaRow < 0 {
		if hasOver || hasWithin != (over || within) {
			m.fail(x, "without an SLA: cells beyond it %v, data %v", hasOver, hasWithin)
		}
		return
	}
	switch {
	case !over && !within && (hasOver || hasWithin):
		m.fail(x, "a gap has data")
	case over && !hasOver && !m.hasWords:
		m.fail(x, "a value beyond the SLA has no cell above it")
	case within && !hasWithin && !m.hasWords:
		m.fail(x, "a value within the SLA has no cell at or below it")
	case hasOver && !near:
		m.fail(x, "values within the SLA have a cell above it")
	}
}

// tooClose reports whether the mean of several values near a column is so close to
// the SLA that its rounding decides.
func (m truth) tooClose(x int) bool {
	for i := x*m.sub - 1; i <= (x+1)*m.sub; i++ {
		if v := m.at(i); m.spec.Join == chart.Mean && math.Abs(v/m.spec.SLA-1) < 1e-9 {
			return true
		}
	}
	return false
}

// checkDots checks the Braille dots of one slot: they lie between its value and the
// value before.
func (m truth) checkDots(slot int) {
	m.t.Helper()
	v, before := m.slots[slot], m.at(slot-1)
	if m.slaRow < 0 || m.spec.Fill || m.tooClose(slot/2) {
		return
	}
	above, below := m.countDots(slot)
	switch {
	case math.IsNaN(v):
		if above+below > 0 {
			m.fail(slot/2, "a gap has %d dots", above+below)
		}
	case v > m.spec.SLA && above == 0 && !m.hasWords, v <= m.spec.SLA && below == 0 && !m.hasWords:
		m.fail(slot/2, "slot %d is %g: %d dots above the SLA, %d below", slot, v, above, below)
	case v <= m.spec.SLA && !(before > m.spec.SLA) && above > 0, v > m.spec.SLA && !(before <= m.spec.SLA) && below > 0:
		m.fail(slot/2, "slot %d is %g after %g: %d dots above the SLA, %d below", slot, v, before, above, below)
	}
}

// countDots counts the dots of a slot above the row of the SLA, and those in it or
// below.
func (m truth) countDots(slot int) (above, below int) {
	mask := rune(0b01000111)
	if slot%2 == 1 {
		mask = 0b10111000
	}
	for y := range m.rows {
		c := m.row(y)[m.left+slot/2]
		if c.Rune < '\u2800' || c.Rune > '\u28ff' {
			continue
		}
		n := 0
		for bits := (c.Rune - '\u2800') & mask; bits > 0; bits &= bits - 1 {
			n++
		}
		if y < m.slaRow {
			above += n
		} else {
			below += n
		}
	}
	return above, below
}

// checkTops checks that a larger value is never drawn lower, and that the rows agree
// with the labels of the axis. Only filled charts show the value of every column as
// the end of its bar.
func (m truth) checkTops() {
	m.t.Helper()
	if m.sym != chart.Blocks || m.spec.Cells || m.hasWords {
		return
	}
	type top struct{ value, level float64 }
	var tops []top
	for x, v := range m.slots {
		if math.IsNaN(v) {
			continue
		}
		y := 0
		for y < m.rows-1 && !isData(m.row(y)[m.left+x]) {
			y++
		}
		part := float64(m.row(y)[m.left+x].Rune-'▁') / 8
		tops = append(tops, top{max(v, 0), float64(m.rows-1-y) + part})
		m.checkLabels(x, y, max(v, 0))
	}
	slices.SortFunc(tops, func(a, b top) int { return int(math.Copysign(1, a.value-b.value)) })
	for i := 1; i < len(tops); i++ {
		if tops[i-1].level > tops[i].level && tops[i-1].value < tops[i].value {
			m.fail(0, "%g is drawn at %g, and %g at %g", tops[i-1].value, tops[i-1].level, tops[i].value, tops[i].level)
		}
	}
}

// checkLabels compares the row of a value with every label of the axis.
func (m truth) checkLabels(x, top int, v float64) {
	m.t.Helper()
	if m.left < 6 {
		return
	}
	for y := range m.rows {
		label, ok := m.label(y)
		if !ok || label == 0 {
			continue
		}
		if v < label*(1-rounding) && top < y || v > label*(1+rounding) && top > y {
			m.fail(x, "%g is in row %d, the label %g is in row %d", v, top, label, y)
		}
	}
}

func (m truth) fail(x int, format string, args ...any) {
	m.t.Helper()
	m.t.Errorf("column %d, values %v, SLA %g:", x, m.slots[x*m.sub:min((x+1)*m.sub, len(m.slots))], m.spec.SLA)
	m.t.Fatalf(format+"\n%s", append(args, strings.Join(m.g.Lines(chart.Colors{}), "\n"))...)
}
