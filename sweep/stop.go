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

// purpose is what a measurement is for, which says how long it goes on.
type purpose uint8

// The purposes.
const (
	forRank  purpose = iota // ends when it looks like a pass and its throughput is known, or fails
	forProof                // ends when its verdict is certain
	forLong                 // a validation: only a failure or enough of everything ends it
	forFixed                // its length is given: it is only watched
)

// watcher decides when a measurement has seen enough, for what it is made for. The
// throughput of an open load is the plan's, which the arrivals scatter about: what
// can be known of it is whether the answers keep up, which the verdict says.
type watcher struct {
	sla     trial.SLA
	load    load.Spec
	purpose purpose
	least   time.Duration // forLong: at least so long, warm-up not counted

	rate, p trial.Num // the last figures, for progress
	looked  int       // the look at which p and seen are from
	seen    judgement
	certain judgement // the first certain answer: the one Decide's error is counted for
}

// settle gives a result the answer that its run was ended by. The summary asks
// again with the last few answers, and those may leave a close call open. A
// percentile on the other side of the limit outweighs the first answer, and so
// does a validation, which no short look may overrule.
func (w *watcher) settle(r *trial.Result) {
	if r.Verdict.Result != trial.Undecided || r.Busy() || r.GeneratorLimited || w.purpose == forLong || w.purpose == forFixed {
		return
	}
	value, ok := r.Verdict.ValueMS.Get()
	switch within := ok && value <= r.Verdict.LimitMS; {
	case w.certain.answer == stat.Pass && within && r.Counts.Errors() <= w.sla.MaxErrorRate,
		w.certain.answer == stat.Fail && !within && w.certain.plain:
		r.Verdict.Result, r.Verdict.Leaning, r.Verdict.Why = answers[w.certain.answer], answers[w.certain.answer], w.certain.why
	}
}

// UntilCertain returns the Stop of trials under the load that end when their
// verdict is certain and their throughput known.
func UntilCertain(sla trial.SLA, l load.Spec) Stop {
	return (&watcher{sla: sla, load: l, purpose: forProof}).stop
}

// UntilValidated returns the Stop of a validation, which lasts at least so long;
// only a failure ends it sooner.
func UntilValidated(sla trial.SLA, l load.Spec, least time.Duration) Stop {
	return (&watcher{sla: sla, load: l, purpose: forLong, least: least}).stop
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
		r := RequestsOf(after(samples, warmup(elapsed)), load.Spec{}, sla.Latency)
		known := stat.Settled(r.Values, r.Times, sla.Percentile/100, within)
		return known, fmt.Sprintf("known within %g%% after %d requests", 100*within, len(r.Values))
	}
}

// stop is a Stop.
func (w *watcher) stop(elapsed time.Duration, samples []load.Sample) (bool, string) {
	warm := warmup(elapsed)
	rate := stat.Rate(rates(samples, warm, elapsed), block)
	w.rate = trial.Of(rate.Value)
	kept, errs := tally(samples, warm)
	w.look(samples, warm, kept)
	if w.purpose == forFixed {
		return false, ""
	}
	if kept >= 50 && errs > 0 && w.sla.MaxErrorRate == 0 {
		return true, "too many errors"
	}
	known := w.load.Mode != load.Closed || rate.High-rate.Low <= 2*rateWithin*rate.Value
	switch {
	case w.seen.answer == stat.Fail:
		return true, w.seen.why // its throughput is of no use: it cannot be recommended
	case w.purpose == forLong:
		return elapsed-warm >= w.least && w.seen.answer == stat.Pass, w.seen.why
	case w.seen.answer == stat.Pass:
		return known, w.seen.why
	case w.purpose == forRank && w.seen.leaning == stat.Pass:
		return known, ""
	}
	return false, ""
}

// look takes the percentile and asks for the verdict where there are enough more
// requests than before for another one. It sorts them all: at every block it would
// take a fast server's time away.
func (w *watcher) look(samples []load.Sample, warm time.Duration, n int) {
	look := stat.Look(n)
	if look > 0 && look == w.looked {
		return
	}
	w.looked = look
	r := RequestsOf(after(samples, warm), w.load, w.sla.Latency)
	w.p = trial.Of(stat.Quantile(r.Values, w.sla.Percentile/100).Value)
	if n < fewest {
		return
	}
	w.seen = judge(w.sla, r, w.sla.Horizon)
	if w.certain.answer == stat.Undecided {
		w.certain = w.seen
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
	return RequestsOf(samples, load.Spec{}, which).Values
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
// were refused, failed or timed out.
func tally(samples []load.Sample, from time.Duration) (all, broken int) {
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
