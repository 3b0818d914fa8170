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
	warmShare    = 0.1
	warmShortest = 250 * time.Millisecond
	warmLongest  = 2 * time.Second
)

func warmup(elapsed time.Duration) time.Duration {
	return min(max(time.Duration(float64(elapsed)*warmShare), warmShortest), warmLongest)
}

// fewest is how many requests a run has before it is judged: the summary may cut
// off a longer warm-up and busy blocks, and is to have enough left.
const fewest = 200

// rateWithin is how well the throughput has to be known before a trial ends.
const rateWithin = 0.03

// block is the length of the blocks throughput is estimated from.
const block = 250 * time.Millisecond

// watcher decides when a measurement has seen enough: its verdict is certain
// and its throughput known within 3%, or nothing that could still come would
// make it pass.
//
// The throughput of an open load is the plan's, which the arrivals scatter
// about: what can be known of it is whether the answers keep up, and a verdict
// on latency tells that.
type watcher struct {
	sla   trial.SLA
	open  bool // the load has a plan: an open load or a trace
	fixed bool // the length is given: only watch
	least int  // answers before a pass ends it; 0 wants no more than certainty does

	rate, p trial.Num     // the last figures, for progress
	looked  int           // the look at which p is from
	certain stat.Decision // the first certain answer: the one Decide's error is counted for
}

// settle gives a result the answer that its run was ended by. The summary asks
// again with the last few answers, and those may leave a close call open; only
// another certain answer outweighs the first.
func (w *watcher) settle(r *trial.Result) {
	if r.Verdict.Result != trial.Undecided || r.Busy() || w.certain.Answer == stat.Undecided {
		return
	}
	r.Verdict.Result = trial.Fail
	if w.certain.Answer == stat.Pass {
		r.Verdict.Result = trial.Pass
	}
	r.Verdict.Why = w.certain.Why
}

// UntilCertain returns the Stop of a sweep's trials under the load: it ends a
// measurement when its verdict is certain and its throughput known.
func UntilCertain(sla trial.SLA, l load.Spec) Stop {
	return (&watcher{sla: sla, open: l.Mode != load.Closed}).stop
}

// UntilKnown returns a Stop that ends a measurement when the percentile of the
// promise is known to within the given share of it, such as .1 for 10%, whether
// the promise is kept or not.
func UntilKnown(sla trial.SLA, within float64) Stop {
	asked := 0
	return func(elapsed time.Duration, samples []load.Sample) (bool, string) {
		if len(samples) < asked+asked/4 { // it would look at what it has seen
			return false, ""
		}
		asked = len(samples)
		values := latencies(after(samples, warmup(elapsed)), sla.Latency)
		known := stat.Settled(values, sla.Percentile/100, within)
		return known, fmt.Sprintf("known within %g%% after %d requests", 100*within, len(values))
	}
}

// stop is a Stop.
func (w *watcher) stop(elapsed time.Duration, samples []load.Sample) (bool, string) {
	warm := warmup(elapsed)
	rate := stat.Rate(rates(samples, warm, elapsed), block)
	w.rate = trial.Of(rate.Value)
	kept, errs := tally(samples, warm)
	w.look(samples, warm, kept-errs)
	if w.fixed {
		return false, ""
	}
	if kept >= 50 && float64(errs) > w.sla.MaxErrorRate*float64(kept) {
		return true, "too many errors"
	}
	switch w.certain.Answer {
	case stat.Undecided:
		return false, ""
	case stat.Fail:
		return true, w.certain.Why // its throughput is of no use: nobody may run it
	}
	if kept-errs < w.least {
		return false, ""
	}
	known := w.open || rate.High-rate.Low <= 2*rateWithin*rate.Value
	return known, w.certain.Why
}

// look takes the percentile and asks for the verdict where there are enough more
// answers than before for another one. It sorts them all: at every block it would
// take a fast server's time away.
func (w *watcher) look(samples []load.Sample, warm time.Duration, answers int) {
	look := stat.Look(answers)
	if look > 0 && look == w.looked {
		return
	}
	w.looked = look
	values := latencies(after(samples, warm), w.sla.Latency)
	q := w.sla.Percentile / 100
	w.p = trial.Of(stat.Quantile(values, q).Value)
	if len(values) >= fewest && w.certain.Answer == stat.Undecided {
		w.certain = stat.Decide(values, stat.Promise{Q: q, Limit: ms(w.sla.Limit)})
	}
}

// after returns the samples planned at or after t.
func after(samples []load.Sample, t time.Duration) []load.Sample {
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
func latencies(samples []load.Sample, which trial.Which) []float64 {
	out := make([]float64, 0, len(samples))
	for _, s := range samples {
		switch {
		case s.Outcome == load.Refused || s.Outcome == load.Failed:
		case which == trial.Request:
			out = append(out, ms(s.Latency))
		case s.Model > 0:
			out = append(out, ms(s.Model))
		}
	}
	return out
}

// rates counts the answers of each whole block between from and to, by the time
// they came: also those to requests from before, or the first block of a slow
// server would be short of them.
func rates(samples []load.Sample, from, to time.Duration) []int {
	if to-from < block {
		return nil
	}
	out := make([]int, (to-from)/block)
	for i := range samples {
		s := &samples[i]
		came := s.Planned + s.Latency - from
		if s.Outcome == load.OK && came >= 0 && int(came/block) < len(out) {
			out[came/block]++
		}
	}
	return out
}

// tally counts the requests planned at or after from, and those of them that
// were refused or failed.
func tally(samples []load.Sample, from time.Duration) (all, broken int) {
	for i := range samples {
		s := &samples[i]
		if s.Planned < from {
			continue
		}
		all++
		if s.Outcome == load.Refused || s.Outcome == load.Failed {
			broken++
		}
	}
	return all, broken
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
