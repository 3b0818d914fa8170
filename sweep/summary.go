package sweep

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"sweetspot/engine/latency"
	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// disturbedMachine is the start of warnings and reasons that are about a disturbance.
const disturbedMachine = "machine busy with other work"

// Summarize returns the result of a run under the load l, with its verdict. why, if not
// empty, is the reason why the run ended. disturbances are those of its blocks, in order;
// without them no block is rejected. The target adds the use of resources.
//
// Requests planned during the warm-up do not count. Requests planned in rejected blocks
// count in Counts and in the error rate of the verdict, but not in latencies and
// throughput.
func Summarize(r load.Result, l load.Spec, sla trial.SLA, why string, disturbances ...Disturbance) trial.Result {
	total := time.Duration(r.Seconds * float64(time.Second))
	warm := warmupOfRun(total)
	cut := rejectDisturbed(disturbances, warm, total)
	if longer := serviceWarmup(r.Samples, total); longer > warm && cut.blocks.Disturbed == 0 { // a disturbance may look like a warm-up
		warm = longer
		cut = rejectDisturbed(disturbances, warm, total)
	}
	measured := plannedAfter(r.Samples, warm)
	kept := cut.keptSamples(measured)
	out := trial.Result{
		Seconds: total.Seconds() - warm.Seconds(), WarmupSeconds: warm.Seconds(),
		Counts: counts(measured), Status: statuses(measured), Warnings: []trial.Warning{},
		Breakdown: breakdown(kept), Batches: batches(kept),
		Lag: lag(r.Lag), Blocks: cut.blocks,
	}
	if r.Planned > 0 {
		planned := max(r.Planned-(len(r.Samples)-len(measured)), 0)
		out.Counts.Planned = &planned
	}
	out.Counts.Late = r.Late
	rate, blocks := rateOf(cut.keptSamples(r.Samples), warm, total-totalTime(cut.gaps))
	if len(disturbances) == 0 {
		out.Blocks.Kept = blocks
	}
	out.Throughput = toEstimate(rate)
	out.Latency, out.Hist = latencyFigures(latencies(kept, trial.RequestLatency))
	m := stat.Quantiles(latencies(kept, trial.ModelLatency), .5, .9, .99)
	out.Model = trial.ModelLatencies{P50: trial.NumOf(m[0].Value), P90: trial.NumOf(m[1].Value), P99: trial.NumOf(m[2].Value)}
	out.QueueTimes = queueTimes(kept)
	out.Warnings = append(out.Warnings, warnings(r, warm)...)
	if out.Disturbed() {
		out.Warnings = append(out.Warnings, trial.Warning{
			Text: fmt.Sprintf("%s in %d%% of blocks, which are too many to reject", disturbedMachine, 100*cut.blocks.Disturbed/cut.blocks.Kept),
		})
	}
	out.GeneratorLimited = r.Limited
	requests := RequestsOf(kept, l, sla.Latency)
	if len(kept) != len(measured) { // errors in rejected blocks count too
		all := RequestsOf(measured, l, sla.Latency)
		requests.Failed, requests.Sent = all.Failed, all.Sent
	}
	out.Verdict = Decide(sla, requests, 0, why)
	out.Held = heldOf(r.Samples, warmupOfRun(total), requests, sla)
	if out.Counts.Sent == 0 {
		out.Verdict.ErrorRate = trial.Num{}
	}
	if r.Capped {
		JudgeCapped(&out.Verdict, out.Counts.Errors() > sla.MaxErrorRate, r.Warning)
	}
	if out.Verdict.Result == trial.Fail && out.Counts.Errors() <= sla.MaxErrorRate {
		switch {
		case mayBeDisturbance(out, kept, sla):
			out.Verdict.Result, out.Verdict.Why = trial.Undecided, disturbedMachine+", which may be the cause; "+out.Verdict.Why
		case r.Limited:
			out.Verdict.Result, out.Verdict.Why = trial.Undecided, r.Warning+"; "+out.Verdict.Why
		}
	}
	return out
}

// disturbanceFactor is the largest median / limit that a disturbance may cause: other processes may
// use half of the machine, but rarely more for a long time.
const disturbanceFactor = 2

