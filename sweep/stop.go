package sweep

import (
	"fmt"
	"time"

	"sweetspot/sweep/load"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// Warm-up: what was planned in the first part of a run is not judged. The part
// is a tenth of the run so far, within these bounds.
const (
	warmupShare    = 0.1
	minWarmup = 250 * time.Millisecond
	maxWarmup  = 2 * time.Second
)

func warmup(elapsed time.Duration) time.Duration {
	return min(max(time.Duration(float64(elapsed)*warmupShare), minWarmup), maxWarmup)
}

// fewest is how many requests a run has before it is judged: the summary may cut
// off a longer warm-up and busy blocks, and is to have enough left.
const minRequests = 200

// rateWithin is how well the throughput has to be known before a trial ends.
const ratePrecision = 0.03

// block is the length of the blocks throughput is estimated from.
const rateBlock = 250 * time.Millisecond

// purpose is what a measurement is for, which says how long it goes on.
type purpose uint8

// The purposes.
const (
	untilRanked  purpose = iota // ends when it looks like a pass and its throughput is known, or fails
	untilCertain                // ends when its verdict is certain
	untilValidated                 // a validation: only a failure or enough of everything ends it
	fixedLength                // its length is given: it is only watched
)

// watcher decides when a measurement has seen enough, for what it is made for. The
// throughput of an open load is the plan's, which the arrivals scatter about: what
// can be known of it is whether the answers keep up, which the verdict says.
type stoppingRule struct {
	sla     trial.SLA
	load    load.Spec
	purpose purpose
	minTime   time.Duration // forLong: at least so long, warm-up not counted

	rate, percentile trial.Num // the last figures, for progress
	lastLook  int       // the look at which p and seen are from
	latest    decision
	certain decision // the first certain answer: the one Decide's error is counted for
}

// settle gives a result the answer that its run was ended by. The summary asks
// again with the last few answers, and those may leave a close call open. A
// percentile on the other side of the limit outweighs the first answer, and so
// does a validation, which no short look may overrule.
func (w *stoppingRule) useCertain(r *trial.Result) {
	if r.Verdict.Result != trial.Undecided || r.Disturbed() || r.GeneratorLimited || w.purpose == untilValidated || w.purpose == fixedLength {
		return
	}
	value, ok := r.Verdict.ValueMS.Get()
	switch within := ok && value <= r.Verdict.LimitMS; {
	case w.certain.answer == stat.Pass && within && r.Counts.Errors() <= w.sla.MaxErrorRate,
		w.certain.answer == stat.Fail && !within && w.certain.byPercentile:
		r.Verdict.Result, r.Verdict.Leaning, r.Verdict.Why = trialAnswers[w.certain.answer], trialAnswers[w.certain.answer], w.certain.why
	}
}

// UntilCertain returns the Stop of trials under the load that end when their
// verdict is certain and their throughput known.
func UntilCertain(sla trial.SLA, l load.Spec) Stop {
	return (&stoppingRule{sla: sla, load: l, purpose: untilCertain}).stop
}

// UntilValidated returns the Stop of a validation, which lasts at least so long;
// only a failure ends it sooner.
func UntilValidated(sla trial.SLA, l load.Spec, least time.Duration) Stop {
	return (&stoppingRule{sla: sla, load: l, purpose: untilValidated, minTime: least}).stop
}

// UntilKnown returns a Stop that ends a measurement when the percentile of the
// promise is known to within the given share of it, such as .1 for 10%, whether
// the promise is kept or not.
func UntilPrecise(sla trial.SLA, within float64) Stop {
	asked := 0
	return func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		if len(samples) < asked+asked/4 { // it would look at what it has seen
			return false, ""
		}
		asked = len(samples)
		r := RequestsOf(plannedAfter(samples, warmup(elapsed)), load.Spec{}, sla.Latency)
		known := stat.Settled(r.Values, r.Times, sla.Percentile/100, within)
		return known, fmt.Sprintf("known within %g%% after %d requests", 100*within, len(r.Values))
	}
}

// stop is a Stop.
func (w *stoppingRule) stop(elapsed time.Duration, samples []load.Sample) (bool, string) {
	warm := warmup(elapsed)
	rate := stat.Rate(countAnswers(samples, warm, elapsed), rateBlock)
	w.rate = trial.NumOf(rate.Value)
	kept, errs := countErrors(samples, warm)
	w.look(samples, warm, kept)
	if w.purpose == fixedLength {
		return false, ""
	}
	if kept >= 50 && errs > 0 && w.sla.MaxErrorRate == 0 {
		return true, "too many errors"
	}
	known := w.load.Mode != load.Closed || rate.High-rate.Low <= 2*ratePrecision*rate.Value
	switch {
	case w.latest.answer == stat.Fail:
		return true, w.latest.why // its throughput is of no use: it cannot be recommended
	case w.purpose == untilValidated:
		return elapsed-warm >= w.minTime && w.latest.answer == stat.Pass, w.latest.why
	case w.latest.answer == stat.Pass:
		return known, w.latest.why
	case w.purpose == untilRanked && w.latest.leaning == stat.Pass:
		return known, ""
	}
	return false, ""
}

// look takes the percentile and asks for the verdict where there are enough more
// requests than before for another one. It sorts them all: at every block it would
// take a fast server's time away.
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

// after returns the samples planned at or after t.
func plannedAfter(samples []load.Sample, t time.Duration) []load.Sample {
	out := make([]load.Sample, 0, len(samples))
	for _, s := range samples {
		if s.Planned >= t {
			out = append(out, s)
		}
	}
	return out
}

// latencies returns, in ms and in order, what percentiles are taken over:
// answers, and timeouts at their limit.
func latencies(samples []load.Sample, which trial.LatencyKind) []float64 {
	return RequestsOf(samples, load.Spec{}, which).Values
}

// rates counts the answers of each whole block between from and to, by the time
// they came: also those to requests from before, or the first block of a slow
// server would be short of them.
func countAnswers(samples []load.Sample, from, to time.Duration) []int {
	if to-from < rateBlock {
		return nil
	}
	out := make([]int, (to-from)/rateBlock)
	for i := range samples {
		s := &samples[i]
		came := s.Planned + s.Latency - from
		if s.Outcome == load.OK && came >= 0 && int(came/rateBlock) < len(out) {
			out[came/rateBlock]++
		}
	}
	return out
}

// tally counts the requests planned at or after from, and those of them that
// were refused, failed or timed out.
func countErrors(samples []load.Sample, from time.Duration) (all, broken int) {
	for i := range samples {
		s := &samples[i]
		if s.Planned < from {
			continue
		}
		all++
		if s.Outcome != load.OK {
			broken++
		}
	}
	return all, broken
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
