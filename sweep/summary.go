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

// Summarize returns the result of a run under the load l, with its verdict. why, if not
// empty, is the reason why the run ended. disturbances are those of its blocks, in order;
// without them no block is rejected. The target adds the use of resources.
//
// Requests planned during the warm-up do not count. Requests planned in rejected blocks
// count in Counts and in the error rate of the verdict, but not in latencies and
// throughput. All of a ramp and of a trace counts.
func Summarize(r load.Result, l load.Spec, sla trial.SLA, why string, disturbances ...Disturbance) trial.Result {
	total := time.Duration(r.Seconds * float64(time.Second))
	part := countedPart(r.Samples, l, total, disturbances)
	measured := plannedAfter(r.Samples, part.warm)
	kept := part.keptSamples(measured)
	out := trial.Result{
		Seconds: total.Seconds() - part.warm.Seconds(), WarmupSeconds: part.warm.Seconds(),
		Counts: counts(measured), Status: statuses(measured), Warnings: []trial.Warning{},
		Breakdown: breakdown(kept), Batches: batches(kept),
		Lag: lag(r.Lag), Blocks: part.blocks,
	}
	if r.Planned > 0 {
		planned := max(r.Planned-(len(r.Samples)-len(measured)), 0)
		out.Counts.Planned = &planned
	}
	out.Counts.Late = r.Late
	rate, blocks := rateOf(part.keptSamples(r.Samples), part.warm, total-totalTime(part.gaps))
	if len(disturbances) == 0 {
		out.Blocks.Kept = blocks
	}
	out.Throughput = toEstimate(rate)
	out.Latency, out.Hist = latencyFigures(latencies(kept, trial.RequestLatency))
	m := stat.Quantiles(latencies(kept, trial.ModelLatency), .5, .9, .99)
	out.Model = trial.ModelLatencies{P50: trial.NumOf(m[0].Value), P90: trial.NumOf(m[1].Value), P99: trial.NumOf(m[2].Value)}
	out.QueueTimes = queueTimes(kept)
	out.Warnings = append(out.Warnings, warnings(r, part.warm)...)
	out.Warnings = append(out.Warnings, part.warnings...)
	out.GeneratorLimited = r.Limited
	j := judgement{Result: &out, run: r, load: l, sla: sla, part: part, total: total, measured: measured, kept: kept}
	j.judge(why)
	return out
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