// mayBeDisturbance reports whether a disturbance may be the cause of a failure: most
// blocks were disturbed, and half of the requests are not too far above the limit.
func mayBeDisturbance(out trial.Result, kept []load.Sample, sla trial.SLA) bool {
	if !out.Disturbed() {
		return false
	}
	median := stat.Quantile(latencies(kept, sla.Latency), .5).Value
	return median <= disturbanceFactor*ms(sla.Limit)
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

func counts(samples []load.Sample) trial.Counts {
	c := trial.Counts{Sent: len(samples)}
	for _, s := range samples {
		switch s.Outcome {
		case load.OK:
			c.OK++
		case load.Refused:
			c.Refused++
		case load.Failed:
			c.Failed++
		case load.Timeout:
			c.Timeout++
		}
	}
	return c
}

// statuses counts HTTP statuses; requests without a status count as "none".
func statuses(samples []load.Sample) map[string]int {
	out := map[string]int{}
	for _, s := range samples {
		key := "none"
		if s.Status > 0 {
			key = strconv.Itoa(int(s.Status))
		}
		out[key]++
	}
	return out
}

// latencyFigures returns the statistics of latencies in ms and their histogram.
func latencyFigures(values []float64) (trial.Latencies, trial.Hist) {
	q := stat.Quantiles(values, .5, .9, .95, .99, .999)
	l := trial.Latencies{P50: toEstimate(q[0]), P90: toEstimate(q[1]), P95: toEstimate(q[2]), P99: toEstimate(q[3]), P999: toEstimate(q[4])}
	h := latency.New()
	sum := 0.0
	for _, v := range values {
		sum += v
		h.Record(time.Duration(v * float64(time.Millisecond)))
	}
	if len(values) > 0 {
		l.Mean, l.Max = trial.NumOf(sum/float64(len(values))), trial.NumOf(slices.Max(values))
	}
	text, err := h.Encode()
	if err != nil {
		panic("sweep: " + err.Error()) // a histogram made by latency.New can always be encoded
	}
	return l, trial.Hist{Unit: "us", HDR: text}
}

func breakdown(samples []load.Sample) trial.Breakdown {
	var n float64
	var decode, queue, formation, execution, encode time.Duration
	for _, s := range samples {
		if s.Outcome != load.OK || s.Model == 0 {
			continue
		}
		n++
		decode, queue, formation = decode+s.Decode, queue+s.Queue, formation+s.Formation
		execution, encode = execution+s.Model, encode+s.Encode
	}
	mean := func(d time.Duration) trial.Num { return trial.NumOf(ms(d) / n) } // if n is 0: NaN, a missing number
	return trial.Breakdown{
		Decode: mean(decode), Queue: mean(queue), Formation: mean(formation),
		Execution: mean(execution), Encode: mean(encode),
	}
}

// queueTimes returns percentiles of the time before the execution; they are missing if the target
// does not report the parts of requests.
func queueTimes(samples []load.Sample) trial.QueueTimes {
	var waits []float64
	for _, s := range samples {
		if s.Outcome == load.OK && s.Model > 0 {
			waits = append(waits, ms(s.Queue+s.Formation))
		}
	}
	q := stat.Quantiles(waits, .5, .9, .99)
	return trial.QueueTimes{P50: trial.NumOf(q[0].Value), P90: trial.NumOf(q[1].Value), P99: trial.NumOf(q[2].Value)}
}

// batches returns the sizes of the batches of the answers: b answers with batch size b are one
// batch.
func batches(samples []load.Sample) trial.Batches {
	answers := map[int]int{}
	for _, s := range samples {
		if s.Batch > 0 {
			answers[int(s.Batch)]++
		}
	}
	out := trial.Batches{Sizes: map[int]int{}}
	rows, n := 0, 0.0
	for size, count := range answers {
		rows += count
		n += float64(count) / float64(size)
		if whole := int(math.Round(float64(count) / float64(size))); whole > 0 {
			out.Sizes[size] = whole
		}
	}
	out.Mean = trial.NumOf(float64(rows) / n)
	return out
}

func lag(h *latency.Hist) trial.Lag {
	if h == nil || h.Count() == 0 {
		return trial.Lag{}
	}
	return trial.Lag{P50: trial.NumOf(ms(h.Quantile(.5))), P99: trial.NumOf(ms(h.Quantile(.99)))}
}

// warnings returns the warnings about a run.
func warnings(r load.Result, warm time.Duration) []trial.Warning {
	var out []trial.Warning
	if r.Warning != "" {
		out = append(out, trial.Warning{Kind: trial.GeneratorLimited, Text: r.Warning})
	}
	n := 0
	for _, s := range r.Samples {
		if s.Planned < warm && s.Outcome != load.OK {
			n++
		}
	}
	if n > 0 {
		out = append(out, trial.Warning{Text: fmt.Sprintf("%d requests failed, timed out or were refused during the warm-up", n)})
	}
	if r.Err != "" {
		out = append(out, trial.Warning{Text: r.Err})
	}
	return out
}
