package sweep

import (
	"slices"

	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// lengthFit finds how the times of batches depend on the lengths of their requests.
type lengthFit struct {
	bodies *BodyLengths // nil finds nothing
	found  *trial.ProbeLengths
}

// to fits to the samples so far.
func (f *lengthFit) to(samples []load.Sample) {
	b := f.bodies
	if b == nil || len(b.Lengths) == 0 || slices.Min(b.Lengths) == slices.Max(b.Lengths) {
		return
	}
	l, ok := predict.FitLengths(predict.Lengths{Drawn: b.Lengths, Pad: b.Padded, Buckets: b.Buckets}, samples)
	if !ok {
		return
	}
	f.found = &trial.ProbeLengths{
		RunMS: trial.NumOf(l.Run / 1e6), ElementUS: trial.NumOf(l.Each / 1e3), Spread: trial.NumOf(l.Spread),
		Drawn: b.Lengths[:min(len(b.Lengths), trial.MostDrawn)], Padded: b.Padded, Buckets: b.Buckets,
	}
}
