package chart

import (
	"math"
	"strings"
)

// MapCell is one setting of a heat map. A value of NaN was neither measured nor
// predicted.
type MapCell struct {
	Value          float64
	Verdict        Verdict
	Predicted      bool // not measured: drawn in parentheses
	Best, Selected bool
}

// HeatMap is a table of settings with a number and a shade for each.
type HeatMap struct {
	RowTitle, ColTitle string   // such as "wrk" and "batch"
	Rows, Cols         []string // labels, such as numbers of workers
	Cells              [][]MapCell
	// Limit is the limit of the values: the shade is the share of it. 0 is none;
	// then the shade is the share of the largest value.
	Limit float64
	Empty string // shown if there is no row or no column
}

// The width of a column of a heat map: a sign for the selection, a number in
// parentheses, and a shade.
const mapColumn = 1 + (numberWidth + 2) + 1

// Draw draws the map in w x h cells. If not all rows and columns fit, those with
// the selected cell are visible, and an ellipsis shows where some are left out.
func (m HeatMap) Draw(w, h int, sym Symbols) *Grid {
	return draw(w, h, sym, func(g *Grid) { m.drawOnto(g) })
}

func (m HeatMap) drawOnto(g *Grid) {
	if len(m.Rows) == 0 || len(m.Cols) == 0 {
		g.centered(g.H/2, m.Empty, PartText)
		return
	}
	left := m.labelWidth()
	row, col := m.selected()
	rows := visible(len(m.Rows), g.H-1, row)
	cols := visible(len(m.Cols), (g.W-left)/mapColumn, col)
	g.text(0, 0, oneCellEach(m.ColTitle), PartAxis)
	for i := cols.from; i < cols.to; i++ {
		text := oneCellEach(m.Cols[i])
		g.text(left+(i-cols.from+1)*mapColumn-2-runes(text), 0, text, PartAxis)
	}
	largest := m.largest()
	for y := rows.from; y < rows.to; y++ {
		label := oneCellEach(strings.TrimSpace(m.RowTitle + " " + m.Rows[y]))
		g.text(0, 1+y-rows.from, label, PartAxis)
		for x := cols.from; x < cols.to; x++ {
			m.drawCell(g, left+(x-cols.from)*mapColumn, 1+y-rows.from, m.at(y, x), largest)
		}
	}
	if cols.from > 0 {
		g.set(left-1, 0, '…', PartAxis)
	}
	if cols.to < len(m.Cols) {
		g.set(left+(cols.to-cols.from)*mapColumn-1, 0, '…', PartAxis)
	}
	if rows.from > 0 || rows.to < len(m.Rows) {
		g.set(left-1, rows.to-rows.from, '…', PartAxis)
	}
}

// at is a cell of the map. Rows may be shorter than the map.
func (m HeatMap) at(row, col int) MapCell {
	if row < len(m.Cells) && col < len(m.Cells[row]) {
		return m.Cells[row][col]
	}
	return MapCell{Value: math.NaN()}
}

func (m HeatMap) labelWidth() int {
	w := runes(m.ColTitle)
	for _, r := range m.Rows {
		w = max(w, runes(strings.TrimSpace(m.RowTitle+" "+r)))
	}
	return min(w, 12) + 1
}

// selected is the position of the selected cell, or of the first one.
func (m HeatMap) selected() (row, col int) {
	for y, cells := range m.Cells {
		for x, c := range cells {
			if c.Selected {
				return y, x
			}
		}
	}
	return 0, 0
}

func (m HeatMap) largest() float64 {
	out := math.NaN()
	for _, cells := range m.Cells {
		for _, c := range cells {
			out = Max.join([]float64{out, c.Value})
		}
	}
	return out
}

// span is a range of rows or columns.
type span struct{ from, to int }

// visible is the part of n rows or columns to draw if only avail fit.
func visible(n, avail, selected int) span {
	avail = min(max(avail, 0), n)
	from := min(max(selected-avail/2, 0), n-avail)
	return span{from, from + avail}
}

func (m HeatMap) drawCell(g *Grid, x, y int, c MapCell, largest float64) {
	part := c.Verdict.part()
	if c.Predicted {
		part = PartFaint
	}
	text, shade := "–", ' '
	if finite(c.Value) {
		text, shade = trimmed(label(max(c.Value, 0))), m.shade(c, largest)
	}
	if c.Predicted && finite(c.Value) {
		text = "(" + text + ")"
	}
	end := x + mapColumn - 1
	at := end - runes(text)
	if !c.Predicted {
		at-- // numbers are aligned with those in parentheses
	}
	if c.Selected {
		part = PartSelected
		g.set(at-1, y, '▸', part)
	}
	g.text(at, y, text, part)
	g.set(end, y, shade, part)
}

// shade is the sign of the verdict, or else the shade of the value.
func (m HeatMap) shade(c MapCell, largest float64) rune {
	switch {
	case c.Predicted:
		return ' '
	case c.Best:
		return '★'
	case c.Verdict == Fail:
		return '×'
	case c.Verdict == Undecided:
		return '?'
	case usable(m.Limit):
		largest = m.Limit
	}
	shades := [...]rune{'░', '▒', '▓', '█'}
	return shades[int(min(max(c.Value/largest, 0), .99)*float64(len(shades)))]
}
