package report

import (
	"math"
	"strconv"

	"sweetspot/profiles/report/draw"
)

// axis maps values to a range of pixels, linearly or by their logarithms.
type axis struct {
	low, high float64 // values at from and to
	from, to  float64 // pixels
	log       bool
}

// newAxis returns an axis for the values. If log may be true and they differ by much, it is
// logarithmic. A linear axis starts at 0.
func newAxis(values []float64, from, to float64, mayBeLog bool) axis {
	const wide = 20 // above this ratio small values of a linear axis cannot be told apart
	low, high := math.Inf(1), 0.0
	for _, v := range values {
		if v > 0 && v-v == 0 {
			low, high = min(low, v), max(high, v)
		}
	}
	a := axis{from: from, to: to}
	switch {
	case high <= 0: // no values
		a.high = 1
	case mayBeLog && high/low > wide:
		a.log, a.low, a.high = true, low/1.25, high*1.25
	default:
		a.high = high * 1.08
	}
	return a
}

// at returns the pixel of a value.
func (a axis) at(v float64) float64 {
	low, high := a.low, a.high
	if a.log {
		if v <= 0 {
			return a.from
		}
		low, high, v = math.Log(low), math.Log(high), math.Log(v)
	}
	return a.from + (v-low)/(high-low)*(a.to-a.from)
}

// has reports whether a value is on the axis.
func (a axis) has(v float64) bool { return v >= a.low && v <= a.high }

// ticks returns round values on the axis, at most about n.
func (a axis) ticks(n int) []float64 {
	if a.log {
		return a.logTicks(n)
	}
	step := niceStep((a.high - a.low) / float64(n))
	var out []float64
	for v := math.Ceil(a.low/step) * step; v <= a.high*(1+1e-9); v += step {
		out = append(out, v)
	}
	return out
}

// logTicks returns 1, 2 and 5 times the powers of ten, or only these if there are too many.
func (a axis) logTicks(n int) []float64 {
	for _, factors := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		var out []float64
		for e := math.Floor(math.Log10(a.low)); e <= math.Ceil(math.Log10(a.high)); e++ {
			for _, f := range factors {
				if v := f * math.Pow(10, e); a.has(v) {
					out = append(out, v)
				}
			}
		}
		if len(out) <= n || len(factors) == 1 {
			return out
		}
	}
	return nil
}

// niceStep returns 1, 2 or 5 times a power of ten, at least v.
func niceStep(v float64) float64 {
	p := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 5} {
		if f*p >= v*(1-1e-9) {
			return f * p
		}
	}
	return 10 * p
}

// tickText formats a value of an axis.
func tickText(v float64) string {
	switch {
	case v >= 10000 && math.Mod(v, 1000) == 0:
		return strconv.FormatFloat(v/1000, 'f', -1, 64) + "k"
	case v >= 1000 || v == 0:
		return strconv.FormatFloat(v, 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'g', 3, 64)
}

// frame is the area of a plot in a picture, with its axes.
type frame struct {
	*draw.Picture
	left, right, top, bottom float64
	x, y                     axis
}

const labelSize = 12

// drawY draws the grid and the labels of the vertical axis.
func (f frame) drawY(n int) {
	for _, v := range f.y.ticks(n) {
		y := f.y.at(v)
		f.Line(draw.Grid, 1, draw.Point{X: f.left, Y: y}, draw.Point{X: f.right, Y: y})
		f.Text(draw.Muted, labelSize, draw.End, draw.Point{X: f.left - 7, Y: y + 4}, tickText(v))
	}
}

// drawX draws the grid and the labels of the horizontal axis.
func (f frame) drawX(n int) {
	for _, v := range f.x.ticks(n) {
		x := f.x.at(v)
		f.Line(draw.Grid, 1, draw.Point{X: x, Y: f.top}, draw.Point{X: x, Y: f.bottom})
		f.Text(draw.Muted, labelSize, draw.Middle, draw.Point{X: x, Y: f.bottom + 17}, tickText(v))
	}
	f.Line(draw.Axis, 1, draw.Point{X: f.left, Y: f.bottom}, draw.Point{X: f.right, Y: f.bottom})
}
