package search

import (
	"sweetspot/sweep/predict"
	"sweetspot/sweep/trial"
)

// lengthTimes is how the times of a group depend on lengths, from the probe of a batch size.
type lengthTimes struct {
	batch int
	predict.Lengths
}

// keepLengths keeps what a probe says of lengths, if its batch is not smaller than that of the
// probe before it: in large batches the times of the elements show best.
func (m *model) keepLengths(g group, p trial.Probe) {
	l := p.Lengths
	if l == nil || len(l.Drawn) == 0 || p.BatchSize < m.lengths[g].batch {
		return
	}
	run, each := l.RunMS.Or(0)*1e6, l.ElementUS.Or(0)*1e3
	if run+each <= 0 {
		return
	}
	m.lengths[g] = lengthTimes{p.BatchSize, predict.Lengths{
		Drawn: l.Drawn, Pad: l.Padded, Buckets: l.Buckets, Run: run, Each: each, Spread: l.Spread.Or(0),
	}}
}

// lengthsOf is how the times of a group depend on lengths; that of the group whose times it
// takes, if it was not probed. It is nil where requests have one length.
func (m *model) lengthsOf(g group) *predict.Lengths {
	if len(m.lengths) == 0 {
		return nil
	}
	l, ok := m.lengths[g]
	if _, probed := m.times[g]; !probed {
		from, _ := m.stand(g)
		l, ok = m.lengths[from]
	}
	if !ok {
		return nil
	}
	return &l.Lengths
}
