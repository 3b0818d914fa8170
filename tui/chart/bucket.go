package chart

import "math"

// Bucket joins values into at most n columns of nearly equal width, in order.
// It ignores NaN and infinities; a column without any value is NaN. With Max no
// spike is lost. If there are at most n values, each has a column of its own.
func Bucket(values []float64, n int, how Join) []float64 {
	n = min(n, len(values))
	if n < 1 {
		return nil
	}
	out := make([]float64, n)
	from := 0
	for i := range out {
		// Dividing the remaining values by the remaining columns needs no
		// products, so nothing overflows, and widths differ by at most one.
		to := from + (len(values)-from)/(n-i)
		out[i] = how.join(values[from:to])
		from = to
	}
	return out
}

func (how Join) join(values []float64) float64 {
	var n float64
	out := math.NaN()
	for _, v := range values {
		if !finite(v) {
			continue
		}
		n++
		switch {
		case n == 1:
			out = v
		case how == Mean:
			out = out*((n-1)/n) + v/n // a sum could overflow
		default:
			out = max(out, v)
		}
	}
	return out
}

func finite(v float64) bool { return v-v == 0 }

// peak is the largest value, NaN without any.
func peak(values []float64) float64 { return Max.join(values) }

// window maps values to columns. Values are numbered from the first one ever
// recorded, and a column always holds the same range of numbers. So new values
// shift whole columns and never move a value from one column to another.
type window struct {
	cols        int
	perColumn   int
	size        int // number of values
	firstNumber int // the number of Values[0]
	lastColumn  int // the number of the column at the right end, counted from the first ever
}

func (s Spec) window(cols int) window {
	n := len(s.Values)
	seq := max(s.Seq, n)
	span := min(s.Span, maxSpan)
	w := window{cols: cols, perColumn: 1, size: n, firstNumber: seq - n}
	switch {
	case span > cols && cols == 1:
		w.perColumn = max(span, seq)
	case span > cols:
		// The newest column may hold a single value, so the span must fit into
		// the others.
		w.perColumn = (span-1)/(cols-1) + 1
	}
	w.lastColumn = max(seq-1, 0) / w.perColumn
	return w
}

// maxSpan is far above the length of any history; it prevents overflow of sums.
const maxSpan = 1 << 30

// column is the plot column of the value with index i; negative if it is not
// visible.
func (w window) column(i int) int {
	if i < 0 || i >= w.size {
		return -1
	}
	return w.cols - 1 - (w.lastColumn - (w.firstNumber+i)/w.perColumn)
}

// join returns one value per column.
func (w window) join(values []float64, how Join) []float64 {
	out := make([]float64, w.cols)
	for i := range out {
		from := (w.lastColumn-w.cols+1+i)*w.perColumn - w.firstNumber
		to := min(max(from+w.perColumn, 0), w.size)
		out[i] = how.join(values[min(max(from, 0), to):to])
	}
	return out
}
