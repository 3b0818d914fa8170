package stat

import (
	"math"
	"time"
)

// t95By has the two-sided 95% points of Student's t for 1 to 9 degrees of freedom.
var t95By = [batches]float64{1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: t95}

// Mean returns the mean of the values, in time order, with its 95% interval. It splits the
// values into 10 batches (fewer if there are fewer values); the ends are mean -+ t sd/sqrt(10)
// of the batch means, so that adjacent values may be correlated. Both ends are open for one
// value.
func Mean(values []float64) Interval {
	if len(values) == 0 {
		return notMeasured()
	}
	k := min(batches, len(values))
	means := make([]float64, k)
	for j := range k {
		means[j], _ = meanSD(values[j*len(values)/k : (j+1)*len(values)/k])
	}
	mean, _ := meanSD(values)
	if k == 1 {
		return Interval{mean, math.NaN(), math.NaN()}
	}
	_, sd := meanSD(means)
	half := t95By[k-1] * sd / math.Sqrt(float64(k))
	return Interval{mean, mean - half, mean + half}
}

// Rate returns the events per second with its 95% interval; counts are the events in blocks of
// equal length.
func Rate(counts []int, block time.Duration) Interval {
	rates := make([]float64, len(counts))
	for i, c := range counts {
		rates[i] = float64(c) / block.Seconds()
	}
	iv := Mean(rates)
	iv.Low = max(iv.Low, 0) // max keeps an open end, because it returns NaN if either is NaN
	return iv
}
