package sweep

import (
	"fmt"
	"math"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// disturbedMachine is the start of warnings and reasons that are about a disturbance.
const disturbedMachine = "machine busy with other work"

// part is the part of a run that counts: what is planned after the warm-up and outside of the rejected blocks.
type part struct {
	rejection
	warm     time.Duration
	usual    time.Duration   // the warm-up by the length of the run alone; warm may be longer
	ignored  []Disturbance   // disturbed blocks of a load that counts as a whole
	warnings []trial.Warning // about disturbed blocks that count
}

// countsWhole reports whether all of a load counts. The parts of a ramp or of a trace differ: without its first part, or without the
// block of its only burst, it is another load.
func countsWhole(l load.Spec) bool { return l.Mode == load.Ramp || l.Mode == load.Trace }

// countedPart returns the part of a run of this length that counts.
func countedPart(samples []load.Sample, l load.Spec, total time.Duration, disturbances []Disturbance) part {
	if countsWhole(l) {
		return wholePart(total, disturbances)
	}
	usual := warmupOfRun(total)
	if refusedAtStart(samples, usual) {
		usual = 0
	}
	p := part{warm: usual, usual: usual, rejection: rejectDisturbed(disturbances, usual, total)}
	if longer := serviceWarmup(samples, total); longer > usual && usual > 0 && p.blocks.Disturbed == 0 { // a disturbance may look like a warm-up
		p.warm, p.rejection = longer, rejectDisturbed(disturbances, longer, total)
	}
	if b := p.blocks; b.Disturbed > 0 {
		p.warn("%s in %d%% of blocks, which are too many to reject", disturbedMachine, 100*b.Disturbed/b.Kept)
	}
	return p
}

// wholePart is the part of a load that counts as a whole.
func wholePart(total time.Duration, disturbances []Disturbance) part {
	all := rejectAll(disturbances, 0, total).blocks
	p := part{rejection: rejection{blocks: trial.Blocks{Kept: all.Kept + all.Rejected, Why: all.Why}}}
	if all.Rejected == 0 {
		return p
	}
	p.ignored = disturbances
	if 2*all.Rejected > p.blocks.Kept {
		p.blocks.Disturbed = all.Rejected
	}
	p.warn("%s in %d%% of blocks, which count because the parts of this load differ", disturbedMachine, 100*all.Rejected/p.blocks.Kept)
	return p
}

func (p *part) warn(format string, args ...any) {
	p.warnings = append(p.warnings, trial.Warning{Text: fmt.Sprintf(format, args...)})
}

// refusedAtStart reports whether most requests of a run were sent in the warm-up, and most of those failed: clients whose requests
// are refused at once send the next ones at once.
func refusedAtStart(samples []load.Sample, warm time.Duration) bool {
	sent, failed := 0, 0
	for i := range samples {
		if samples[i].Planned < warm {
			sent++
			if samples[i].Outcome != load.OK {
				failed++
			}
		}
	}
	return 2*sent > len(samples) && 2*failed > sent
}

// The warm-up of service times is detected in means over blocks of warmupBlock, if there
// are at least minWarmupBlocks. It is removed only if its mean differs from that of the
// rest by more than minWarmupChange and by more than warmupSDs standard errors.
const (
	warmupBlock     = 100 * time.Millisecond
	minWarmupBlocks = 20
	minWarmupChange = .05
	warmupSDs       = 3
)

// serviceWarmup returns the length of the warm-up of service times, at most half of the
// time in which requests were sent; 0 if there is none.
func serviceWarmup(samples []load.Sample, total time.Duration) time.Duration {
	ends, values := blockServiceTimes(samples, total)
	n := min(stat.Warmup(values), len(values)/2)
	if n == 0 || len(values) < minWarmupBlocks {
		return 0
	}
	before, _ := meanSD(values[:n])
	mean, sd := meanSD(values[n:])
	if math.Abs(before-mean) <= max(minWarmupChange*mean, warmupSDs*sd/math.Sqrt(float64(n))) {
		return 0
	}
	lastSent := time.Duration(0) // total is much longer if the server is overloaded
	for i := range samples {
		lastSent = max(lastSent, samples[i].Planned)
	}
	return min(ends[n-1], lastSent/2)
}

// blockServiceTimes returns the mean service time of each block with answers, and the
// ends of these blocks. The times are relative to the mean of their batch size, because
// batch sizes change with the load and so would the times.
func blockServiceTimes(samples []load.Sample, total time.Duration) (ends []time.Duration, values []float64) {
	type sum struct{ n, time float64 }
	sizes := map[int32]sum{}
	for _, s := range samples {
		if s.Model > 0 {
			v := sizes[s.Batch]
			sizes[s.Batch] = sum{v.n + 1, v.time + float64(s.Model)}
		}
	}
	blocks := make([]sum, total/warmupBlock)
	for _, s := range samples {
		i := int((s.Planned + s.Latency) / warmupBlock)
		if s.Model > 0 && i < len(blocks) {
			v := sizes[s.Batch]
			blocks[i].n++
			blocks[i].time += float64(s.Model) * v.n / v.time
		}
	}
	for i, b := range blocks {
		if b.n > 0 {
			ends = append(ends, time.Duration(i+1)*warmupBlock)
			values = append(values, b.time/b.n)
		}
	}
	return ends, values
}

// meanSD returns the mean and the standard deviation.
func meanSD(v []float64) (mean, sd float64) {
	for _, x := range v {
		mean += x / float64(len(v))
	}
	for _, x := range v {
		sd += (x - mean) * (x - mean) / float64(len(v))
	}
	return mean, math.Sqrt(sd)
}
