package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// The warm-up is the first part of a run, whose requests do not count: a tenth of the run so far,
// within these limits.
const (
	warmupShare = 0.1
	minWarmup   = 250 * time.Millisecond
	maxWarmup   = 2 * time.Second
)

func warmup(elapsed time.Duration) time.Duration {
	return min(max(time.Duration(float64(elapsed)*warmupShare), minWarmup), maxWarmup)
}

// warmupOf is warmup, or 0 for a load of which all counts.
func warmupOf(l load.Spec, elapsed time.Duration) time.Duration {
	if countsWhole(l) {
		return 0
	}
	return warmup(elapsed)
}

// maxWarmupShare is the largest share of a whole run that is warm-up. A fast server answers a given
// number of requests in less than minWarmup.
const maxWarmupShare = 0.25

// warmupOfRun returns the warm-up of a run that has ended.
func warmupOfRun(total time.Duration) time.Duration {
	return min(warmup(total), time.Duration(float64(total)*maxWarmupShare))
}

// minRequests is the smallest number of requests for a verdict during a run: the summary may remove
// a longer warm-up and disturbed blocks, and enough requests must remain.
const minRequests = 200

// ratePrecision is how precise the throughput must be before a trial ends: half the width of its
// interval, as a share of it.
const ratePrecision = 0.03

// The throughput is estimated from blocks of the length rateBlock, or from minRateBlocks shorter ones
// if the whole run is shorter.
const (
	rateBlock     = 250 * time.Millisecond
	minRateBlocks = 4
)

// rateBlockOf returns the length of the blocks of a run that has ended; measured is its length
// without the warm-up.
func rateBlockOf(measured time.Duration) time.Duration {
	return max(min(rateBlock, measured/minRateBlocks), 1)
}

// scanEvery is the share of new samples, 1 in so many, with which a validation that is not long enough yet goes through its samples
// again: a horizon may have millions.
const scanEvery = 1000

// purpose is the purpose of a measurement; it determines when the measurement ends.
type purpose uint8

// The purposes.
const (
	untilRanked    purpose = iota // ends when a pass is likely and the throughput is precise, or at a failure
	untilCertain                  // ends when the verdict is certain and the throughput of a pass is precise
	untilValidated                // a validation: ends at a failure, or at a pass after its minimum time
	fixedLength                   // the length is given
)

// stoppingRule decides when a measurement ends. The throughput of an open load is the
// rate of the load with random differences, so the rule does not require it to be
// precise; the verdict says whether answers keep up.
type stoppingRule struct {
	sla     trial.SLA
	load    load.Spec
	purpose purpose
	minTime time.Duration // of a validation, without warm-up

	rate, percentile trial.Num // latest throughput and percentile, for progress
	scanned          int       // samples at the last call that went through them
	lastLook         int       // the look at which percentile and latest were calculated
	latest           decision
	certain          decision // the first certain answer; the error probability of stat.Decide is that of this one
}

// useCertain replaces an undecided result by the certain answer that ended the run.
// The summary decides again with a few more answers, and may be undecided if the percentile
// is close to the limit. The answer is not used if the percentile is on the other side
// of the limit, and for validations, which must be certain at their end.
func (w *stoppingRule) useCertain(r *trial.Result) {
	if r.Verdict.Result != trial.Undecided || r.Disturbed() || r.GeneratorLimited || w.purpose == untilValidated || w.purpose == fixedLength {
		return
	}
	value, ok := r.Verdict.ValueMS.Get()
	switch within := ok && value <= r.Verdict.LimitMS; {
	case w.certain.answer == stat.Pass && within && r.Counts.Errors() <= w.sla.MaxErrorRate,
		w.certain.answer == stat.Fail && !within && w.certain.byPercentile:
		r.Verdict.Result, r.Verdict.Leaning, r.Verdict.Why = trialAnswers[w.certain.answer], trialAnswers[w.certain.answer], w.certain.why
		if w.certain.byPercentile {
			r.Verdict.Why += r.Verdict.IntervalNote()
		}
	}
}

// UntilCertain returns a Stop that ends a trial under the load when its verdict is certain
// and the throughput of a pass is precise.
func UntilCertain(sla trial.SLA, l load.Spec) Stop {
	return (&stoppingRule{sla: sla, load: l, purpose: untilCertain}).stop
}

// UntilValidated returns the Stop of a validation, which lasts at least minTime unless it
// fails earlier.
func UntilValidated(sla trial.SLA, l load.Spec, minTime time.Duration) Stop {
	return (&stoppingRule{sla: sla, load: l, purpose: untilValidated, minTime: minTime}).stop
}

