package stat

// mserGroup is the 5 of MSER-5; series shorter than mserMin are not grouped.
const (
	mserGroup = 5
	mserMin   = 50
)

// Warmup returns the number of values at the start of a series that belong to the warm-up. The
// values should be stationary after the warm-up, such as the mean service time per 100 ms;
// latencies under load are not suitable, because they fluctuate.
//
// It is the rule MSER-5 (White 1997; White, Cobb and Spratt 2000): average the
// values in groups of 5, then remove the first d groups, with the d that minimizes
//
//	sum over i > d of (Y_i - mean of the rest)^2 / (groups - d)^2,
//
// the squared standard error of the rest. If d is in the second half, the series has
// not become stationary and Warmup returns len(values). Fewer than 50 values are not
// grouped; for fewer than 10 it returns 0.
func Warmup(values []float64) int {
	if len(values) < 2*mserGroup {
		return 0
	}
	group := 1
	if len(values) >= mserMin {
		group = mserGroup
	}
	y := make([]float64, len(values)/group)
	for i := range y {
		y[i], _ = meanSD(values[i*group : (i+1)*group])
	}
	cut := mser(y)
	if cut > len(y)/2 {
		return len(values)
	}
	return cut * group
}

// mser returns the d of Warmup. At least 5 values remain, because fewer may be equal by chance.
// It runs from the end, so that it can update the mean and the sum of squares of the rest
// (Welford).
func mser(y []float64) int {
	const minRest = 5
	best, cut := 0.0, -1
	var mean, ss float64
	for i := len(y) - 1; i >= 0; i-- {
		n := float64(len(y) - i)
		d := y[i] - mean
		mean += d / n
		ss += d * (y[i] - mean)
		if n < minRest {
			continue
		}
		if e := ss / (n * n); cut < 0 || e <= best {
			best, cut = e, i
		}
	}
	return cut
}
