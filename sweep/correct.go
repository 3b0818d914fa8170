package sweep

import (
	"math"
	"slices"
	"time"

	"sweetspot/engine/knob"
	"sweetspot/sweep/load"
	"sweetspot/sweep/predict"
	"sweetspot/sweep/stat"
	"sweetspot/sweep/trial"
)

// How a P99 is corrected. A long run of 300000 requests takes some 20 ms.
const (
	longRun     = 300_000 // requests
	longSeed    = 0x6c6f6e67
	maxUtilization    = .98 // of what the observed curve bears: above, a longer run has ever longer queues
	maxRatio  = 2.  // a simulation further from the measurement than by this factor explains nothing
	correctedAt = .99
)

// Corrected is the request P99 of an open load's run, corrected in ms for the luck
// of its arrivals and for the empty queue that it began with (package predict says
// how): a prediction that stands beside the measured P99 and is called corrected
// wherever it is shown. Nothing is judged by it.
//
// out is the run's summary, served what served it, noise what Summarize was given.
// The simulated server takes what the run's own batches took ([predict.Observed]),
// and its requests come when the run's were planned to; blocks cut out of the one
// are cut out of the other.
//
// It is null for every other load, where samples do not tell their batches, at 98%
// and more of what the server bears, and where the simulation's P99 is not within
// a factor of 2 of the measured one.
func CorrectedP99(out trial.Result, r load.Result, l load.Spec, served knob.Config, noise ...Disturbance) trial.Num {
	measured, ok := out.Latency.P99.Value.Get()
	if l.Mode != load.Open || !ok {
		return trial.Num{}
	}
	total := time.Duration(r.Seconds * float64(time.Second))
	warm := time.Duration(math.Round(out.WarmupSeconds * float64(time.Second)))
	cut := rejectDisturbed(noise, warm, total)
	curve, ok := predict.Observed(cut.keptSamples(plannedAfter(r.Samples, warm)))
	if s := served.Settings; !ok || l.Rate >= maxUtilization*curve.Rate(s.Workers, s.BatchSize) {
		return trial.Num{}
	}
	c := predict.Config{
		Settings: served.Settings, Rule: served.Options.Rule, Service: curve,
		Plan: load.Plan(l, longSeed, math.MaxInt64, longRun),
	}
	sim := predict.New(c)
	sim.Run()
	long := sim.Quantile(correctedAt)
	c.Plan, c.Detail = planned(r.Samples), true
	sim.Reset(c)
	sim.Run()
	same := stat.Quantile(latencies(cut.keptSamples(plannedAfter(sim.Samples(), warm)), trial.RequestLatency), correctedAt).Value
	if !(same < maxRatio*measured && measured < maxRatio*same) {
		return trial.Num{}
	}
	return trial.NumOf(predict.Correct(measured, long, same))
}

// planned are the send times of a run, ascending.
func planned(samples []load.Sample) []time.Duration {
	out := make([]time.Duration, len(samples))
	for i, s := range samples {
		out[i] = s.Planned
	}
	slices.Sort(out)
	return out
}