// UntilPrecise returns a Stop that ends a measurement when the percentile of the SLA is
// precise to the given share of it, such as .1 for 10%, whether it is within the limit or
// not.
func UntilPrecise(sla trial.SLA, share float64) Stop {
	last := 0
	return func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		if len(samples) < last+last/4 { // too few new samples since the last calculation
			return false, ""
		}
		last = len(samples)
		r := RequestsOf(plannedAfter(samples, warmup(elapsed)), load.Spec{}, sla.Latency)
		precise := stat.Settled(r.Values, r.Times, sla.Percentile/100, share)
		return precise, fmt.Sprintf("precise to %g%% after %d requests", 100*share, len(r.Values))
	}
}

// stop has the signature of a Stop.
func (w *stoppingRule) stop(elapsed time.Duration, samples []load.Sample) (bool, string) {
	warm := warmupOf(w.load, elapsed)
	if w.purpose == untilValidated && elapsed-warm < w.minTime && len(samples) < w.scanned+w.scanned/scanEvery {
		return false, ""
	}
	w.scanned = len(samples)
	rate := stat.Rate(countAnswers(samples, warm, elapsed, rateBlock), rateBlock)
	w.rate = trial.NumOf(rate.Value)
	kept, errs := countErrors(samples, warm)
	w.look(samples, warm, kept)
	if w.purpose == fixedLength {
		return false, ""
	}
	if kept >= 50 && errs > 0 && w.sla.MaxErrorRate == 0 {
		return true, "too many errors"
	}
	precise := w.load.Mode != load.Closed || rate.High-rate.Low <= 2*ratePrecision*rate.Value
	switch {
	case w.latest.answer == stat.Fail:
		return true, w.latest.why // the throughput is not needed: a failed setting is never recommended
	case w.purpose == untilValidated:
		return elapsed-warm >= w.minTime && w.latest.answer == stat.Pass, w.latest.why
	case w.latest.answer == stat.Pass:
		return precise, w.latest.why
	case w.purpose == untilRanked && w.latest.leaning == stat.Pass:
		return precise, ""
	}
	return false, ""
}

// look calculates the percentile and the verdict if there are enough new requests for
// another look. It sorts all latencies, which would be too slow for a call at every block.
func (w *stoppingRule) look(samples []load.Sample, warm time.Duration, n int) {
	look := stat.Look(n)
	if look > 0 && look == w.lastLook {
		return
	}
	w.lastLook = look
	r := RequestsOf(plannedAfter(samples, warm), w.load, w.sla.Latency)
	w.percentile = trial.NumOf(stat.Quantile(r.Values, w.sla.Percentile/100).Value)
	if n < minRequests {
		return
	}
	w.latest = decide(w.sla, r, w.sla.Horizon)
	if w.certain.answer == stat.Undecided {
		w.certain = w.latest
	}
}

// plannedAfter returns the samples planned at or after t.
func plannedAfter(samples []load.Sample, t time.Duration) []load.Sample {
	out := make([]load.Sample, 0, len(samples))
	for _, s := range samples {
		if s.Planned >= t {
			out = append(out, s)
		}
	}
	return out
}

// latencies returns the latencies in ms, in the order of samples: of answers, and the timeout of
// requests that timed out.
func latencies(samples []load.Sample, kind trial.LatencyKind) []float64 {
	return RequestsOf(samples, load.Spec{}, kind).Values
}

// minShortAnswers is the least number of answers in a block shorter than rateBlock, on average: in
// fewer, the few answers at the end of a run decide, when other clients have ended already.
const minShortAnswers = 20

// rateOf estimates the throughput between from and to, of a run that has ended. It is missing if a
// short run has too few answers for an estimate.
func rateOf(samples []load.Sample, from, to time.Duration) (rate stat.Interval, blocks int) {
	block := rateBlockOf(to - from)
	answers := countAnswers(samples, from, to, block)
	all := 0
	for _, n := range answers {
		all += n
	}
	if block < rateBlock && all < minShortAnswers*len(answers) {
		return stat.Rate(nil, block), len(answers)
	}
	return stat.Rate(answers, block), len(answers)
}

// countAnswers counts the answers in each full block of the given length between from and to by
// the time of the answer. It includes answers to requests planned before from; otherwise the first
// block of a slow server would have too few.
func countAnswers(samples []load.Sample, from, to, block time.Duration) []int {
	if to-from < block {
		return nil
	}
	out := make([]int, (to-from)/block)
	for i := range samples {
		s := &samples[i]
		answered := s.Planned + s.Latency - from
		if s.Outcome == load.OK && answered >= 0 && int(answered/block) < len(out) {
			out[answered/block]++
		}
	}
	return out
}

// countErrors counts the requests planned at or after from, and those of them that were refused,
// failed or timed out.
func countErrors(samples []load.Sample, from time.Duration) (all, errors int) {
	for i := range samples {
		s := &samples[i]
		if s.Planned < from {
			continue
		}
		all++
		if s.Outcome != load.OK {
			errors++
		}
	}
	return all, errors
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
