package sweep

import (
	"slices"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/trial"
)

// Limits of the disturbance of a block, as shares of all cores; a block above a limit is
// rejected. The kernel counts in steps of 10 ms, so for half a second of two cores the
// error is 1%.
const (
	maxSteal   = .02
	maxForeign = .10
)

// Keys of trial.Blocks.Why: the reasons of rejected blocks, and "n/a" if the disturbance of a kept
// block is unknown.
const (
	reasonSteal   = "steal"
	reasonForeign = "foreign CPU"
	reasonUnknown = "n/a"
)

// Disturbance is the use of the machine by others in one block of a run, as a share of
// all cores, 0-1. NaN is unknown.
type Disturbance struct {
	From, To time.Duration // since the start of the run
	Steal    float64       // by the hypervisor
	Foreign  float64       // by processes other than the server and the load generator
}

// RejectReason returns why the block is rejected: "steal" or "foreign CPU"; "" if it is
// kept. A block whose disturbance is unknown is kept.
func (d Disturbance) RejectReason() string {
	switch {
	case d.Steal > maxSteal:
		return reasonSteal
	case d.Foreign > maxForeign:
		return reasonForeign
	}
	return ""
}

// isUnknown reports whether the disturbance could not be read.
func (d Disturbance) isUnknown() bool { return d.Steal != d.Steal && d.Foreign != d.Foreign }

// rejection has the times of the rejected blocks of a run, ascending and not overlapping,
// and the numbers of blocks.
type rejection struct {
	gaps   []span
	blocks trial.Blocks
}

const (
	// minKeptTime is the shortest remaining time of a run in which most blocks are disturbed:
	// if less remains, all blocks are kept.
	minKeptTime = 2 * time.Second
	// onlyUndisturbed is how long a Stop gets only undisturbed blocks, even if they are few: the
	// disturbance may end soon.
	onlyUndisturbed = 5 * time.Second
)

type span struct{ from, to time.Duration }

// rejectDisturbed rejects the disturbed blocks between from and to. It depends on the
// disturbances only and not on the latencies in the blocks. If more than half of the
// blocks are disturbed and too little time remains without them, all are kept.
func rejectDisturbed(disturbances []Disturbance, from, to time.Duration) rejection {
	c := rejectAll(disturbances, from, to)
	if all := c.blocks.Kept + c.blocks.Rejected; 2*c.blocks.Rejected > all && to-from-totalTime(c.gaps) < minKeptTime {
		return rejection{blocks: trial.Blocks{Kept: all, Disturbed: c.blocks.Rejected}}
	}
	return c
}

// rejectAll rejects every disturbed block between from and to.
func rejectAll(disturbances []Disturbance, from, to time.Duration) rejection {
	c := rejection{blocks: trial.Blocks{Why: map[string]int{}}}
	for _, d := range disturbances {
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

// keptSamples returns the samples that were planned outside of the gaps. The gaps are
// removed from the time axis too, so that the throughput of blocks is correct. If there
// are gaps, the samples are copies.
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

// compare returns -1 if the span is before t, 1 if it is after t, and 0 if t is in it.
func (s span) compare(t time.Duration) int {
	switch {
	case s.to <= t:
		return -1
	case s.from > t:
		return 1
	}
	return 0
}

// totalTime returns the total length of the gaps.
func totalTime(gaps []span) (d time.Duration) {
	for _, g := range gaps {
		d += g.to - g.from
	}
	return d
}

// CutDisturbed returns the time and the samples of a run so far without its rejected
// blocks, for a Stop: it rejects those that [Summarize] will reject, so that a run lasts
// until the remaining samples are enough for a verdict. In the first 5 seconds it rejects
// all disturbed blocks. It does not change samples; if no block is rejected, it returns
// them as they are.
func CutDisturbed(elapsed time.Duration, samples []load.Sample, disturbances []Disturbance) (time.Duration, []load.Sample) {
	c := rejectDisturbed(disturbances, warmup(elapsed), elapsed)
	if c.blocks.Disturbed > 0 && elapsed < onlyUndisturbed {
		c = rejectAll(disturbances, warmup(elapsed), elapsed)
	}
	return elapsed - totalTime(c.gaps), c.keptSamples(samples)
}
