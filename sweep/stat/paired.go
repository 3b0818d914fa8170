package stat

import (
	"math"
	"math/rand/v2"
	"slices"
)

// resamples is the number of bootstrap samples; the 51st and the 1950th are the ends.
const resamples = 2000

// Paired compares two settings that were measured alternately: a[i] and b[i] are one figure,
// such as requests per second, in adjacent blocks. It returns the median of a[i]/b[i] with its
// 95% interval, the percentiles of the medians of 2000 bootstrap samples of the pairs (Efron
// 1979). Disturbances of the machine affect both blocks of a pair, so that they cancel.
//
// It ignores pairs with a figure that is not positive and finite; with fewer than 5 pairs the
// ends are open. Show the interval of a setting compared with itself beside the result, because
// nothing narrower can be claimed. It panics if a and b have different lengths.
func Paired(a, b []float64, rng *rand.Rand) Interval {
	if len(a) != len(b) {
		panic("stat: pairs of different lengths")
	}
	usable := func(v float64) bool { return v > 0 && !math.IsInf(v, 1) }
	var ratios []float64
	for i := range a {
		if usable(a[i]) && usable(b[i]) {
			ratios = append(ratios, a[i]/b[i])
		}
	}
	if len(ratios) == 0 {
		return notMeasured()
	}
	slices.Sort(ratios)
	iv := Interval{median(ratios), math.NaN(), math.NaN()}
	if len(ratios) < 5 {
		return iv
	}
	sample, medians := make([]float64, len(ratios)), make([]float64, resamples)
	for i := range medians {
		for j := range sample {
			sample[j] = ratios[rng.IntN(len(ratios))]
		}
		slices.Sort(sample)
		medians[i] = median(sample)
	}
	slices.Sort(medians)
	const tail = resamples * 25 / 1000
	iv.Low, iv.High = medians[tail], medians[resamples-1-tail]
	return iv
}

// median returns the median of sorted values: the middle one, or the mean of the middle two.
func median(sorted []float64) float64 {
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
