package chart

import "math"

// Bucket joins values into at most n columns of nearly equal width, in order.
// NaN and infinities are left out; a column without any value is NaN. Joined by
// Max no spike is lost. With no more than n values each keeps its own column.
func Bucket(values []float64, n int, how Join) []float64 {
	n = min(n, len(values))
	if n < 1 {
		return nil
	}
	out := make([]float64, n)
	from := 0
	for i := range out {
		// The remaining values over the remaining columns: no products, so no
		// overflow, and widths differ by one at most.
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

// window places values on columns. Values are numbered from the first one ever
// recorded, and a column is always the same per numbers, so that a moving
// history shifts whole columns and never regroups its values.
type window struct {
	cols   int
	per    int // values per column
	size   int // values there are
	oldest int // number of Values[0]
	newest int // column number, from the first ever, that stands at the right end
}

func (s Spec) window(cols int) window {
	n := len(s.Values)
	seq := max(s.Seq, n)
	span := min(s.Span, maxSpan)
	w := window{cols: cols, per: 1, size: n, oldest: seq - n}
	switch {
	case span > cols && cols == 1:
		w.per = max(span, seq)
	case span > cols:
		// The newest column may hold a single value: one column less is certain.
		w.per = (span-1)/(cols-1) + 1
	}
	w.newest = max(seq-1, 0) / w.per
	return w
}

// maxSpan is far above any history and keeps the sums here from overflowing.
const maxSpan = 1 << 30

// column is where the value with index i stands; negative when out of sight.
func (w window) column(i int) int {
	if i < 0 || i >= w.size {
		return -1
	}
	return w.cols - 1 - (w.newest - (w.oldest+i)/w.per)
}

// join returns one value per column.
func (w window) join(values []float64, how Join) []float64 {
	out := make([]float64, w.cols)
	for i := range out {
		from := (w.newest-w.cols+1+i)*w.per - w.oldest
		to := min(max(from+w.per, 0), w.size)
		out[i] = how.join(values[min(max(from, 0), to):to])
	}
	return out
}
