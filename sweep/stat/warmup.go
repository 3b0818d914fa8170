package stat

// mserGroup is the 5 of MSER-5; shorter series than mserMin are not grouped.
const (
	mserGroup = 5
	mserMin   = 50
)

// Warmup returns how many values at the start of a series belong to its
// warm-up. Give it something that is steady when the server is, such as the
// mean service time per 100 ms; latencies under load are no good, they wander.
//
// It is the rule MSER-5 (White 1997; White, Cobb and Spratt 2000): average the
// values in groups of 5, then cut off the d groups that make
//
//	sum over i > d of (Y_i - mean of the rest)^2 / (groups - d)^2
//
// least: the squared standard error of what remains. If that is past the
// middle, the series has not come to rest and everything is warm-up:
// len(values) is returned. Fewer than 50 values are taken one by one, fewer
// than 10 say nothing: 0.
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

// mser is the d of Warmup. The last 5 are never left alone: few values agree
// by chance. It runs from the end, so that mean and sum of squares of the rest
// are updated (Welford) instead of summed up again.
func mser(y []float64) int {
	const rest = 5
	best, cut := 0.0, -1
	var mean, ss float64
	for i := len(y) - 1; i >= 0; i-- {
		n := float64(len(y) - i)
		d := y[i] - mean
		mean += d / n
		ss += d * (y[i] - mean)
		if n < rest {
			continue
		}
		if e := ss / (n * n); cut < 0 || e <= best {
			best, cut = e, i
		}
	}
	return cut
}
