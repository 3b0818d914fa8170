package sweep

import (
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// What others may take of the machine in a block, as shares of all its cores,
// before the block is rejected. The kernel counts in steps of 10 ms, so that
// half a second of two cores is known to 1%.
const (
	maxSteal   = .02
	maxForeign = .10
)

// Why a block is rejected, or what is not known of it: keys of trial.Blocks.Why.
const (
	reasonSteal   = "steal"
	reasonForeign = "foreign CPU"
	reasonUnknown = "n/a"
)

// Disturbance is what others took of the machine in one block of a run, as
// shares of all its cores, 0-1. NaN is not known.
type Disturbance struct {
	From, To time.Duration // since the run's start
	Steal    float64       // by the hypervisor
	Foreign  float64       // by processes that are neither server nor generator
}

// Why is why the block is rejected: "steal", "foreign CPU", or "" if it is kept.
// What is not known rejects nothing.
func (d Disturbance) RejectReason() string {
	switch {
	case d.Steal > maxSteal:
		return reasonSteal
	case d.Foreign > maxForeign:
		return reasonForeign
	}
	return ""
}

// unknown tells whether nothing could be read.
func (d Disturbance) isUnknown() bool { return d.Steal != d.Steal && d.Foreign != d.Foreign }

// cleaning is what is cut out of a run: its gaps lie between from and to, do not
// overlap, and ascend.
type rejection struct {
	gaps   []span
	blocks trial.Blocks
}

// What is clean of a run in which most is not counts alone if it is so long. A
// Stop is not shown anything else before patience has passed: a burst of other
// work ends.
const (
	minKeptTime = 2 * time.Second
	onlyUndisturbed    = 5 * time.Second
)

type span struct{ from, to time.Duration }

// clean decides which blocks between from and to are rejected, from the machine
// alone and never from what was measured in them. If that were more than half of
// them and little is left, all are kept and some called disturbed.
func rejectDisturbed(noise []Disturbance, from, to time.Duration) rejection {
	c := rejectAll(noise, from, to)
	if all := c.blocks.Kept + c.blocks.Rejected; 2*c.blocks.Rejected > all && to-from-totalTime(c.gaps) < minKeptTime {
		return rejection{blocks: trial.Blocks{Kept: all, Disturbed: c.blocks.Rejected}}
	}
	return c
}

// reject cuts out every block that others disturbed.
func rejectAll(noise []Disturbance, from, to time.Duration) rejection {
	c := rejection{blocks: trial.Blocks{Why: map[string]int{}}}
	for _, d := range noise {
		gap := span{max(d.From, from), min(d.To, to)}
		if gap.from >= gap.to {
			continue
		}
		why := d.RejectReason()
		switch {
		case why != "":
			c.gaps = append(c.gaps, gap)
			c.blocks.Rejected++
			c.blocks.Why[why]++
			continue
		case d.isUnknown():
			c.blocks.Why[reasonUnknown]++
		}
		c.blocks.Kept++
	}
	if len(c.blocks.Why) == 0 {
		c.blocks.Why = nil
	}
	return c
}

// samples are the samples planned outside of the gaps, on a time axis that is
// closed over them, so that blocks of it hold as many answers as there were.
// With gaps they are copies.
func (c rejection) keptSamples(all []load.Sample) []load.Sample {
	if len(c.gaps) == 0 {
		return all
	}
	out := make([]load.Sample, 0, len(all))
	for _, s := range all {
		i, in := slices.BinarySearchFunc(c.gaps, s.Planned, span.compare)
		if in {
			continue
		}
		s.Planned -= totalTime(c.gaps[:i])
		out = append(out, s)
	}
	return out
}

// compare places the span before, around or after a time.
func (s span) compare(t time.Duration) int {
	switch {
	case s.to <= t:
		return -1
	case s.from > t:
		return 1
	}
	return 0
}

// lost is how much of the run the gaps are.
func totalTime(gaps []span) (d time.Duration) {
	for _, g := range gaps {
		d += g.to - g.from
	}
	return d
}

// Clean cuts rejected blocks out of a run so far, as [Summarize] will: a Stop
// that is asked about the rest waits for as much of it as a verdict takes. In the
// first seconds it is shown clean blocks only, even where they are few. Samples
// stay the caller's and are not changed; without rejected blocks they
// are returned as they are.
func CutDisturbed(elapsed time.Duration, samples []load.Sample, noise []Disturbance) (time.Duration, []load.Sample) {
	c := rejectDisturbed(noise, warmup(elapsed), elapsed)
	if c.blocks.Disturbed > 0 && elapsed < onlyUndisturbed {
		c = rejectAll(noise, warmup(elapsed), elapsed)
	}
	return elapsed - totalTime(c.gaps), c.keptSamples(samples)
}
