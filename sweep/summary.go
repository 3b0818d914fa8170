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

// busyMachine is what warnings and reasons call a machine that others disturb.
const disturbedMachine = "machine busy with other work"

// Summarize turns a run under the load l into a trial's result and judges it. why, if not empty,
// is what ended the run, noise what others took of the machine in its blocks, in
// order; without it no block is rejected. Utilization is the target's to add.
//
// What was planned during the warm-up counts nowhere. What was planned in
// rejected blocks counts as sent, failed or refused, and in no other figure.
func Summarize(r load.Result, l load.Spec, sla trial.SLA, why string, noise ...Disturbance) trial.Result {
	total := time.Duration(r.Seconds * float64(time.Second))
	warm := warmup(total)
	cut := rejectDisturbed(noise, warm, total)
	if settled := serviceWarmup(r.Samples, total); settled > warm && cut.blocks.Disturbed == 0 { // else it may be the others' doing
		warm = settled
		cut = rejectDisturbed(noise, warm, total)
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
	answers := countAnswers(cut.keptSamples(r.Samples), warm, total-totalTime(cut.gaps))
	if len(noise) == 0 {
		out.Blocks.Kept = len(answers)
	}
	out.Throughput = toEstimate(stat.Rate(answers, rateBlock))
	out.Latency, out.Hist = latencyFigures(latencies(kept, trial.RequestLatency))
	m := stat.Quantiles(latencies(kept, trial.ModelLatency), .5, .99)
	out.Model = trial.ModelLatencies{P50: trial.NumOf(m[0].Value), P99: trial.NumOf(m[1].Value)}
	out.Warnings = append(out.Warnings, warnings(r, warm)...)
	if out.Disturbed() {
		out.Warnings = append(out.Warnings, trial.Warning{
			Text: fmt.Sprintf("%s: %d%% of blocks; figures not cleaned", disturbedMachine, 100*cut.blocks.Disturbed/cut.blocks.Kept),
		})
	}
	out.GeneratorLimited = r.Limited
	seen := RequestsOf(kept, l, sla.Latency)
	if len(kept) != len(measured) { // errors count wherever they were
		all := RequestsOf(measured, l, sla.Latency)
		seen.Failed, seen.Sent = all.Failed, all.Sent
	}
	out.Verdict = Decide(sla, seen, 0, why)
	if out.Verdict.Result == trial.Fail && out.Counts.Errors() <= sla.MaxErrorRate {
		switch {
		case mayBeDisturbance(out, kept, sla):
			out.Verdict.Result, out.Verdict.Why = trial.Undecided, disturbedMachine+" may be why; "+out.Verdict.Why
		case r.Limited:
			out.Verdict.Result, out.Verdict.Why = trial.Undecided, r.Warning+"; "+out.Verdict.Why
		}
	}
	return out
}

// hopeless is by how much the median is over the limit where no neighbour is to
// blame: they may take half of a machine, hardly more of it for long.
const disturbanceFactor = 2

// others tells whether a broken promise may be the doing of a machine's other
// work: it was busy throughout, and half of the requests were near enough to the
// limit.
func mayBeDisturbance(out trial.Result, kept []load.Sample, sla trial.SLA) bool {
	if !out.Disturbed() {
		return false
	}
	median := stat.Quantile(latencies(kept, sla.Latency), .5).Value
	return median <= disturbanceFactor*ms(sla.Limit)
}

// The warm-up of the service itself is looked for in means over settleBlock, if
// there are settleFewest of them. It is cut off only if it differs from the rest
// by more than settleLeast of it, and by more than chance does.
const (
	warmupBlock  = 100 * time.Millisecond
	minWarmupBlocks = 20
	minWarmupChange  = .05
	warmupSDs     = 3
)

// settling is how long the service took to come to rest, at most half of the
// time in which requests were sent; 0 if its times were those of the rest from the beginning.
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
	sent := time.Duration(0) // when the last request was due: an overloaded server goes on answering long after
	for i := range samples {
		sent = max(sent, samples[i].Planned)
	}
	return min(ends[n-1], sent/2)
}

// serviceTimes are the mean model times of each block in which answers came, and
// when the blocks end. Each time is a share of the mean of its batch size: the
// sizes follow the load, and would pass for a service that never rests.
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

// spread is the mean and the standard deviation.
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

// statuses counts HTTP statuses; a request without one is under "none".
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

// figures are the percentiles of latencies in ms, and their histogram.
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
		panic("sweep: " + err.Error()) // a histogram of our own always encodes
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
	mean := func(d time.Duration) trial.Num { return trial.NumOf(ms(d) / n) } // n 0 is NaN: not measured
	return trial.Breakdown{
		Decode: mean(decode), Queue: mean(queue), Formation: mean(formation),
		Execution: mean(execution), Encode: mean(encode),
	}
}

// batches are the formed batches the answers rode in: b answers of a batch of b
// make one batch.
func batches(samples []load.Sample) trial.Batches {
	answers := map[int]int{}
	for _, s := range samples {
		if s.Batch > 0 {
			answers[int(s.Batch)]++
		}
	}
	out := trial.Batches{Sizes: map[int]int{}}
	items, n := 0, 0.0
	for size, count := range answers {
		items += count
		n += float64(count) / float64(size)
		if whole := int(math.Round(float64(count) / float64(size))); whole > 0 {
			out.Sizes[size] = whole
		}
	}
	out.Mean = trial.NumOf(float64(items) / n)
	return out
}

func lag(h *latency.Hist) trial.Lag {
	if h == nil || h.Count() == 0 {
		return trial.Lag{}
	}
	return trial.Lag{P50: trial.NumOf(ms(h.Quantile(.5))), P99: trial.NumOf(ms(h.Quantile(.99)))}
}

// warnings are the doubts that travel with the numbers.
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
