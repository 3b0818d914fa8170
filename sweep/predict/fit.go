package predict

import (
	"math"
	"slices"
	"time"

	"sweetspot/sweep/load"
)

// fitBatches is the least number of batches from which FitLengths fits.
const fitBatches = 10

// FitLengths fits Run, Each and Spread of l to the batches of a measurement, whose bodies have
// the lengths l.Drawn in their order: least squares of the relative errors, and again without
// the tenth of the batches that are the farthest off. It returns false if the samples tell no
// batch sizes, or too few batches.
func FitLengths(l Lengths, samples []load.Sample) (Lengths, bool) {
	all := observedWork(&l, samples)
	if len(all) < fitBatches {
		return l, false
	}
	l.fit(all)
	off := func(b workTime) float64 { return math.Abs(b.time/l.time(b) - 1) }
	slices.SortFunc(all, func(a, b workTime) int { return compare(off(a), off(b)) })
	all = all[:len(all)-len(all)/10]
	l.fit(all)
	if !(l.Run+l.Each > 0) {
		return l, false
	}
	sum := 0.0
	for _, b := range all {
		e := b.time/l.time(b) - 1
		sum += e * e
	}
	l.Spread = min(math.Sqrt(sum/float64(len(all))), 1)
	return l, true
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// workTime is a batch with the time that it took, in ns.
type workTime struct{ runs, elements, time float64 }

func (l *Lengths) time(b workTime) float64 { return l.Run*b.runs + l.Each*b.elements }

// observedWork returns the batches of the samples. The samples of one batch have the same time
// and size.
func observedWork(l *Lengths, samples []load.Sample) []workTime {
	type key struct {
		time time.Duration
		size int32
	}
	open := map[key][]int64{}
	var out []workTime
	for _, s := range samples {
		if s.Batch < 1 || s.Model <= 0 || int(s.Body) >= len(l.Drawn) {
			continue
		}
		k := key{s.Model, s.Batch}
		open[k] = append(open[k], l.Drawn[s.Body])
		if len(open[k]) == int(s.Batch) {
			runs, elements := l.work(open[k])
			out = append(out, workTime{runs, elements, float64(s.Model)})
			delete(open, k)
		}
	}
	return out
}

// fit sets Run and Each to the least squares of the relative errors, neither below 0.
func (l *Lengths) fit(all []workTime) {
	var rr, re, ee, r, e float64 // sums over runs/time and elements/time, which are to give 1
	for _, b := range all {
		x, y := b.runs/b.time, b.elements/b.time
		rr, re, ee, r, e = rr+x*x, re+x*y, ee+y*y, r+x, e+y
	}
	l.Run, l.Each = 0, 0
	if d := rr*ee - re*re; d > 1e-9*rr*ee { // else both are proportional: equal lengths
		l.Run, l.Each = (r*ee-e*re)/d, (e*rr-r*re)/d
	}
	switch {
	case l.Run > 0 && l.Each >= 0:
	case l.Each > 0 || l.Run <= 0 && ee > 0:
		l.Run, l.Each = 0, e/ee
	default:
		l.Run, l.Each = r/rr, 0
	}
}
