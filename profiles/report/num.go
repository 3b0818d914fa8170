package report

import (
	"math"

	"sweetspot/sweep/trial"
)

// scale multiplies a figure, if it was measured.
func scale(n trial.Num, by float64) trial.Num {
	v, ok := n.Get()
	if !ok {
		return trial.Num{}
	}
	return trial.NumOf(v * by)
}

// sum adds figures; it is missing if one of them is.
func sum(all ...trial.Num) trial.Num {
	total := 0.0
	for _, n := range all {
		v, ok := n.Get()
		if !ok {
			return trial.Num{}
		}
		total += v
	}
	return trial.NumOf(total)
}

// ratio divides figures; it is missing if one of them is, or if b is 0.
func ratio(a, b trial.Num) trial.Num {
	x, okA := a.Get()
	y, okB := b.Get()
	if !okA || !okB {
		return trial.Num{}
	}
	return trial.NumOf(x / y) // a division by 0 is missing too
}

// round rounds a figure to this number of decimals.
func round(n trial.Num, decimals int) trial.Num {
	v, ok := n.Get()
	if !ok {
		return trial.Num{}
	}
	p := math.Pow10(decimals)
	return trial.NumOf(math.Round(v*p) / p)
}
