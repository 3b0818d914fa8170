package search

import (
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// maxSpread bounds the spread of measured times: a wider one comes from disturbances.
const maxSpread = .3

// lengthTimes is how the times of a group depend on lengths, from the probe of a batch size.
type lengthTimes struct {
	batch int
	predict.Lengths
}

// addLengths adds what a probe says of lengths, if its batch is not smaller than that of the
// probe before it: in large batches the times of the elements show best.
func (sim *simulator) addLengths(g group, p trial.Probe) {
	l := p.Lengths
	if l == nil || len(l.Drawn) == 0 || p.BatchSize < sim.lengths[g].batch {
		return
	}
	run, each := l.RunMS.Or(0)*1e6, l.ElementUS.Or(0)*1e3
	if run+each <= 0 {
		return
	}
	sim.lengths[g] = lengthTimes{p.BatchSize, predict.Lengths{
		Drawn: l.Drawn, Pad: l.Padded, Buckets: l.Buckets, Run: run, Each: each, Spread: min(l.Spread.Or(0), maxSpread),
	}}
}

// lengthsOf returns how the times of a group depend on lengths, or those of its substitute if it
// has no probe; nil if requests have one length.
func (sim *simulator) lengthsOf(g group) *predict.Lengths {
	if len(sim.lengths) == 0 {
		return nil
	}
	l, ok := sim.lengths[g]
	if _, probed := sim.serviceTimes[g]; !probed {
		from, _ := sim.substitute(g)
		l, ok = sim.lengths[from]
	}
	if !ok {
		return nil
	}
	return &l.Lengths
}
