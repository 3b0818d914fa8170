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

// Parameters of the correction. The simulation of 300000 requests takes about 20 ms.
const (
	longRun        = 300_000 // requests of the long simulation
	longSeed       = 0x6c6f6e67
	maxUtilization = .98 // above it the queue of a longer run grows without end
	maxRatio       = 2.  // of simulated and measured P99; above it the simulation is not valid
	correctedAt    = .99 // quantile
)

// CorrectedP99 returns the P99 of request latency of a run under an open load in ms,
// corrected for its random arrivals and for the empty queue at its start (see package
// predict). It is a prediction in addition to the measured P99 and always shown as
// corrected; no verdict depends on it.
//
// out is the summary of the run, served the configuration of the server, and
// disturbances are those given to Summarize. The simulation uses the service times of
// the run ([predict.Observed]) and its planned send times, and omits the same blocks.
//
// The result is missing for other loads, if samples do not have the batch sizes, at a
// utilization of 98% or more, and if the simulated P99 is not within a factor of 2 of
// the measured one.
func CorrectedP99(out trial.Result, r load.Result, l load.Spec, served knob.Config, disturbances ...Disturbance) trial.Num {
	measured, ok := out.Latency.P99.Value.Get()
	if l.Mode != load.Open || !ok || served.Options.Rule == knob.RuleUnreported {
		return trial.Num{}
	}
	total := time.Duration(r.Seconds * float64(time.Second))
	warm := time.Duration(math.Round(out.WarmupSeconds * float64(time.Second)))
	rejected := rejectDisturbed(disturbances, warm, total)
	curve, ok := predict.Observed(rejected.keptSamples(plannedAfter(r.Samples, warm)))
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
	simulated := stat.Quantile(latencies(rejected.keptSamples(plannedAfter(sim.Samples(), warm)), trial.RequestLatency), correctedAt).Value
	if !(simulated < maxRatio*measured && measured < maxRatio*simulated) {
		return trial.Num{}
	}
	return trial.NumOf(predict.Correct(measured, long, simulated))
}

// planned returns the planned send times of a run, ascending.
func planned(samples []load.Sample) []time.Duration {
	out := make([]time.Duration, len(samples))
	for i, s := range samples {
		out[i] = s.Planned
	}
	slices.Sort(out)
	return out
}
