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
	out, low, high := math.NaN(), math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !finite(v) {
			continue
		}
		n++
		low, high = min(low, v), max(high, v)
		switch {
		case n == 1:
			out = v
		case how == Mean:
			out = out*((n-1)/n) + v/n // a sum could overflow
		default:
			out = max(out, v)
		}
	}
	return min(max(out, low), high) // a rounded mean is between the values too
}

func finite(v float64) bool { return v-v == 0 }

// peak is the largest value, NaN without any.
func peak(values []float64) float64 { return Max.join(values) }
