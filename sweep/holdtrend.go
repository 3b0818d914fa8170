package sweep

import (
	"fmt"
	"math"
	"slices"

	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// What a trend must be.
const (
	steadyWithin  = .10  // a change whose whole interval is smaller is none
	leastLatency  = .01  // the smallest change of latencies that is one
	leastMemory   = .002 // the same of memory, because a leak matters after days
	holdQuarters  = 4
	secondsAnHour = 3600
)

// latencyTrend returns the trend of the percentile of the promise. Disturbed periods do not count: what others do to the machine
// is no drift of the server.
func latencyTrend(periods []trial.HoldPeriod) trial.Trend {
	times, values := figures(periods, func(p trial.HoldPeriod) trial.Num {
		if p.Disturbed() {
			return trial.Num{}
		}
		return p.Verdict.ValueMS
	})
	t := trendOf(times, values, leastLatency)
	if len(values) == 0 {
		t.Why = "no period has enough answers for the percentile"
	}
	return t
}

// memoryTrend returns the trend of the memory of the server. Memory that grew once, such as that of an arena, is not growing: it must
// have grown in each of the last three quarters of the time.
func memoryTrend(periods []trial.HoldPeriod) trial.Trend {
	times, values := figures(periods, func(p trial.HoldPeriod) trial.Num { return p.MemoryMB })
	t := trendOf(times, values, leastMemory)
	if len(values) == 0 {
		t.Why = "the target does not report its memory"
	}
	if t.Drift == trial.Growing && !growsThroughout(values) {
		t.Drift, t.Why = trial.Unclear, "it grew once, and not all the time"
	}
	return t
}

// figures returns the figures of the measured periods, and the hours of their middles.
func figures(periods []trial.HoldPeriod, of func(trial.HoldPeriod) trial.Num) (times, values []float64) {
	for _, p := range periods {
		if v, ok := of(p).Get(); ok && p.Measured() {
			times, values = append(times, (p.FromS+p.Seconds/2)/secondsAnHour), append(values, v)
		}
	}
	return times, values
}

// trendOf returns the trend of values at times in hours. A change smaller than least, as a share, is none.
func trendOf(times, values []float64, least float64) trial.Trend {
	t := trial.Trend{Drift: trial.Unclear}
	if len(values) == 0 {
		return t
	}
	t.Lowest, t.Highest = trial.NumOf(slices.Min(values)), trial.NumOf(slices.Max(values))
	t.Median = trial.NumOf(stat.Quantile(values, .5).Value)
	if len(values) < stat.TrendMin {
		t.Why = fmt.Sprintf("%d periods have this figure; a trend takes %d", len(values), stat.TrendMin)
		return t
	}
	slope := stat.Trend(times, values)
	span, middle, mean := times[len(times)-1]-times[0], 0., 0.
	for i, v := range values {
		mean, middle = mean+v/float64(len(values)), middle+times[i]/float64(len(values))
	}
	first := mean - slope.Value*(middle-times[0])
	t.PerHour = toEstimate(slope)
	t.First, t.Last = trial.NumOf(first), trial.NumOf(first+slope.Value*span)
	change := stat.Interval{Value: slope.Value * span / first, Low: slope.Low * span / first, High: slope.High * span / first}
	t.Change = toEstimate(change)
	switch {
	case stat.IsTrend(slope) && math.Abs(change.Value) >= least && change.Value > 0:
		t.Drift = trial.Growing
	case stat.IsTrend(slope) && math.Abs(change.Value) >= least:
		t.Drift = trial.Falling
	case math.Max(math.Abs(change.Low), math.Abs(change.High)) <= steadyWithin:
		t.Drift = trial.Steady
	default:
		t.Why = fmt.Sprintf("a change between %+.0f%% and %+.0f%% is possible", 100*change.Low, 100*change.High)
	}
	return t
}

// growsThroughout reports whether each of the last three quarters has a value above all before the quarter. Of the highest memory so far
// of a steady server that is so in one case of 24: the probability that a part of n values in random order, after m others, has none
// above all before is m/(m+n).
func growsThroughout(values []float64) bool {
	n := len(values)
	for q := 1; q < holdQuarters; q++ {
		before, part := values[:q*n/holdQuarters], values[q*n/holdQuarters:(q+1)*n/holdQuarters]
		if slices.Max(part) <= slices.Max(before) {
			return false
		}
	}
	return true
}
