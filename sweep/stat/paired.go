package stat

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is how often Paired draws; the 51st and the 1950th are its ends.
const resamples = 2000

// Paired compares two settings that were measured in turns: a[i] and b[i] are
// one figure, such as requests per second, in neighbouring blocks. It returns
// the median of a[i]/b[i] with its 95% interval, the percentiles of the
// medians of 2000 bootstrap samples of the pairs (Efron 1979). Neighbours share
// what the machine was doing, so it cancels.
//
// Pairs in which a figure is not positive and finite are left out; fewer than 5
// leave the ends open. Show the interval of a setting against itself beside it:
// nothing narrower can be claimed. It panics unless a and b are of one length.
func Paired(a, b []float64, rng *rand.Rand) Interval {
	if len(a) != len(b) {
		panic("stat: pairs of unlike length")
	}
	usable := func(v float64) bool { return v > 0 && !math.IsInf(v, 1) }
	var ratios []float64
	for i := range a {
		if usable(a[i]) && usable(b[i]) {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	if len(ratios) == 0 {
		return unknown()
	}
	slices.Sort(ratios)
	iv := Interval{median(ratios), math.NaN(), math.NaN()}
	if len(ratios) < 5 {
		return iv
	}
	draw, medians := make([]float64, len(ratios)), make([]float64, resamples)
	for i := range medians {
		for j := range draw {
			draw[j] = ratios[rng.IntN(len(ratios))]
		}
		slices.Sort(draw)
		medians[i] = median(draw)
	}
	slices.Sort(medians)
	const tail = resamples * 25 / 1000
	iv.Low, iv.High = medians[tail], medians[resamples-1-tail]
	return iv
}

// median of sorted values: the middle one, or the mean of the middle two.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
